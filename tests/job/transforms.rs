//! Transforms of whole jobs: sizes, targets, scores, metadata.

use bytefit::codec::{Format, Metadata, MetadataPolicy, container};
use bytefit::job::{Effort, Formats, Job, JobError, Outcome};
use bytefit::picture::transform::{Crop, Flip, Gravity, Length, Resize, ResizeFit, Rotation};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use testkit::drawing::{Content, file};

use super::{decode, job, run};

fn crop(left: u32, top: u32, width: u32, height: u32) -> Crop {
    let [left, top, width, height] = [left, top, width, height].map(Length::Pixels);
    Crop { left, top, width, height }
}

fn resized(width: u32, height: u32, fit: ResizeFit) -> Option<Resize> {
    Some(Resize { width: Some(width), height: Some(height), fit, enlarge: false })
}

fn crops() -> impl Strategy<Value = Crop> {
    let pixels = (0..50_u32, 0..40_u32, 1..60_u32, 1..50_u32).prop_map(|(x, y, w, h)| crop(x, y, w, h));
    let percent = (0..60_u32, 0..60_u32, 1..=40_u32, 1..=40_u32).prop_map(|(left, top, width, height)| {
        let [left, top, width, height] = [left, top, width, height].map(|part| Length::Percent(f64::from(part)));
        Crop { left, top, width, height }
    });
    prop_oneof![pixels, percent]
}

fn gravities() -> impl Strategy<Value = Gravity> {
    let points = (0.0..=1.0_f64, 0.0..=1.0_f64).prop_map(|(x, y)| Gravity::Point { x, y });
    prop_oneof![Just(Gravity::Smart), points]
}

prop_compose! {
    fn resizes()(
        width in option::of(1..90_u32), height in 1..90_u32, fit in select(ResizeFit::ALL), enlarge in any::<bool>(),
    ) -> Resize {
        Resize { width, height: Some(height), fit, enlarge }
    }
}

