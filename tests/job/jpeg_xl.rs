//! JPEG XL: a JPEG written anew without loss, and what is not.

use std::process::Command;

use bytefit::codec::{Format, Metadata, MetadataPolicy, container};
use bytefit::job::{Formats, Job, Mode, Outcome};
use bytefit::picture::transform::{Resize, ResizeFit};
use testkit::drawing::{Content, file, noisy_png};
use testkit::random::Random;

use super::decoders::is_installed;
use super::{decode, job, run};

/// A JPEG with an author and a turn, as a camera writes it.
fn jpeg() -> Vec<u8> {
    let plain = run(&job(Format::Jpeg, 30_000), &file(Content::Photo, 320, 240)).unwrap().bytes;
    let mut exif = b"II*\0\x08\0\0\0\x02\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0".to_vec();
    exif.extend(b"\x3B\x01\x02\0\x04\0\0\0Ada\0\0\0\0\0");
    container::embed(plain, Format::Jpeg, &Metadata { exif: Some(exif), xmp: Some(b"<x/>".to_vec()), density: None })
}

fn holds(file: &[u8], text: &[u8]) -> bool {
    file.windows(text.len()).any(|window| window == text)
}

#[test]
fn a_jpeg_over_its_target_becomes_jpeg_xl_without_loss_where_that_fits() {
    let jpeg = jpeg();
    let target = jpeg.len() as u64 * 97 / 100;
    let formats = Formats::Among(vec![Format::Jpeg, Format::Jxl]);
    for policy in [MetadataPolicy::Strip, MetadataPolicy::Copyright, MetadataPolicy::Keep] {
        let job = Job { metadata: policy, formats: formats.clone(), ..job(Format::Jxl, target) };
        let answer = run(&job, &jpeg).unwrap();
        let report = &answer.report;
        assert_eq!((report.outcome, report.output.format, report.encodes), (Outcome::Lossless, Format::Jxl, 1));
        assert!(answer.bytes.len() as u64 <= target);
        assert_eq!(holds(&answer.bytes, b"Ada"), policy != MetadataPolicy::Strip, "{policy:?}");
        assert_eq!(holds(&answer.bytes, b"jbrd"), policy == MetadataPolicy::Keep, "{policy:?}");
        let (shown, expected) = (decode(&answer.bytes), decode(&jpeg));
        assert_eq!((shown.width(), shown.height()), (expected.width(), expected.height()));
        let levels = shown.pixels().iter().zip(expected.pixels()).map(|(a, b)| u64::from(a.abs_diff(*b)));
        // Decoders round in other places, and scale chroma up in other ways.
        assert!(levels.sum::<u64>() < 2 * shown.pixels().len() as u64, "{policy:?}");
        let turned = bytefit::codec::decode(&answer.bytes, &Default::default()).unwrap().orientation;
        assert_eq!(turned.to_exif(), 6, "{policy:?}");
    }
}

#[test]
fn a_jpeg_that_meets_its_target_stays_one() {
    let jpeg = jpeg();
    let formats = Formats::Among(vec![Format::Jxl, Format::Jpeg]);
    let answer = run(&Job { formats, ..job(Format::Jxl, jpeg.len() as u64) }, &jpeg).unwrap();
    assert_eq!((answer.report.outcome, answer.report.output.format), (Outcome::Passthrough, Format::Jpeg));
}

#[test]
fn what_is_damaged_or_changed_is_coded_anew() {
    let jpeg = jpeg();
    let target = jpeg.len() as u64 - 1;
    let mut damaged = jpeg.clone();
    let middle = jpeg.len() / 2;
    damaged[middle..middle + 40].fill(0x55);
    let smaller = Resize { width: Some(200), height: None, fit: ResizeFit::Inside, enlarge: false };
    for (job, input) in [
        (job(Format::Jxl, target), &damaged[..]),
        (job(Format::Jxl, target), &jpeg[..jpeg.len() - 100]),
        (Job { resize: Some(smaller), ..job(Format::Jxl, target) }, &jpeg),
        (Job { quality: 60.0, ..job(Format::Jxl, target) }, &jpeg),
    ] {
        let answer = run(&job, input).unwrap();
        assert_eq!(answer.report.outcome, Outcome::Quality, "{job:?}");
        decode(&answer.bytes);
    }
}

#[test]
fn a_jpeg_written_anew_is_padded_to_the_byte() {
    let jpeg = jpeg();
    for policy in [MetadataPolicy::Strip, MetadataPolicy::Keep] {
        let free = run(&Job { metadata: policy, ..job(Format::Jxl, jpeg.len() as u64) }, &jpeg).unwrap();
        for extra in 0..12 {
            let target = free.bytes.len() as u64 + extra;
            let job = Job { metadata: policy, mode: Mode::Exact, ..job(Format::Jxl, target) };
            let answer = run(&job, &jpeg).unwrap();
            assert_eq!((answer.report.outcome, answer.bytes.len() as u64), (Outcome::Lossless, target));
            assert_eq!(decode(&answer.bytes), decode(&free.bytes));
        }
    }
}

#[test]
fn exact_answers_have_the_target_to_the_byte() {
    let mut random = Random::new(28);
    for round in 0..20 {
        let (width, height) = (16 + random.below(160) as u32, 16 + random.below(160) as u32);
        let input = match round % 3 {
            0 => file(Content::Photo, width, height),
            1 => file(Content::Text, width, height),
            _ => noisy_png(width, height, round),
        };
        let target = 1500 + random.below(20_000) as u64;
        let job = Job { mode: Mode::Exact, ..job(Format::Jxl, target) };
        let answer = run(&job, &input).unwrap();
        assert_eq!(answer.bytes.len() as u64, target, "{width}x{height}");
        decode(&answer.bytes);
    }
}

#[test]
fn a_jpeg_that_is_kept_whole_is_restored_to_the_byte() {
    if !is_installed("djxl") {
        return;
    }
    let jpeg = jpeg();
    let directory = tempfile::tempdir().unwrap();
    let (from, to) = (directory.path().join("a.jxl"), directory.path().join("a.jpg"));
    for mode in [Mode::Fit { min_bytes: None }, Mode::Exact] {
        let job = Job { metadata: MetadataPolicy::Keep, mode, ..job(Format::Jxl, jpeg.len() as u64 - 1) };
        std::fs::write(&from, run(&job, &jpeg).unwrap().bytes).unwrap();
        let output = Command::new("djxl").args([&from, &to]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(std::fs::read(&to).unwrap(), jpeg, "{mode:?}");
    }
}
