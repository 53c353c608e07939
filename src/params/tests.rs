//! Tests of the grammar.

use super::*;
use crate::picture::transform::{Crop, Gravity, Length, Transforms};
use proptest::prelude::*;

fn defaults() -> Defaults {
    Defaults {
        max_target: 50_000_000,
        deadline: Duration::from_secs(10),
        max_deadline: Duration::from_secs(60),
        formats: vec![Format::Webp, Format::Jpeg],
        ..Defaults::default()
    }
}

fn ask(query: &str) -> Result<Request, ParamError> {
    let pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    parse(&pairs, &defaults())
}

#[test]
fn a_bare_target_takes_every_default() {
    let request = ask("target=80KB").unwrap();
    assert!(request.auto_format);
    assert_eq!(request.filename, None);
    let job = request.job;
    assert_eq!(job.target, 80_000);
    assert_eq!(job.mode, Mode::Fit { min_bytes: None });
    assert_eq!(job.formats, Formats::Among(vec![Format::Webp, Format::Jpeg]));
    assert_eq!((job.quality, job.downscale, job.min_score), (95.0, true, None));
    assert_eq!((job.effort, job.metadata, job.on_miss), (Effort::Balanced, MetadataPolicy::Strip, OnMiss::Error));
    assert_eq!((job.background, job.deadline, job.resize), ([255; 3], Duration::from_secs(10), None));
}

#[test]
fn every_parameter_reaches_the_job() {
    let job = ask("max_bytes=1MB&format=avif,%20png&quality=71.5".replace("%20", " ").as_str()).unwrap().job;
    assert_eq!((job.target, job.quality), (1_000_000, 71.5));
    assert_eq!(job.formats, Formats::Among(vec![Format::Avif, Format::Png]));
    assert_eq!(ask("target=1&mode=exact").unwrap().job.mode, Mode::Exact);
    assert_eq!(ask("target=1KB&mode=close").unwrap().job.mode, Mode::Close { tolerance: 5_000 });
    assert_eq!(ask("target=1KB&mode=close&tolerance=2.5%").unwrap().job.mode, Mode::Close { tolerance: 25 });
    assert_eq!(ask("target=1KB&min_bytes=500").unwrap().job.mode, Mode::Fit { min_bytes: Some(500) });
    let job = ask("target=1KB&width=640&resize=cover&enlarge=true&background=%23".replace("%23", "#0af").as_str())
        .unwrap()
        .job;
    assert_eq!(job.resize, Some(Resize { width: Some(640), height: None, fit: ResizeFit::Cover, enlarge: true }));
    assert_eq!(job.background, [0x00, 0xaa, 0xff]);
    let request = ask("target=1KB&downscale=never&min_score=70&effort=best&metadata=keep&deadline=800ms&on_miss=smallest&filename=a b.jpg&format=keep").unwrap();
    assert_eq!(request.filename.as_deref(), Some("a b.jpg"));
    assert!(!request.auto_format);
    let job = request.job;
    assert_eq!((job.downscale, job.min_score, job.effort), (false, Some(70.0), Effort::Best));
    assert_eq!((job.metadata, job.deadline), (MetadataPolicy::Keep, Duration::from_millis(800)));
    assert_eq!((job.on_miss, job.formats), (OnMiss::Smallest, Formats::Keep));
    let dpi = |query: &str| ask(query).unwrap().job.dpi;
    assert_eq!(
        [dpi("target=1KB"), dpi("target=1KB&dpi=300"), dpi("target=1KB&dpi=65535")],
        [None, Some(300), Some(65_535)]
    );
}

#[test]
fn every_transform_reaches_the_job() {
    let job = ask("target=1KB&crop=1,2,30%,40%&rotate=270&flip=vertical&width=9&height=8&resize=contain&gravity=north&blur=1.5&sharpen=2&grayscale=yes").unwrap().job;
    let (width, height) = (Length::Percent(30.0), Length::Percent(40.0));
    let crop = Crop { left: Length::Pixels(1), top: Length::Pixels(2), width, height };
    let resize = Resize { width: Some(9), height: Some(8), fit: ResizeFit::Contain, enlarge: false };
    let expected = Transforms {
        crop: Some(crop),
        rotate: Rotation::ThreeQuarters,
        flip: Flip::Vertical,
        resize: Some(resize),
        gravity: Gravity::Point { x: 0.5, y: 0.0 },
        background: [255; 3],
        blur: Some(1.5),
        sharpen: Some(2.0),
        grayscale: true,
    };
    assert_eq!(job.transforms(), expected);
    let unchanged = ask("target=1KB&rotate=0&flip=none&sharpen=0&grayscale=false&gravity=centre").unwrap().job;
    assert_eq!(unchanged, ask("target=1KB").unwrap().job);
}

