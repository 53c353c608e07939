//! What the parameters mean for the picture.

use bytefit::codec::{Format, Metadata, MetadataPolicy, container, exif, png};
use bytefit::job::{Effort, Formats, Job, JobError, OnMiss, Outcome};
use bytefit::picture::transform::{Resize, ResizeFit};
use bytefit::picture::{Layout, Orientation, Picture};

use super::drawn::{Content, file, picture};
use super::{decode, job, run};

#[test]
fn an_input_that_meets_the_target_comes_back_pixel_for_pixel() {
    let input = file(Content::Photo, 80, 60);
    let answer = run(&job(Format::Png, 1_000_000), &input).unwrap();
    assert_eq!((answer.report.outcome, answer.report.encodes), (Outcome::Passthrough, 0));
    assert_eq!(decode(&answer.bytes), decode(&input));
}

#[test]
fn flat_art_is_kept_lossless() {
    let input = file(Content::Flat, 300, 200);
    for format in [Format::Webp, Format::Png] {
        let mut job = job(format, 5_000);
        job.resize = Some(Resize { width: Some(280), height: None, fit: ResizeFit::Inside, enlarge: false });
        // Resizing rules the passthrough out.
        let answer = run(&job, &input).unwrap();
        assert_eq!(answer.report.outcome, Outcome::Lossless, "{format:?}");
        assert_eq!(answer.report.quality, None);
    }
}

#[test]
fn the_ceiling_bounds_quality_and_bytes() {
    let input = file(Content::Photo, 200, 150);
    for format in [Format::Jpeg, Format::Webp, Format::Avif] {
        let mut job = job(format, 1_000_000);
        job.quality = 60.0;
        let capped = run(&job, &input).unwrap();
        assert!(capped.report.quality.is_some_and(|quality| (55.0..=60.0).contains(&quality)), "{format:?}");
        job.quality = 80.0;
        let higher = run(&job, &input).unwrap();
        assert!(capped.bytes.len() < higher.bytes.len(), "{format:?}");
    }
}

#[test]
fn a_quality_ceiling_never_makes_a_picture_smaller() {
    let input = file(Content::Photo, 400, 300);
    for format in Format::OUTPUT {
        for (quality, effort) in [(1.0, Effort::Balanced), (10.0, Effort::Fast), (30.0, Effort::Balanced)] {
            let report = run(&Job { quality, effort, ..job(format, 500_000) }, &input).unwrap().report;
            let size = (report.outcome, report.output.width, report.output.height);
            assert_eq!(size, (Outcome::Quality, 400, 300), "{format:?} {quality}");
            assert!(
                report.quality.is_some_and(|found| found <= quality && found > quality - 15.0),
                "{:?}",
                report.quality
            );
        }
    }
}

#[test]
fn the_ceiling_holds_for_an_input_that_fits_but_never_grows_it() {
    let fine = run(&job(Format::Jpeg, 1_000_000), &file(Content::Photo, 200, 150)).unwrap().bytes;
    let mut job = job(Format::Jpeg, 1_000_000);
    job.quality = 40.0;
    let coarse = run(&job, &fine).unwrap();
    assert!(coarse.report.quality.is_some_and(|quality| quality <= 40.0));
    assert!(coarse.bytes.len() < fine.len());
    job.quality = 90.0;
    let again = run(&job, &coarse.bytes).unwrap();
    assert_eq!((again.report.outcome, again.bytes), (Outcome::Passthrough, coarse.bytes));
}

#[test]
fn a_gradient_is_lossless_where_that_fits() {
    let pixels = (0..256 * 256).flat_map(|index| [(index % 256) as u8, (index / 256) as u8, 128]).collect();
    let gradient = Picture::new(256, 256, Layout::Rgb, pixels);
    let input = png::encode::encode_lossless(&gradient, Effort::Fast).unwrap();
    let mut job = job(Format::Webp, 10_000);
    job.effort = Effort::Best;
    let answer = run(&job, &input).unwrap();
    assert_eq!((answer.report.outcome, answer.report.score), (Outcome::Lossless, Some(100.0)));
}

#[test]
fn the_smallest_answer_to_a_missed_target_must_reach_the_score_too() {
    let mut job = job(Format::Webp, 100);
    job.on_miss = OnMiss::Smallest;
    let input = file(Content::Photo, 200, 150);
    assert_eq!(run(&job, &input).unwrap().report.outcome, Outcome::Missed);
    job.min_score = Some(90.0);
    assert!(matches!(run(&job, &input), Err(JobError::ScoreUnreachable { .. })));
}

#[test]
fn transparency_is_kept_or_laid_on_the_background() {
    let input = file(Content::Alpha, 120, 90);
    for format in [Format::Webp, Format::Avif, Format::Png] {
        assert!(decode(&run(&job(format, 9_000), &input).unwrap().bytes).has_alpha(), "{format:?}");
    }
    let mut job = job(Format::Jpeg, 20_000);
    job.background = [255, 0, 0];
    let flattened = decode(&run(&job, &input).unwrap().bytes);
    let corner = &flattened.pixels()[..3];
    assert!(corner[0] > 220 && corner[1] < 40 && corner[2] < 40, "{corner:?}");
}

