//! Gradients: what holds them best when a lossless file of the whole is too large.

use std::time::{Duration, Instant};

use bytefit::codec::{Effort, Format, Limits, png, webp};
use bytefit::job::{Job, Outcome, SharedTotal, Source, Stop};
use bytefit::picture::{Layout, Picture, transform};

use super::{decode, job, run};

/// Waves of red on gradients of green and blue.
fn waves(width: u32, height: u32) -> Picture {
    let pixels = (0..width * height).flat_map(|index| {
        let (x, y) = (f64::from(index % width) / f64::from(width), f64::from(index / width) / f64::from(height));
        [128.0 + (x * 9.0 + y * 4.0).sin() * 90.0, y * 255.0, x * 255.0].map(|level| level.round() as u8)
    });
    Picture::new(width, height, Layout::Rgb, pixels.collect())
}

/// The picture as a file, and half the bytes of its lossless WebP.
fn file_and_target(picture: &Picture) -> (Vec<u8>, u64) {
    let lossless = webp::encode::encode_lossless(picture, Effort::Balanced).unwrap();
    (png::encode::encode_lossless(picture, Effort::Fast).unwrap(), lossless.len() as u64 / 2)
}

#[test]
fn a_gradient_is_smaller_and_lossless_where_the_whole_is_too_large() {
    let picture = waves(800, 600);
    let (file, target) = file_and_target(&picture);
    let answer = run(&job(Format::Webp, target), &file).unwrap();
    assert_eq!((answer.report.outcome, answer.report.quality), (Outcome::Downscaled, Some(100.0)));
    let restored = transform::scale(&decode(&answer.bytes), 800, 600);
    let changes = restored.pixels().iter().zip(picture.pixels()).map(|(one, other)| one.abs_diff(*other));
    assert!(changes.max().unwrap() <= 4);
    let whole = run(&Job { downscale: false, ..job(Format::Webp, target) }, &file).unwrap();
    assert_eq!(whole.report.outcome, Outcome::Quality, "no smaller than allowed");
}

#[test]
fn a_soft_shadow_is_smaller_and_lossless_too() {
    let alpha = |index: u32| {
        let (x, y) = (f64::from(index % 512) - 256.0, f64::from(index / 512) - 256.0);
        255.0 * (-x.hypot(y * 1.3).powi(2) / 60_000.0).exp()
    };
    let shadow = (0..512 * 512).flat_map(|index| [20, 0, 40, alpha(index).round() as u8]);
    let picture = Picture::new(512, 512, Layout::Rgba, shadow.collect());
    let (file, target) = file_and_target(&picture);
    let answer = run(&job(Format::Webp, target), &file).unwrap();
    assert_eq!((answer.report.outcome, answer.report.quality), (Outcome::Downscaled, Some(100.0)));
    let restored = transform::scale(&decode(&answer.bytes), 512, 512);
    for background in [[0; 3], [255; 3]] {
        let [restored, whole] = [&restored, &picture].map(|picture| transform::flatten(picture, background));
        assert!(restored.pixels().iter().zip(whole.pixels()).all(|(one, other)| one.abs_diff(*other) <= 4));
    }
}

#[test]
fn a_gradient_with_one_sharp_mark_is_not_made_smaller_as_if_it_had_none() {
    let picture = waves(800, 600);
    let mut pixels = picture.pixels().to_vec();
    pixels[(403 * 800 + 211) * 3..][..3].copy_from_slice(&[255; 3]);
    let (file, target) = file_and_target(&Picture::new(800, 600, Layout::Rgb, pixels));
    let answer = run(&job(Format::Webp, target), &file).unwrap();
    assert_ne!(answer.report.quality, Some(100.0), "{:?}", answer.report.output);
}

#[test]
fn a_lossy_gradient_goes_smaller_before_it_looks_poor() {
    let (file, _) = file_and_target(&waves(800, 600));
    let scored = Job { min_score: Some(1.0), ..job(Format::Jpeg, 6_000) };
    let [smaller, whole] = [true, false].map(|downscale| run(&Job { downscale, ..scored.clone() }, &file).unwrap());
    let [better, worse] = [smaller, whole].map(|answer| answer.report.score.unwrap());
    assert!(better > worse + 4.0, "{better} {worse}");
}

#[test]
fn a_gradient_keeps_its_size_within_a_total() {
    let (file, _) = file_and_target(&waves(800, 600));
    let stop = Stop::at(Instant::now() + Duration::from_secs(120));
    let mut source = Source::open(&file, &Limits::default(), &stop).unwrap();
    let jobs = [Format::Jpeg, Format::Webp].map(|format| job(format, 24_000));
    let mut plan = SharedTotal::plan(&mut source, &jobs.iter().collect::<Vec<_>>(), 24_000, &stop).unwrap();
    for (index, job) in jobs.iter().enumerate() {
        let report = plan.fit(index, &mut source, job, &stop).unwrap().report;
        assert_eq!(report.output.width, 800, "{report:?}");
    }
}