#[test]
fn values_are_understood_as_people_write_them() {
    let job = |query: &str| ask(&format!("target=1KB&{query}")).unwrap_or_else(|error| panic!("{error}")).job;
    let formats = |query: &str| job(query).formats;
    assert_eq!(formats("format=WEBP"), Formats::Among(vec![Format::Webp]));
    assert_eq!(formats("format=JPG,jpeg, Png"), Formats::Among(vec![Format::Jpeg, Format::Png]));
    assert_eq!(formats("format=Keep"), Formats::Keep);
    assert!(ask("target=1KB&format=AUTO").unwrap().auto_format);
    assert_eq!(job("mode=Exact").mode, Mode::Exact);
    assert_eq!(job("mode=CLOSE&tolerance=1kb").mode, Mode::Close { tolerance: 1000 });
    assert_eq!((job("effort=Best").effort, job("metadata=KEEP").metadata), (Effort::Best, MetadataPolicy::Keep));
    for (value, expected) in [("1", true), ("yes", true), ("TRUE", true), ("on", true), ("0", false), ("no", false)] {
        let resize = job(&format!("width=9&enlarge={value}")).resize.unwrap();
        assert_eq!(resize.enlarge, expected, "{value}");
    }
    assert_eq!(job("deadline=1m").deadline, Duration::from_secs(60));
    assert_eq!(job("deadline=0.5s").deadline, Duration::from_millis(500));
}