#[test]
fn formats_that_keep_transparency_go_first() {
    let mut job = job(Format::Jpeg, 9_000);
    job.formats = Formats::Among(vec![Format::Jpeg, Format::Png]);
    assert_eq!(run(&job, &file(Content::Alpha, 120, 90)).unwrap().report.output.format, Format::Png);
    assert_eq!(run(&job, &file(Content::Photo, 120, 90)).unwrap().report.output.format, Format::Jpeg);
}

#[test]
fn the_answer_stands_upright() {
    let jpeg = run(&job(Format::Jpeg, 20_000), &file(Content::Photo, 120, 80)).unwrap().bytes;
    let exif = exif::only_orientation(Orientation::Rotate90);
    let turned = container::embed(jpeg, Format::Jpeg, &Metadata { exif: Some(exif), xmp: None });
    let answer = run(&job(Format::Webp, 5_000), &turned).unwrap();
    assert_eq!((answer.report.output.width, answer.report.output.height), (80, 120));
    assert_eq!((answer.report.input.width, answer.report.input.height), (80, 120));
}

#[test]
fn a_small_target_makes_the_picture_smaller_unless_told_not_to() {
    let input = file(Content::Photo, 400, 300);
    let mut job = job(Format::Jpeg, 1_500);
    let answer = run(&job, &input).unwrap();
    assert_eq!(answer.report.outcome, Outcome::Downscaled);
    assert!(answer.report.output.width < 400);
    job.downscale = false;
    job.target = 5_000;
    let answer = run(&job, &input).unwrap();
    assert_eq!((answer.report.outcome, answer.report.output.width), (Outcome::Quality, 400));
}

#[test]
fn sizes_asked_for_are_met() {
    let input = file(Content::Photo, 160, 120);
    for (fit, expected) in [(ResizeFit::Inside, (80, 60)), (ResizeFit::Cover, (80, 80)), (ResizeFit::Fill, (80, 80))] {
        let mut job = job(Format::Webp, 50_000);
        job.resize = Some(Resize { width: Some(80), height: Some(80), fit, enlarge: false });
        let answer = run(&job, &input).unwrap();
        assert_eq!((answer.report.output.width, answer.report.output.height), expected, "{fit:?}");
    }
}

#[test]
fn min_score_is_measured_and_met() {
    let input = file(Content::Photo, 200, 150);
    let mut job = job(Format::Webp, 12_000);
    job.min_score = Some(40.0);
    let answer = run(&job, &input).unwrap();
    assert!(answer.report.score.is_some_and(|score| score >= 40.0));
}

#[test]
fn best_effort_scores_every_format() {
    let mut job = job(Format::Webp, 6_000);
    job.formats = Formats::Among(vec![Format::Jpeg, Format::Webp]);
    job.effort = Effort::Best;
    let answer = run(&job, &file(Content::Photo, 160, 120)).unwrap();
    assert!(answer.report.score.is_some());
    assert_eq!(answer.report.encodes_by_format.len(), 2);
}

#[test]
fn metadata_goes_as_the_policy_says() {
    let jpeg = run(&job(Format::Jpeg, 20_000), &file(Content::Photo, 120, 80)).unwrap().bytes;
    let exif = exif::only_orientation(Orientation::Rotate180);
    let tagged = container::embed(jpeg, Format::Jpeg, &Metadata { exif: Some(exif), xmp: Some(b"<x/>".to_vec()) });
    for format in Format::OUTPUT {
        let mut job = job(format, 9_000);
        job.resize = Some(Resize { width: Some(100), height: None, fit: ResizeFit::Inside, enlarge: false });
        let read = |bytes: &[u8]| bytefit::codec::decode(bytes, &Default::default()).unwrap().metadata;
        assert!(read(&run(&job, &tagged).unwrap().bytes).is_empty(), "{format:?}");
        job.metadata = MetadataPolicy::Keep;
        let answer = run(&job, &tagged).unwrap();
        assert!(answer.bytes.len() <= 9_000);
        let kept = read(&answer.bytes);
        assert_eq!(kept.exif.as_deref().map(exif::orientation), Some(Orientation::Upright), "{format:?}");
        assert_eq!(kept.xmp.as_deref(), Some(b"<x/>".as_slice()), "{format:?}");
    }
}

#[test]
fn the_same_question_gets_the_same_bytes() {
    let input = file(Content::Text, 200, 150);
    for format in Format::OUTPUT {
        let job = job(format, 2_500);
        let bytes = |_| run(&job, &input).map(|answer| answer.bytes);
        assert_eq!(bytes(1), bytes(2), "{format:?}");
    }
}

#[test]
fn every_format_shows_the_picture_itself() {
    let drawn = picture(Content::Photo, 160, 120);
    let input = file(Content::Photo, 160, 120);
    for format in [Format::Jpeg, Format::Webp, Format::Avif] {
        let shown = decode(&run(&job(format, 12_000), &input).unwrap().bytes);
        let difference: u64 = drawn.pixels().iter().zip(shown.pixels()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        let mean = difference as f64 / drawn.pixels().len() as f64;
        assert!(mean < 8.0, "{format:?} is {mean} levels off on average");
    }
}
