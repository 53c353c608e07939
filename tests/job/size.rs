//! Sizes of answers: never over the target, close to it, and exact where the job asks for that.

use bytefit::codec::Format;
use bytefit::codec::png::encode::encode_lossless;
use bytefit::job::{Effort, Formats, Job, JobError, Mode, OnMiss, Outcome};
use bytefit::picture::transform::{Flip, Resize, Rotation};
use proptest::prelude::*;
use testkit::drawing::{self, Content, file};

use super::{decode, job, run};

#[test]
fn never_exceeds_the_target() {
    for content in Content::ALL {
        let input = file(content, 160, 120);
        for format in Format::OUTPUT {
            for target in [400, 1_500, 6_000, 60_000] {
                match run(&job(format, target), &input) {
                    Ok(answer) => {
                        assert!(answer.bytes.len() as u64 <= target, "{content:?} {format:?} {target}");
                        assert_eq!(answer.report.output.bytes, answer.bytes.len() as u64);
                        let picture = decode(&answer.bytes);
                        let size = (answer.report.output.width, answer.report.output.height);
                        assert_eq!((picture.width(), picture.height()), size, "{content:?} {format:?} {target}");
                    }
                    Err(JobError::TargetUnreachable { smallest, .. }) => assert!(smallest.bytes > target),
                    Err(error) => panic!("{content:?} {format:?} {target}: {error}"),
                }
            }
        }
    }
}

#[test]
fn fills_the_target_of_a_photograph() {
    let input = file(Content::Photo, 320, 240);
    for (format, least) in [(Format::Jpeg, 0.94), (Format::Webp, 0.94), (Format::Avif, 0.91)] {
        for target in [8_000, 15_000] {
            let answer = run(&job(format, target), &input).unwrap();
            let fill = answer.bytes.len() as f64 / target as f64;
            assert!(fill >= least, "{format:?} {target}: {fill}");
        }
    }
}

#[test]
fn effort_fast_fills_the_target_by_one_encode_and_one_correction() {
    let input = file(Content::Photo, 320, 240);
    for (format, target) in [(Format::Jpeg, 8_000), (Format::Webp, 8_000), (Format::Avif, 8_000), (Format::Png, 30_000)]
    {
        let job = Job { effort: Effort::Fast, ..job(format, target) };
        let report = run(&job, &input).unwrap().report;
        let fill = report.output.bytes as f64 / target as f64;
        // One more where the correction is over.
        assert!(fill >= 0.85 && report.encodes <= 3, "{format:?}: {fill} after {}", report.encodes);
    }
}

#[test]
fn a_palette_fills_the_target_whatever_the_effort() {
    let input = file(Content::Photo, 320, 240);
    for effort in [Effort::Fast, Effort::Balanced] {
        for target in [1_500, 3_000, 4_500, 6_000, 9_000, 14_000, 20_000, 40_000] {
            let report = run(&Job { effort, ..job(Format::Png, target) }, &input).unwrap().report;
            let (fill, size) = (report.output.bytes as f64 / target as f64, report.output.width);
            assert!(fill >= 0.8, "{effort:?} {target}: {fill} at {size} pixels of width");
        }
    }
}

#[test]
fn an_unreachable_target_names_a_size_that_can_be_had() {
    let input = file(Content::Photo, 160, 120);
    for format in Format::OUTPUT {
        for downscale in [true, false] {
            let mut job = job(format, 60);
            job.downscale = downscale;
            let Err(JobError::TargetUnreachable { target, smallest, nearest: None }) = run(&job, &input) else {
                panic!("{format:?} reached 60 bytes")
            };
            assert_eq!((target, smallest.format), (60, format));
            job.target = smallest.bytes;
            let answer = run(&job, &input).unwrap();
            assert!(answer.bytes.len() as u64 <= smallest.bytes, "{format:?}");
        }
    }
}

