//! Jobs that end in an error, and which.

use std::time::{Duration, Instant};

use bytefit::codec::limits::SizeLimit;
use bytefit::codec::png::encode::encode_lossless;
use bytefit::codec::{DecodeError, Effort, EncodeError, Format, Limits, Metadata, MetadataPolicy, container};
use bytefit::job::{Formats, Job, JobError, OnMiss, Outcome, Stop};
use bytefit::picture::{Layout, Picture};
use testkit::drawing::{Content, file};

use super::{job, run};

#[test]
fn an_unknown_format_is_the_clients_fault() {
    let error = run(&job(Format::Jpeg, 1_000), b"<svg xmlns='http://www.w3.org/2000/svg'/>").unwrap_err();
    assert_eq!(error, JobError::Decode(DecodeError::Unsupported { found: Some("SVG".into()) }));
}

#[test]
fn truncation_at_every_point_is_an_error_or_a_picture() {
    let whole = file(Content::Flat, 40, 30);
    for end in 0..whole.len() {
        match run(&job(Format::Png, 5_000), &whole[..end]) {
            Ok(answer) => assert!(answer.bytes.len() <= 5_000),
            Err(JobError::Decode(_)) => {}
            Err(error) => panic!("cut at {end}: {error}"),
        }
    }
}

#[test]
fn a_picture_over_the_limits_is_refused_with_its_size() {
    let limits = Limits { max_pixels: 1_000, ..Limits::default() };
    let stop = Stop::at(Instant::now() + Duration::from_secs(60));
    let error =
        bytefit::job::run(&job(Format::Jpeg, 1_000), &file(Content::Photo, 40, 30), &limits, &stop).unwrap_err();
    let expected = DecodeError::TooManyPixels { width: 40, height: 30, limit: SizeLimit::Pixels(1_000) };
    assert_eq!(error, JobError::Decode(expected));
}

#[test]
fn a_picture_too_large_for_every_format_is_refused_with_the_limit() {
    let input = file(Content::Flat, 16_400, 1);
    let mut job = Job { downscale: false, ..job(Format::Webp, 20) };
    let error = run(&job, &input).unwrap_err();
    let expected = EncodeError::TooLarge { format: Format::Webp, width: 16_400, height: 1, limit: 16_383 };
    assert_eq!(error, JobError::Encode(expected));
    job.formats = Formats::Among(vec![Format::Webp, Format::Jpeg]);
    job.target = 20_000;
    assert_eq!(run(&job, &input).unwrap().report.output.format, Format::Jpeg);
}

#[test]
fn a_photograph_too_large_for_one_format_is_answered_in_another() {
    let input = file(Content::Photo, 20_000, 120);
    let both = Job { formats: Formats::Among(vec![Format::Webp, Format::Png]), ..job(Format::Webp, 6_500_000) };
    assert_eq!(run(&both, &input).unwrap().report.output.format, Format::Png);
}

#[test]
fn a_score_out_of_reach_is_refused() {
    let mut job = job(Format::Jpeg, 2_000);
    job.min_score = Some(99.0);
    let error = run(&job, &file(Content::Photo, 160, 120)).unwrap_err();
    assert!(matches!(error, JobError::ScoreUnreachable { target: 2_000, score, .. } if score < 99.0));
}

#[test]
fn an_input_that_meets_the_score_is_the_answer_where_the_ceiling_keeps_others_from_it() {
    let photo = run(&job(Format::Jpeg, 9_000), &file(Content::Photo, 160, 120)).unwrap();
    let job = Job { min_score: Some(99.0), quality: 40.0, ..job(Format::Jpeg, 100_000) };
    let answer = run(&job, &photo.bytes).unwrap();
    assert_eq!((answer.report.outcome, answer.bytes), (Outcome::Passthrough, photo.bytes));
}