prop_compose! {
    fn chains()(
        (crop, rotate, flip) in (option::of(crops()), select(Rotation::ALL), select(Flip::ALL)),
        (resize, gravity) in (option::of(resizes()), gravities()),
        (blur, sharpen, grayscale) in (option::of(0.3..100.0), option::of(0.1..10.0), any::<bool>()),
        (target, downscale) in (200..6_000_u64, any::<bool>()),
        formats in subsequence(Format::OUTPUT.to_vec(), 1..3),
        background in any::<[u8; 3]>(),
    ) -> Job {
        let effort = Effort::Fast;
        Job {
            crop, rotate, flip, resize, gravity, blur, sharpen, grayscale, downscale, background, effort,
            ..Job { formats: Formats::Among(formats), ..job(Format::Webp, target) }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_chain_is_over_the_target_or_of_another_size(
        job in chains(), content in select(vec![Content::Photo, Content::Alpha, Content::Flat]),
    ) {
        let input = file(content, 64, 48);
        let size = job.transforms().size(64, 48);
        match run(&job, &input) {
            Ok(answer) => {
                let decoded = decode(&answer.bytes);
                let (report, shown) = (answer.report, (decoded.width(), decoded.height()));
                prop_assert!(answer.bytes.len() as u64 <= job.target);
                prop_assert_eq!(shown, (report.output.width, report.output.height));
                let size = size.unwrap();
                if report.outcome == Outcome::Downscaled {
                    prop_assert!(job.downscale && shown.0 <= size.0 && shown.1 <= size.1);
                } else {
                    prop_assert_eq!(shown, size);
                }
                prop_assert!(report.outcome != Outcome::Passthrough || !job.transforms().changes(64, 48));
            }
            Err(JobError::Crop(_)) => prop_assert!(size.is_err()),
            Err(JobError::TargetUnreachable { smallest, .. }) => {
                prop_assert!(size.is_ok() && smallest.bytes > job.target);
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
    }
}

#[test]
fn what_is_asked_for_is_never_the_input_itself() {
    let input = file(Content::Photo, 80, 60);
    let plain = Job { formats: Formats::Keep, ..job(Format::Png, 1_000_000) };
    for changed in [
        Job { crop: Some(crop(0, 0, 79, 60)), ..plain.clone() },
        Job { rotate: Rotation::Half, ..plain.clone() },
        Job { flip: Flip::Horizontal, ..plain.clone() },
        Job { resize: resized(80, 80, ResizeFit::Contain), ..plain.clone() },
        Job { blur: Some(1.0), ..plain.clone() },
        Job { sharpen: Some(1.0), ..plain.clone() },
        Job { grayscale: true, ..plain.clone() },
    ] {
        let answer = run(&changed, &input).unwrap();
        assert_ne!(answer.report.outcome, Outcome::Passthrough, "{changed:?}");
        assert_ne!(decode(&answer.bytes), decode(&input), "{changed:?}");
    }
    let whole = Job { crop: Some(crop(0, 0, 80, 60)), gravity: Gravity::Smart, ..plain };
    assert_eq!(run(&whole, &input).unwrap().report.outcome, Outcome::Passthrough, "nothing changes");
}

#[test]
fn the_score_is_taken_against_the_transformed_picture() {
    let job = Job {
        crop: Some(crop(20, 10, 120, 90)),
        rotate: Rotation::Quarter,
        blur: Some(2.0),
        grayscale: true,
        min_score: Some(80.0),
        quality: 94.0,
        ..job(Format::Webp, 20_000)
    };
    let report = run(&job, &file(Content::Photo, 200, 150)).unwrap().report;
    assert_eq!((report.output.width, report.output.height), (90, 120));
    assert!(report.score.is_some_and(|score| score >= 80.0), "{:?}", report.score);
}

#[test]
fn a_crop_beyond_the_picture_is_refused() {
    let job = Job { crop: Some(crop(40, 0, 41, 10)), ..job(Format::Webp, 20_000) };
    assert!(matches!(run(&job, &file(Content::Photo, 80, 60)), Err(JobError::Crop(_))));
}

#[test]
fn a_crop_is_of_the_upright_picture() {
    let exif = bytefit::codec::exif::only_orientation(bytefit::picture::Orientation::Rotate90);
    let jpeg = run(&job(Format::Jpeg, 20_000), &file(Content::Photo, 120, 80)).unwrap().bytes;
    let turned = container::embed(jpeg, Format::Jpeg, &Metadata { exif: Some(exif), xmp: None, ..Metadata::default() });
    let job = Job { crop: Some(crop(0, 0, 80, 120)), ..job(Format::Webp, 20_000) };
    let answer = run(&job, &turned).unwrap();
    assert_eq!((answer.report.output.width, answer.report.output.height), (80, 120));
}

#[test]
fn contain_pads_transparent_pictures_with_an_opaque_background() {
    let mut job = job(Format::Png, 200_000);
    job.resize = resized(60, 60, ResizeFit::Contain);
    job.background = [255, 0, 0];
    let padded = decode(&run(&job, &file(Content::Alpha, 120, 60)).unwrap().bytes);
    assert_eq!((padded.width(), padded.height(), padded.has_alpha()), (60, 60, true));
    assert_eq!(padded.pixels()[..4], [255, 0, 0, 255]);
    assert!(padded.pixels()[60 * 30 * 4 + 3] < 30, "the picture's own transparency stays");
}

#[test]
fn grey_is_grey_on_every_background() {
    let job = Job { grayscale: true, background: [255, 0, 0], ..job(Format::Jpeg, 20_000) };
    assert!(decode(&run(&job, &file(Content::Alpha, 120, 90)).unwrap().bytes).is_grey());
}

#[test]
fn an_answer_that_shows_less_keeps_no_thumbnail_of_the_whole() {
    let jpeg = run(&job(Format::Jpeg, 20_000), &file(Content::Photo, 120, 80)).unwrap().bytes;
    let packet = "<rdf:RDF><xmp:Thumbnails>SECRET</xmp:Thumbnails><dc:rights>Ada</dc:rights></rdf:RDF>";
    // An Artist, and a thumbnail of 16 bytes.
    let exif = [
        &b"II*\0\x08\0\0\0\x01\0\x3B\x01\x02\0\x04\0\0\0Ada\0\x1A\0\0\0"[..],
        b"\x02\0\x01\x02\x04\0\x01\0\0\0\x38\0\0\0\x02\x02\x04\0\x01\0\0\0\x10\0\0\0\0\0\0\0",
        b"SECRET thumbnail",
    ]
    .concat();
    let tagged = container::embed(
        jpeg,
        Format::Jpeg,
        &Metadata { exif: Some(exif), xmp: Some(packet.into()), ..Metadata::default() },
    );
    let has_secret = |bytes: &[u8]| bytes.windows(6).any(|part| part == b"SECRET");
    for format in Format::OUTPUT {
        let plain = Job { metadata: MetadataPolicy::Keep, ..job(format, 30_000) };
        let smaller = Job { resize: resized(60, 60, ResizeFit::Inside), ..plain.clone() };
        assert!(has_secret(&run(&smaller, &tagged).unwrap().bytes), "it still shows the same");
        for less in [
            Job { crop: Some(crop(0, 0, 60, 60)), ..plain.clone() },
            Job { resize: resized(60, 60, ResizeFit::Cover), ..plain.clone() },
            Job { blur: Some(9.0), ..plain.clone() },
        ] {
            let answer = run(&less, &tagged).unwrap().bytes;
            assert!(!has_secret(&answer), "{less:?}");
            let kept = bytefit::codec::decode(&answer, &Default::default()).unwrap().metadata;
            assert!(kept.exif.is_some_and(|exif| exif.windows(4).any(|part| part == b"Ada\0")), "{less:?}");
            assert!(kept.xmp.is_some_and(|packet| packet.windows(3).any(|part| part == b"Ada")), "{less:?}");
        }
    }
}