#[test]
fn the_smallest_is_answered_where_a_miss_is_accepted() {
    let input = file(Content::Photo, 160, 120);
    let mut job = job(Format::Jpeg, 60);
    job.on_miss = OnMiss::Smallest;
    let answer = run(&job, &input).unwrap();
    assert_eq!(answer.report.outcome, Outcome::Missed);
    assert!(answer.bytes.len() > 60);
    decode(&answer.bytes);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn exact_answers_have_the_target_to_the_byte(target in 3_000u64..40_000, index in 0..Format::OUTPUT.len()) {
        let format = Format::OUTPUT[index];
        let mut job = job(format, target);
        job.mode = Mode::Exact;
        let answer = run(&job, &file(Content::Photo, 96, 96)).unwrap();
        prop_assert_eq!(answer.bytes.len() as u64, target, "{:?}", format);
        decode(&answer.bytes);
    }

    #[test]
    fn close_stays_within_its_tolerance(target in 4_000u64..12_000) {
        let mut job = job(Format::Webp, target);
        job.mode = Mode::Close { tolerance: target / 20 };
        let answer = run(&job, &file(Content::Photo, 192, 192)).unwrap();
        prop_assert!((answer.bytes.len() as u64).abs_diff(target) <= target / 20);
    }
}

#[test]
fn close_is_the_nearest_size_whatever_the_tolerance() {
    let input = file(Content::Photo, 320, 240);
    for (format, target) in [(Format::Jpeg, 8_000), (Format::Webp, 8_001), (Format::Avif, 6_001), (Format::Png, 20_000)]
    {
        let close = |tolerance| run(&Job { mode: Mode::Close { tolerance }, ..job(format, target) }, &input);
        let nearest = close(5_000).unwrap().bytes;
        let distance = (nearest.len() as u64).abs_diff(target);
        assert_eq!(close(distance).unwrap().bytes, nearest, "{format:?}");
        if distance > 0 {
            let refusal = close(distance - 1).unwrap_err();
            let JobError::TargetUnreachable { nearest: Some(named), .. } = refusal else { panic!("{refusal}") };
            assert_eq!(named.bytes.abs_diff(target), distance, "{format:?}");
        }
        // The answer of a search below the target is a candidate too.
        let below = run(&job(format, target), &input).unwrap().bytes;
        assert!(distance <= (below.len() as u64).abs_diff(target), "{format:?}: {distance} {}", below.len());
    }
}

#[test]
fn the_input_itself_may_be_the_nearest() {
    let picture = drawing::picture(Content::Photo, 160, 120);
    let [input, own] = [Effort::Fast, Effort::Balanced].map(|effort| encode_lossless(&picture, effort).unwrap().len());
    assert!(input > own + 2, "{input} {own}");
    let mut job = job(Format::Png, input as u64 + 1);
    job.mode = Mode::Close { tolerance: 0 };
    let refusal = run(&job, &encode_lossless(&picture, Effort::Fast).unwrap()).unwrap_err();
    let JobError::TargetUnreachable { nearest: Some(nearest), .. } = refusal else { panic!("{refusal}") };
    assert_eq!(nearest.bytes, input as u64);
}

#[test]
fn an_answer_outside_the_tolerance_is_refused_with_the_nearest_size() {
    let input = file(Content::Photo, 160, 120);
    for target in [60, 2_000_000] {
        let mut job = job(Format::Jpeg, target);
        job.mode = Mode::Close { tolerance: 20 };
        let refusal = run(&job, &input).unwrap_err();
        let JobError::TargetUnreachable { nearest: Some(nearest), .. } = refusal else { panic!("{refusal}") };
        assert!(nearest.bytes.abs_diff(target) > 20 && refusal.to_string().contains(&nearest.bytes.to_string()));
        job.target = nearest.bytes;
        let answer = run(&job, &input).unwrap();
        assert!((answer.bytes.len() as u64).abs_diff(nearest.bytes) <= 20);
    }
}

#[test]
fn an_odd_size_that_is_to_be_met_exactly_is_left_to_formats_that_have_one() {
    let exact = |formats: &[Format], target| {
        let formats = Formats::Among(formats.to_vec());
        Job { mode: Mode::Exact, formats, ..job(Format::Webp, target) }
    };
    let photo = file(Content::Photo, 160, 120);
    let format_of = |formats: &[Format], target, input: &[u8]| {
        let answer = run(&exact(formats, target), input).unwrap();
        assert_eq!(answer.bytes.len() as u64, target);
        decode(&answer.bytes);
        answer.report.output.format
    };
    let both = [Format::Webp, Format::Jpeg];
    assert_eq!(format_of(&both, 6_001, &photo), Format::Jpeg);
    assert_eq!(format_of(&[Format::Webp], 6_001, &photo), Format::Webp);
    // One that is there already is no exception.
    let webp = run(&job(Format::Webp, 5_000), &photo).unwrap().bytes;
    assert_eq!(format_of(&both, 6_001, &webp), Format::Jpeg);
    // A byte behind the picture is less than its alpha channel.
    let alpha = file(Content::Alpha, 160, 120);
    assert_eq!(format_of(&both, 6_001, &alpha), Format::Webp);
    assert_eq!(format_of(&[Format::Webp, Format::Png], 20_001, &alpha), Format::Png);
}