fn with_presets(presets_only: bool) -> Defaults {
    let pairs = |text: &[(&str, &str)]| {
        Preset::Parameters(text.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    };
    let portal = pairs(&[("max_bytes", "50KB"), ("min_bytes", "20KB"), ("format", "jpeg"), ("width", "600")]);
    let near = pairs(&[("target", "50KB"), ("mode", "close"), ("tolerance", "1KB")]);
    let site = Preset::Set(SetSpec::of_preset("portal"));
    let presets = [("portal", portal), ("near", near), ("site", site)];
    let presets = presets.map(|(name, preset)| (name.to_owned(), preset)).into_iter().collect();
    Defaults { presets, presets_only, ..defaults() }
}

fn ask_with(query: &str, defaults: &Defaults) -> Result<Request, ParamError> {
    let pairs = query.split('&').map(|part| part.split_once('=').unwrap());
    parse(&pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>(), defaults)
}

#[test]
fn the_parameters_of_a_preset_stand_where_the_request_says_nothing() {
    let job = |query: &str| ask_with(query, &with_presets(false)).unwrap().job;
    assert_eq!(job("preset=portal"), ask("target=50KB&min_bytes=20KB&format=jpeg&width=600").unwrap().job);
    let explicit = ask("target=90KB&min_bytes=20KB&format=webp&width=600").unwrap().job;
    assert_eq!(job("preset=portal&target=90KB&format=webp"), explicit);
    assert_eq!(job("mode=exact&preset=portal").mode, Mode::Exact, "min_bytes is for mode=fit");
    assert_eq!(job("mode=fit&preset=near").mode, Mode::Fit { min_bytes: None });
    assert_eq!(job("tolerance=9&preset=near").mode, Mode::Close { tolerance: 9 });
}

#[test]
fn an_unknown_preset_is_refused_with_those_that_there_are() {
    let error = ask_with("preset=avatar", &with_presets(false)).unwrap_err();
    assert_eq!((error.name.as_str(), error.allowed.as_str()), ("preset", "near, portal"));
    assert_eq!(ask("target=1&preset=avatar").unwrap_err().allowed, "none: the configuration has no presets for this");
    let error = ask_with("target=1&preset=site", &with_presets(false)).unwrap_err();
    assert!(error.reason.contains("set of outputs"), "{error}");
}

#[test]
fn where_only_presets_may_be_asked_for_all_else_is_refused() {
    let only = with_presets(true);
    assert!(ask_with("preset=portal&filename=a.jpg", &only).is_ok());
    for (query, name) in [("target=1KB", "target"), ("preset=portal&width=9", "width"), ("filename=a", "preset")] {
        let error = ask_with(query, &only).unwrap_err();
        assert_eq!((error.name.as_str(), error.allowed.as_str()), (name, "preset=near, portal"), "{query}");
    }
}

#[test]
fn a_long_value_is_not_repeated_whole() {
    let long = "7".repeat(7000);
    for parameter in PARAMETERS {
        let query = format!("{}={long}", parameter.name);
        let query = if parameter.name == "target" { query } else { format!("target=1&{query}") };
        let error = ask(&query).expect_err(parameter.name);
        assert!(error.to_string().len() < 400 && error.given.unwrap().len() < 90, "{}", parameter.name);
    }
    for query in [format!("{long}=1"), format!("target=1&mode={long}&tolerance=1"), format!("target=1&{long}={long}")] {
        assert!(ask(&query).unwrap_err().to_string().len() < 600);
    }
}

#[test]
fn unusable_values_are_refused_by_name() {
    for (query, name) in [
        ("", "target"),
        ("target=", "target"),
        ("target=80k", "target"),
        ("target=0", "target"),
        ("target=50000001", "target"),
        ("target=1&target=1", "target"),
        ("target=1&max_bytes=1", "max_bytes"),
        ("target=1&mode=nearest", "mode"),
        ("target=1&tolerance=1", "tolerance"),
        ("target=1&mode=close&tolerance=101%", "tolerance"),
        ("target=1&mode=exact&min_bytes=1", "min_bytes"),
        ("target=10&min_bytes=11", "min_bytes"),
        ("target=1&format=gif", "format"),
        ("target=1&format=", "format"),
        ("target=1&quality=0", "quality"),
        ("target=1&quality=100.1", "quality"),
        ("target=1&quality=nan", "quality"),
        ("target=1&quality=1e1", "quality"),
        ("target=1&width=0", "width"),
        ("target=1&height=65536", "height"),
        ("target=1&width=1.5", "width"),
        ("target=1&resize=crop", "resize"),
        ("target=1&enlarge=maybe", "enlarge"),
        ("target=1&crop=0,0,5", "crop"),
        ("target=1&crop=60%,0,50%,9", "crop"),
        ("target=1&rotate=45", "rotate"),
        ("target=1&flip=both", "flip"),
        ("target=1&gravity=up", "gravity"),
        ("target=1&gravity=0.5", "gravity"),
        ("target=1&blur=0", "blur"),
        ("target=1&sharpen=11", "sharpen"),
        ("target=1&grayscale=maybe", "grayscale"),
        ("target=1&downscale=always", "downscale"),
        ("target=1&min_score=-1", "min_score"),
        ("target=1&effort=max", "effort"),
        ("target=1&metadata=all", "metadata"),
        ("target=1&dpi=0", "dpi"),
        ("target=1&dpi=65536", "dpi"),
        ("target=1&dpi=72.5", "dpi"),
        ("target=1&background=red", "background"),
        ("target=1&deadline=5", "deadline"),
        ("target=1&deadline=61s", "deadline"),
        ("target=1&deadline=0s", "deadline"),
        ("target=1&on_miss=retry", "on_miss"),
        ("target=1&filename=", "filename"),
        ("target=1&Target=1", "Target"),
        ("target=1&crop=1", "crop"),
    ] {
        let error = ask(query).expect_err(query);
        assert_eq!(error.name, name, "{query}");
        assert!(!error.allowed.is_empty() && !error.reason.is_empty(), "{query}: {error}");
    }
}

#[test]
fn the_allowed_text_of_a_fixed_set_names_its_values() {
    for Parameter { name, allowed, default, values, .. } in PARAMETERS {
        let Some((last, others)) = values.split_last() else { continue };
        assert_eq!(*allowed, format!("{} or {last}", others.join(", ")), "{name}");
        assert!(values.contains(default), "{name}");
    }
    let format = PARAMETERS.iter().find(|parameter| parameter.name == "format").unwrap();
    assert!(format.allowed.ends_with(&Format::OUTPUT.map(Format::name).join(", ")), "{}", format.allowed);
}

proptest! {
    #[test]
    fn no_value_panics(index in 0..PARAMETERS.len(), value in "\\PC{0,20}") {
        let _ = parse(&[("target".to_owned(), "1".to_owned()), (PARAMETERS[index].name.to_owned(), value)], &defaults());
    }
}
