//! What each parameter does to the answer.

use bytefit::codec::rights::Right;
use bytefit::codec::{self, EncodeError, Format, Metadata, MetadataPolicy, container, exif, xmp};
use bytefit::job::{Effort, Formats, Job, JobError, OnMiss, Outcome};
use bytefit::picture::transform::{Resize, ResizeFit};
use bytefit::picture::{Layout, Orientation, Picture};
use testkit::drawing::{Content, file, picture};

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
        // A resize, so that the input itself is no answer.
        job.resize = Some(Resize { width: Some(280), height: None, fit: ResizeFit::Inside, enlarge: false });
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
    let input = codec::png::encode::encode_lossless(&gradient, Effort::Fast).unwrap();
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
    let turned = container::embed(jpeg, Format::Jpeg, &Metadata { exif: Some(exif), xmp: None, ..Metadata::default() });
    let answer = run(&job(Format::Webp, 5_000), &turned).unwrap();
    assert_eq!((answer.report.output.width, answer.report.output.height), (80, 120));
    assert_eq!((answer.report.input.width, answer.report.input.height), (80, 120));
}

#[test]
fn a_small_target_makes_the_picture_smaller_unless_downscale_is_never() {
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
fn the_picture_is_made_no_smaller_than_min_width_and_min_height() {
    let input = file(Content::Photo, 400, 300);
    for format in Format::OUTPUT {
        let free = run(&job(format, 1_000), &input).unwrap().report.output;
        assert!(free.width < 300, "{format:?}");
        let held = Job { min_width: Some(300), on_miss: OnMiss::Smallest, ..job(format, 1_000) };
        let output = run(&held, &input).unwrap().report.output;
        assert!(output.width >= 300, "{format:?}: {output:?}");
    }
    let held = Job { min_height: Some(300), ..job(Format::Webp, 300) };
    let refusal = run(&held, &input).unwrap_err();
    assert!(matches!(&refusal, JobError::TargetUnreachable { smallest, .. } if smallest.height == 300), "{refusal}");
    assert!(refusal.to_string().contains("min_height"), "{refusal}");
    let free = Job { min_width: Some(10), ..job(Format::Webp, 20) };
    let refusal = run(&free, &input).unwrap_err().to_string();
    assert!(refusal.contains("the smallest is") && !refusal.contains("min_"), "{refusal}");
}

#[test]
fn sizes_asked_for_are_met() {
    let input = file(Content::Photo, 160, 120);
    for (fit, expected) in [
        (ResizeFit::Inside, (80, 60)),
        (ResizeFit::Cover, (80, 80)),
        (ResizeFit::Fill, (80, 80)),
        (ResizeFit::Contain, (80, 80)),
    ] {
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
    let tagged = container::embed(
        jpeg,
        Format::Jpeg,
        &Metadata { exif: Some(exif), xmp: Some(b"<x/>".to_vec()), ..Metadata::default() },
    );
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
fn rights_reach_an_answer_in_every_format() {
    let png = file(Content::Photo, 120, 80);
    let header_end = 33;
    let text = |keyword: &str, value: &str| {
        let body = [b"tEXt", keyword.as_bytes(), &[0], value.as_bytes()].concat();
        let length = (body.len() as u32 - 4).to_be_bytes();
        [&length[..], &body, &crc32fast::hash(&body).to_be_bytes()].concat()
    };
    let texts = [text("Author", "Ada"), text("Copyright", "Ada <all rights reserved>"), text("Comment", "SECRET")];
    let described = [&png[..header_end], &texts.concat(), &png[header_end..]].concat();
    for format in Format::OUTPUT {
        let mut job = job(format, 20_000);
        for (policy, is_kept) in
            [(MetadataPolicy::Strip, false), (MetadataPolicy::Copyright, true), (MetadataPolicy::Keep, true)]
        {
            job.metadata = policy;
            let answer = run(&job, &described).unwrap();
            let decoded = bytefit::codec::decode(&answer.bytes, &Default::default()).unwrap();
            let mut rights = decoded.rights;
            rights.add_missing(&decoded.metadata.xmp.as_deref().map(xmp::rights).unwrap_or_default());
            let expected: &[&str] = if is_kept { &["Ada <all rights reserved>"] } else { &[] };
            assert_eq!(rights.values(Right::Notice), expected, "{format:?} {policy:?}");
            assert_eq!(rights.values(Right::Creator).first().map(String::as_str), is_kept.then_some("Ada"));
        }
    }
}

#[test]
fn a_damaged_input_is_coded_anew_even_where_it_fits() {
    let jpeg = run(&job(Format::Jpeg, 20_000), &file(Content::Photo, 120, 80)).unwrap().bytes;
    let mut damaged = jpeg.clone();
    // Several blocks' worth, so that the scan ends before the picture does.
    damaged.drain(jpeg.len() / 2..jpeg.len() - 100);
    for (input, expected) in [(&jpeg, Outcome::Passthrough), (&damaged, Outcome::Quality)] {
        for policy in [MetadataPolicy::Strip, MetadataPolicy::Copyright, MetadataPolicy::Keep] {
            let job = Job { metadata: policy, ..job(Format::Jpeg, 20_000) };
            assert_eq!(run(&job, input).unwrap().report.outcome, expected, "{policy:?}");
        }
    }
}

#[test]
fn a_png_with_a_wrong_checksum_is_coded_anew() {
    let mut damaged = file(Content::Flat, 120, 80);
    let gamma = b"\0\0\0\x04gAMA\0\0\xB1\x8Fnope";
    damaged.splice(33..33, gamma.iter().copied());
    for policy in [MetadataPolicy::Strip, MetadataPolicy::Keep] {
        let job = Job { metadata: policy, ..job(Format::Png, 200_000) };
        assert_eq!(run(&job, &damaged).unwrap().report.outcome, Outcome::Lossless, "{policy:?}");
    }
}

#[test]
fn wide_colours_become_srgb_even_where_the_input_fits() {
    let profile = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    let mut header = ::png::Info::with_size(60, 40);
    (header.color_type, header.bit_depth) = (::png::ColorType::Rgb, ::png::BitDepth::Eight);
    header.icc_profile = Some(profile.into());
    let mut input = Vec::new();
    let writer = ::png::Encoder::with_info(&mut input, header).unwrap();
    writer.write_header().unwrap().write_image_data(&[200, 100, 50].repeat(60 * 40)).unwrap();
    for policy in [MetadataPolicy::Strip, MetadataPolicy::Copyright, MetadataPolicy::Keep] {
        let job = Job { metadata: policy, ..job(Format::Png, 200_000) };
        let answer = run(&job, &input).unwrap();
        assert_eq!(answer.report.outcome, Outcome::Lossless, "{policy:?}");
        assert!(!answer.bytes.windows(4).any(|name| name == b"iCCP"), "{policy:?}");
        let shown = &decode(&answer.bytes).into_pixels()[..3];
        // As the test of colours works it out: 214.9, 92.6, 31.0.
        assert!(shown.iter().zip([215, 93, 31]).all(|(a, b): (&u8, u8)| a.abs_diff(b) <= 1), "{shown:?}");
    }
}

#[test]
fn nothing_behind_the_end_of_an_input_is_handed_on() {
    let jpeg = run(&job(Format::Jpeg, 20_000), &file(Content::Photo, 120, 80)).unwrap().bytes;
    let moving = [&jpeg[..], b"\0\0\0\x18ftypmp42 a video"].concat();
    let job = Job { metadata: MetadataPolicy::Keep, ..job(Format::Jpeg, 20_000) };
    let answer = run(&job, &moving).unwrap();
    assert_eq!((answer.report.outcome, answer.bytes), (Outcome::Passthrough, jpeg));
}

#[test]
fn a_picture_that_was_turned_says_so_nowhere() {
    let jpeg = run(&job(Format::Jpeg, 20_000), &file(Content::Photo, 120, 80)).unwrap().bytes;
    let packet = "<rdf:RDF><rdf:Description tiff:Orientation='6'/><rdf:Description>\
        <tiff:Orientation>6</tiff:Orientation></rdf:Description></rdf:RDF>";
    let exif = exif::only_orientation(Orientation::Rotate90);
    let turned = container::embed(
        jpeg,
        Format::Jpeg,
        &Metadata { exif: Some(exif), xmp: Some(packet.into()), ..Metadata::default() },
    );
    for format in Format::OUTPUT {
        let mut job = Job { metadata: MetadataPolicy::Keep, ..job(format, 30_000) };
        job.resize = Some(Resize { width: Some(70), height: None, fit: ResizeFit::Inside, enlarge: false });
        let kept = bytefit::codec::decode(&run(&job, &turned).unwrap().bytes, &Default::default()).unwrap();
        assert_eq!(kept.orientation, Orientation::Upright, "{format:?}");
        let expected = packet.replace("'6'", "'1'").replace(">6<", ">1<");
        assert_eq!(kept.metadata.xmp.as_deref(), Some(expected.as_bytes()), "{format:?}");
    }
}

#[test]
fn the_same_job_gives_the_same_bytes() {
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

#[test]
fn a_jpeg_is_baseline_when_it_must_not_be_progressive() {
    let input = file(Content::Photo, 700, 500);
    for effort in [Effort::Fast, Effort::Balanced, Effort::Best] {
        let may = Job { effort, ..job(Format::Jpeg, 30_000) };
        let must_not = Job { progressive: false, ..may.clone() };
        let progressive = run(&may, &input).unwrap();
        let baseline = run(&must_not, &input).unwrap();
        let frame = |file: &[u8], marker: u8| file.windows(4).any(|bytes| bytes == [0xFF, marker, 0, 17]);
        assert!(frame(&progressive.bytes, 0xC2), "{effort:?}");
        assert!(frame(&baseline.bytes, 0xC0) && !frame(&baseline.bytes, 0xC2), "{effort:?}");
        assert!((20_000..=30_000).contains(&baseline.bytes.len()), "{effort:?}: {} bytes", baseline.bytes.len());
        // A progressive input that fits comes back as it is only where it may.
        assert_eq!(run(&may, &progressive.bytes).unwrap().report.outcome, Outcome::Passthrough, "{effort:?}");
        let again = run(&must_not, &progressive.bytes).unwrap();
        assert!(again.report.outcome != Outcome::Passthrough && frame(&again.bytes, 0xC0), "{effort:?}");
    }
}

#[test]
fn a_side_that_the_format_cannot_hold_is_made_shorter_unless_that_is_forbidden() {
    let input = testkit::drawing::noisy_png(17_000, 4, 1);
    let may = job(Format::Webp, 100_000);
    let answer = run(&may, &input).unwrap();
    assert_eq!((answer.report.output.width, answer.report.outcome), (16_383, Outcome::Downscaled));
    let wide = |min_width| Job { min_width: Some(min_width), ..may.clone() };
    assert_eq!(run(&wide(16_383), &input).unwrap().report.output.width, 16_383);
    let scored = Job { min_score: Some(1.0), ..may.clone() };
    for must_not in [wide(16_384), wide(20_000), scored, Job { downscale: false, ..may }] {
        assert!(matches!(run(&must_not, &input), Err(JobError::Encode(EncodeError::TooLarge { .. }))));
    }
}