#[test]
fn a_score_out_of_reach_says_what_stands_in_the_way() {
    let photo = file(Content::Photo, 160, 120);
    let refused = |target, quality, on_miss| {
        let job = Job { min_score: Some(99.0), quality, on_miss, ..job(Format::Jpeg, target) };
        run(&job, &photo).unwrap_err().to_string()
    };
    let [of_target, of_ceiling, of_smallest] = [
        refused(2_000, 95.0, OnMiss::Error),
        refused(100_000, 40.0, OnMiss::Error),
        refused(20, 95.0, OnMiss::Smallest),
    ];
    assert!(of_target.starts_with("the best picture within 2000 bytes scores"), "{of_target}");
    assert!(of_ceiling.starts_with("the best picture of quality 40 or less scores"), "{of_ceiling}");
    assert!(
        of_smallest.starts_with("the smallest picture, of ") && of_smallest.contains("bytes, scores"),
        "{of_smallest}"
    );
}

#[test]
fn an_input_that_is_smaller_than_all_answers_is_the_smallest() {
    let levels = (0..24 * 16u32).flat_map(|index| [(index.wrapping_mul(2_654_435_761) >> 31) as u8 * 255; 3]);
    let drawing = Picture::new(24, 16, Layout::Rgb, levels.collect());
    let drawing = encode_lossless(&drawing, Effort::Best).unwrap();
    // Without the chunk that says sRGB, which answers have: it follows the signature and IHDR.
    let input = [&drawing[..33], &drawing[46..]].concat();
    let below = job(Format::Png, input.len() as u64 - 1);
    let error = run(&below, &input).unwrap_err();
    let JobError::TargetUnreachable { smallest, .. } = error else { panic!("{error}") };
    assert_eq!((smallest.bytes, smallest.width), (input.len() as u64, 24));
    assert_eq!(run(&Job { target: smallest.bytes, ..below.clone() }, &input).unwrap().bytes, input);
    assert_eq!(run(&Job { on_miss: OnMiss::Smallest, ..below }, &input).unwrap().bytes, input);
}

#[test]
fn a_passed_deadline_and_a_cancelled_job_are_different_errors() {
    let input = file(Content::Photo, 160, 120);
    let ask = |stop: &Stop| bytefit::job::run(&job(Format::Jpeg, 2_000), &input, &Limits::default(), stop).unwrap_err();
    assert!(matches!(ask(&Stop::at(Instant::now())), JobError::DeadlineExceeded { .. }));
    let stop = Stop::at(Instant::now() + Duration::from_secs(60));
    stop.cancel();
    assert_eq!(ask(&stop), JobError::Cancelled);
}

#[test]
fn keeping_a_format_that_is_only_read_is_refused() {
    // The smallest GIF: one white pixel.
    let gif = b"GIF89a\x01\0\x01\0\x80\0\0\xff\xff\xff\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
    let mut job = job(Format::Jpeg, 1_000);
    assert!(run(&job, gif).is_ok());
    job.formats = Formats::Keep;
    assert_eq!(run(&job, gif).unwrap_err(), JobError::KeepUnwritable(Format::Gif));
}

#[test]
fn a_refusal_says_when_metadata_is_what_does_not_fit() {
    let photo = file(Content::Photo, 64, 48);
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x3B\x01\x02\0".to_vec();
    exif.extend(60_000u32.to_le_bytes());
    exif.extend(26u32.to_le_bytes());
    exif.extend([0; 4]);
    exif.extend([b'A'; 60_000]);
    let input = container::embed(photo, Format::Png, &Metadata { exif: Some(exif), xmp: None, ..Metadata::default() });
    for format in Format::OUTPUT {
        let mut job = job(format, 20_000);
        job.metadata = MetadataPolicy::Keep;
        let error = run(&job, &input).unwrap_err();
        let JobError::TargetUnreachable { smallest, .. } = &error else { panic!("{format:?}: {error}") };
        assert!((60_000..60_100).contains(&smallest.metadata_bytes), "{format:?}: {smallest:?}");
        let said = format!("of which {} bytes are metadata; metadata=strip would save them", smallest.metadata_bytes);
        assert!(error.to_string().ends_with(&said), "{error}");
        job.metadata = MetadataPolicy::Strip;
        assert!(run(&job, &input).unwrap().bytes.len() <= 20_000, "{format:?}");
        job.target = 30;
        assert!(!run(&job, &input).unwrap_err().to_string().contains("metadata"), "{format:?}");
    }
}
