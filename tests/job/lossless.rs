//! Lossless answers: whenever they fit, whatever else is asked.

use bytefit::codec::rate::lossless;
use bytefit::codec::{Effort, Format, png, webp};
use bytefit::job::{Formats, Job, JobError, Outcome, StepKind};
use bytefit::picture::{Layout, Picture};
use testkit::drawing::{Content, page, picture};

use super::{job, run};

fn webp_file(picture: &Picture) -> Vec<u8> {
    webp::encode::encode_lossless(picture, Effort::Balanced).unwrap()
}

fn png_file(picture: &Picture) -> Vec<u8> {
    png::encode::encode_lossless(picture, Effort::Balanced).unwrap()
}

fn drawn(width: u32, height: u32, colour: impl Fn(u32, u32) -> [u8; 3]) -> Picture {
    let pixels = (0..width * height).flat_map(|index| colour(index % width, index / width)).collect();
    Picture::new(width, height, Layout::Rgb, pixels)
}

fn slopes() -> Picture {
    drawn(400, 300, |x, y| [x * 255 / 400, y * 255 / 300, (x + y) * 255 / 700].map(|level| level as u8))
}

fn waves() -> Picture {
    drawn(400, 300, |x, y| {
        let (x, y) = (f64::from(x), f64::from(y));
        [(x / 90.0).sin() * (y / 70.0).cos(), ((x + y) / 120.0).sin(), ((x - 200.0).hypot(y) / 60.0).cos()]
            .map(|wave| (128.0 + 100.0 * wave) as u8)
    })
}

/// A photograph on a page.
fn illustrated() -> Picture {
    let (page, photo) = (page(800, 600), picture(Content::Photo, 200, 150));
    let at = |picture: &Picture, x: u32, y: u32| {
        let start = 3 * (y * picture.width() + x) as usize;
        [0, 1, 2].map(|channel| picture.pixels()[start + channel])
    };
    let inside = |x: u32, y: u32| (500..700).contains(&x) && (100..250).contains(&y);
    drawn(800, 600, |x, y| if inside(x, y) { at(&photo, x - 500, y - 100) } else { at(&page, x, y) })
}

/// Copies of one small photograph, as sheets of sprites have.
fn tiles() -> Picture {
    let tile = picture(Content::Photo, 96, 64);
    drawn(384, 512, |x, y| {
        let start = 3 * ((y % 64) * 96 + x % 96) as usize;
        [0, 1, 2].map(|channel| tile.pixels()[start + channel])
    })
}

fn pictures() -> Vec<(&'static str, Picture)> {
    let drawn = Content::ALL.map(|content| picture(content, 320, 240));
    let names = ["photo", "text", "flat", "alpha", "grey"];
    let others = [
        ("page", page(800, 600)),
        ("illustrated", illustrated()),
        ("slopes", slopes()),
        ("waves", waves()),
        ("tiles", tiles()),
    ];
    names.into_iter().zip(drawn).chain(others).collect()
}

#[test]
fn a_lossless_file_that_fits_is_the_answer() {
    for (name, picture) in pictures() {
        let (webp, png) = (webp_file(&picture), png_file(&picture));
        for (formats, input, least) in [
            (vec![Format::Webp], &png, webp.len()),
            (vec![Format::Png], &webp, png.len()),
            (vec![Format::Avif, Format::Webp, Format::Jpeg], &png, webp.len()),
        ] {
            for percent in [100, 103, 150, 300] {
                let target = (least * percent / 100) as u64;
                let answer = run(&Job { formats: Formats::Among(formats.clone()), ..job(Format::Webp, target) }, input);
                let report = answer.unwrap().report;
                assert_eq!(report.outcome, Outcome::Lossless, "{name} {formats:?} {target}");
            }
        }
    }
}

#[test]
fn nothing_is_expected_to_take_more_than_it_does() {
    for (name, picture) in pictures() {
        let least = lossless::expect(&picture, name.contains("photo"), u64::MAX).least_bytes;
        let bytes = webp_file(&picture).len() as u64;
        assert!(least <= bytes, "{name}: {least} of {bytes}");
    }
}

#[test]
fn a_photograph_far_over_the_target_is_not_coded_without_loss() {
    let photo = picture(Content::Photo, 640, 480);
    let target = photo.pixel_count() / 4;
    let report = run(&job(Format::Webp, target), &png_file(&photo)).unwrap().report;
    assert!(report.steps.iter().all(|step| step.kind != StepKind::Lossless), "{:?}", report.steps);
}

#[test]
fn of_a_large_photograph_a_part_is_coded_before_the_whole() {
    let photo = picture(Content::Photo, 1700, 1200);
    let lossless_bytes = webp_file(&photo).len() as u64;
    let (too_low, enough) = (lossless_bytes * 4 / 5, lossless_bytes + 8);
    assert!(lossless::expect(&photo, true, too_low).least_bytes < too_low, "only the part shows that it is too low");
    let input = png_file(&photo);
    let is_coded_whole = |target| {
        let report = run(&job(Format::Webp, target), &input).unwrap().report;
        report.steps.iter().any(|step| step.kind == StepKind::Lossless)
    };
    assert!(!is_coded_whole(too_low));
    assert!(is_coded_whole(enough));
}

#[test]
fn what_a_lossless_file_meets_is_not_refused() {
    let page = page(800, 600);
    for (format, input, lossless) in
        [(Format::Webp, png_file(&page), webp_file(&page)), (Format::Png, webp_file(&page), png_file(&page))]
    {
        let target = lossless.len() as u64 * 11 / 10;
        for (quality, downscale, min_score) in
            [(95.0, false, None), (95.0, true, Some(90.0)), (60.0, false, None), (60.0, true, Some(90.0))]
        {
            let job = Job { quality, downscale, min_score, ..job(format, target) };
            let answer = run(&job, &input).unwrap();
            assert!(answer.bytes.len() as u64 <= target);
            let is_met = min_score.is_none_or(|least| answer.report.score.is_some_and(|score| score >= least));
            assert!(is_met, "{format:?} {quality} {downscale} {min_score:?}: {:?}", answer.report.score);
        }
    }
}

#[test]
fn a_refusal_names_the_lossless_size_where_that_is_the_smallest() {
    let page = page(800, 600);
    let lossless = webp_file(&page).len() as u64;
    for quality in [95.0, 60.0] {
        let mut job = Job { downscale: false, quality, ..job(Format::Webp, 600) };
        let Err(JobError::TargetUnreachable { smallest, .. }) = run(&job, &png_file(&page)) else {
            panic!("reached 600 bytes")
        };
        assert!(smallest.bytes <= lossless, "{} {lossless}", smallest.bytes);
        job.target = smallest.bytes;
        assert!(run(&job, &png_file(&page)).unwrap().bytes.len() as u64 <= smallest.bytes);
    }
}