#[test]
fn min_bytes_is_reached_by_padding() {
    let input = file(Content::Flat, 64, 64);
    for format in Format::OUTPUT {
        let mut job = job(format, 50_000);
        job.mode = Mode::Fit { min_bytes: Some(20_001) };
        let answer = run(&job, &input).unwrap();
        assert_eq!((answer.bytes.len(), answer.report.padded), (20_001, true), "{format:?}");
        decode(&answer.bytes);
    }
}

#[test]
fn an_answer_is_never_larger_than_an_input_it_could_have_been() {
    let jpeg = run(&job(Format::Jpeg, 5_000), &file(Content::Photo, 200, 200)).unwrap().bytes;
    let answer = run(&of_width(190, job(Format::Jpeg, 100_000)), &jpeg).unwrap();
    assert!(answer.bytes.len() <= jpeg.len());
    assert_eq!(answer.report.output.width, 190);
}

#[test]
fn a_lossy_webp_is_not_outgrown_by_a_lossless_one() {
    let webp = run(&job(Format::Webp, 3_000), &file(Content::Photo, 200, 200)).unwrap();
    assert_eq!(webp.report.outcome, Outcome::Quality);
    let answer = run(&of_width(190, job(Format::Webp, 200_000)), &webp.bytes).unwrap();
    assert!(answer.bytes.len() <= webp.bytes.len());
}

#[test]
fn a_lossless_photograph_that_is_turned_keeps_its_colours() {
    let mut is_larger = false;
    for (width, height) in [(320, 240), (201, 133), (150, 170)] {
        let flipped = Job { flip: Flip::Horizontal, ..job(Format::Png, 1_000_000) };
        let photo = run(&flipped, &file(Content::Photo, width, height)).unwrap();
        for rotate in [Rotation::Quarter, Rotation::Half, Rotation::ThreeQuarters] {
            let turned = run(&Job { rotate, ..job(Format::Png, 1_000_000) }, &photo.bytes).unwrap();
            assert_eq!(turned.report.outcome, Outcome::Lossless, "{width}x{height} {rotate:?}");
            is_larger |= turned.bytes.len() > photo.bytes.len();
        }
    }
    assert!(is_larger, "no turned file is larger than its input, which is what spoilt it");
}

#[test]
fn a_lossless_input_is_outgrown_rather_than_spoilt() {
    for format in [Format::Png, Format::Webp] {
        let turned = Job { flip: Flip::Horizontal, ..job(format, 100_000) };
        let lossless = run(&turned, &file(Content::Text, 600, 400)).unwrap();
        assert_eq!(lossless.report.outcome, Outcome::Lossless);
        // Strokes of two colours have many more when they are made smaller.
        let mut smaller = of_width(401, job(format, 400_000));
        let answer = run(&smaller, &lossless.bytes).unwrap();
        assert!(answer.bytes.len() > lossless.bytes.len(), "{format:?}: the input has {}", lossless.bytes.len());
        assert_eq!((answer.report.outcome, answer.report.output.width), (Outcome::Lossless, 401), "{format:?}");
        smaller.min_score = Some(90.0);
        assert_eq!(run(&smaller, &lossless.bytes).unwrap().report.outcome, Outcome::Lossless, "{format:?}");
        // Under a lower ceiling the answer is lossy, and no coarser than that.
        let coarser = Job { quality: 75.0, min_score: None, ..smaller };
        let quality = run(&coarser, &lossless.bytes).unwrap().report.quality;
        assert!(quality.is_none_or(|quality| quality > 60.0), "{format:?} {quality:?}");
    }
}

#[test]
fn a_score_that_is_asked_for_may_take_more_bytes_than_the_input_has() {
    let jpeg = run(&job(Format::Jpeg, 4_000), &file(Content::Photo, 200, 200)).unwrap().bytes;
    let asked = Job { flip: Flip::Horizontal, min_score: Some(90.0), ..job(Format::Jpeg, 100_000) };
    let answer = run(&asked, &jpeg).unwrap();
    assert!(answer.bytes.len() > jpeg.len() && answer.report.score >= Some(90.0));
}

fn of_width(width: u32, job: Job) -> Job {
    Job { resize: Some(Resize { width: Some(width), height: None, fit: Default::default(), enlarge: false }), ..job }
}
