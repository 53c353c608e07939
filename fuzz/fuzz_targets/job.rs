//! A whole job on any file: what is answered keeps what was asked, and decodes.
#![no_main]

use std::time::{Duration, Instant};

use bytefit::codec::{self, Effort, EncodeError, Format, Limits, MetadataPolicy, exif};
use bytefit::job::{Answer, Formats, Job, JobError, Mode, OnMiss, Outcome, Stop, run};
use bytefit::picture::transform::{self, Resize, ResizeFit};
use bytefit_fuzz::{JOB_BYTES, LIMITS, check_decoded};
use libfuzzer_sys::fuzz_target;

/// So small that every encoder is quick.
const SMALL: Limits = Limits { max_pixels: 4_096, ..LIMITS };
const DEADLINE: Duration = Duration::from_secs(2);
/// What is left of XMP where it can't be cut out.
const EMPTY_XMP: &[u8] = b"<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"/>";

fuzz_target!(|bytes: &[u8]| {
    let Some((asked, file)) = bytes.split_first_chunk::<JOB_BYTES>() else { return };
    let job = job(asked);
    match run(&job, file, &SMALL, &Stop::at(Instant::now() + DEADLINE)) {
        Ok(answer) => check(&job, file, &answer),
        Err(JobError::OverTarget { .. } | JobError::Encode(EncodeError::Failed { .. }) | JobError::Cancelled) => {
            panic!("a bug by its own account: {job:?}")
        }
        Err(JobError::TargetUnreachable { target, smallest, .. }) if !matches!(job.mode, Mode::Close { .. }) => {
            assert!(smallest.bytes > target, "{smallest:?}, {job:?}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});

/// The job that `asked` stands for: any bytes make a valid one.
fn job(asked: &[u8; JOB_BYTES]) -> Job {
    let [low, high, mode, share, formats, policies, fit, width, height, quality] = *asked;
    let target = u64::from(u16::from_le_bytes([low, high])) + 1;
    let part = target * u64::from(share) / 255;
    let chosen: Vec<Format> =
        Format::OUTPUT.into_iter().enumerate().filter(|(bit, _)| formats >> bit & 1 == 1).map(|(_, f)| f).collect();
    Job {
        mode: match mode % 4 {
            0 => Mode::Fit { min_bytes: None },
            1 => Mode::Fit { min_bytes: Some(part) },
            2 => Mode::Exact,
            _ => Mode::Close { tolerance: part },
        },
        quality: f64::from(quality % 100 + 1),
        resize: resize(fit, width, height),
        downscale: policies & 8 == 0,
        min_score: (policies & 16 != 0).then_some(30.0),
        effort: Effort::Fast,
        metadata: [MetadataPolicy::Strip, MetadataPolicy::Copyright, MetadataPolicy::Keep][usize::from(policies % 3)],
        dpi: (policies & 64 != 0).then_some(300),
        background: [share; 3],
        on_miss: if policies & 32 == 0 { OnMiss::Error } else { OnMiss::Smallest },
        deadline: DEADLINE,
        ..Job::new(target, if chosen.is_empty() { Formats::Keep } else { Formats::Among(chosen) })
    }
}

fn resize(fit: u8, width: u8, height: u8) -> Option<Resize> {
    let side = |side: u8| (side > 0).then_some(u32::from(side));
    let (width, height) = (side(width), side(height));
    let fits = [ResizeFit::Inside, ResizeFit::Cover, ResizeFit::Fill, ResizeFit::Contain];
    let resize = Resize { width, height, fit: fits[usize::from(fit % 4)], enlarge: fit & 64 != 0 };
    (fit & 128 != 0 && width.or(height).is_some()).then_some(resize)
}

fn check(job: &Job, file: &[u8], answer: &Answer) {
    let (report, len) = (&answer.report, answer.bytes.len() as u64);
    assert_eq!(report.output.bytes, len);
    if report.outcome == Outcome::Missed {
        assert_eq!(job.on_miss, OnMiss::Smallest);
    } else {
        check_size(job, len);
    }
    assert_eq!(codec::sniff(&answer.bytes), Ok(report.output.format));
    let decoded = codec::decode(&answer.bytes, &SMALL).expect("the answer decodes");
    check_decoded(&decoded, &SMALL);
    if job.metadata == MetadataPolicy::Strip {
        assert!(decoded.metadata.exif.is_none_or(|block| exif::copyright(&block).is_none()));
        assert!(decoded.metadata.xmp.is_none_or(|packet| packet.trim_ascii() == EMPTY_XMP || is_blank(&packet)));
    }
    let upright = transform::orient(decoded.picture, decoded.orientation);
    assert_eq!((upright.width(), upright.height()), (report.output.width, report.output.height));
    if report.outcome == Outcome::Passthrough {
        let input = codec::decode(file, &SMALL).expect("the input was decoded");
        assert!(upright == transform::orient(input.picture, input.orientation), "passthrough changed the pixels");
    }
}

fn check_size(job: &Job, len: u64) {
    match job.mode {
        Mode::Fit { min_bytes } => assert!((min_bytes.unwrap_or(0)..=job.target).contains(&len), "{len}: {job:?}"),
        Mode::Exact => assert_eq!(len, job.target),
        Mode::Close { tolerance } => assert!(len.abs_diff(job.target) <= tolerance, "{len}: {job:?}"),
    }
}

fn is_blank(packet: &[u8]) -> bool {
    packet.iter().all(|byte| *byte == b' ')
}
