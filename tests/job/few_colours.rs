//! Text that is too large for a lossless file: in few colours, where that keeps its letters sharp.

use std::collections::HashSet;

use bytefit::codec::{Effort, Format, png, webp};
use bytefit::job::{Formats, Job, JobError, Mode, Outcome};
use bytefit::picture::{Layout, Picture};
use testkit::drawing;

use super::{decode, job, run};

fn colours(picture: &Picture) -> usize {
    picture.pixels().chunks_exact(picture.layout().bytes_per_pixel()).collect::<HashSet<_>>().len()
}

/// A page, its file, and the bytes of that.
fn page() -> (Picture, Vec<u8>, u64) {
    let page = drawing::page(1_240, 880);
    let file = webp::encode::encode_lossless(&page, Effort::Balanced).unwrap();
    let bytes = file.len() as u64;
    (page, file, bytes)
}

#[test]
fn a_page_keeps_its_letters_sharp_where_a_lossless_file_is_too_large() {
    let (_, file, bytes) = page();
    let formats = Formats::Among(vec![Format::Webp, Format::Jpeg, Format::Png]);
    let answer = run(&Job { formats, ..job(Format::Webp, bytes * 6 / 10) }, &file).unwrap();
    let output = answer.report.output;
    assert!(colours(&decode(&answer.bytes)) <= 4, "{output:?}");
    assert!(output.width >= 600 && output.bytes * 10 >= bytes * 5, "{output:?}");
    assert_eq!(answer.report.outcome, Outcome::Downscaled);
    let png = run(&job(Format::Png, bytes * 6 / 10), &file).unwrap().report.output;
    assert!(png.width >= 600, "{png:?}");
}

#[test]
fn text_that_no_format_holds_well_is_a_png_where_that_looks_best() {
    let file = png::encode::encode_lossless(&drawing::page(2_480, 3_508), Effort::Fast).unwrap();
    let formats = Formats::Among(vec![Format::Webp, Format::Jpeg, Format::Png]);
    let answer = run(&Job { formats, ..job(Format::Png, 20_000) }, &file).unwrap();
    assert_eq!(answer.report.output.format, Format::Png, "{:?}", answer.report.output);
}

/// A page with a photograph on it.
fn illustrated_page() -> Picture {
    let photo = drawing::photo(300, 200, 3);
    let mut pixels = drawing::page(400, 840).pixels().to_vec();
    for row in 0..200 {
        pixels[((row + 600) * 400 + 60) * 3..][..900].copy_from_slice(&photo.pixels()[row * 900..][..900]);
    }
    Picture::new(400, 840, Layout::Rgb, pixels)
}

#[test]
fn a_png_of_text_with_a_photograph_keeps_its_pixels_and_gives_up_colours() {
    let file = png::encode::encode_lossless(&illustrated_page(), Effort::Balanced).unwrap();
    let png = run(&job(Format::Png, file.len() as u64 * 22 / 100), &file).unwrap().report.output;
    assert_eq!((png.width, png.height), (400, 840), "{png:?}");
}

#[test]
fn text_that_may_not_shrink_is_whole_or_refused() {
    let page = png::encode::encode_lossless(&drawing::page(2_000, 1_500), Effort::Fast).unwrap();
    let jpeg = run(&Job { quality: 85.0, ..job(Format::Jpeg, 3_000_000) }, &page).unwrap().bytes;
    let mut answered = 0;
    for target in [60_000, 100_000, 180_000, 400_000] {
        let fit = Job { downscale: false, ..job(Format::Webp, target) };
        for job in [fit.clone(), Job { mode: Mode::Exact, ..fit }] {
            match run(&job, &jpeg) {
                Ok(answer) => {
                    assert_eq!((answer.report.output.width, answer.report.output.height), (2_000, 1_500));
                    answered += 1;
                }
                Err(refusal) => assert!(matches!(refusal, JobError::TargetUnreachable { .. }), "{refusal}"),
            }
        }
    }
    assert!(answered > 0);
}

#[test]
fn text_that_a_format_cannot_hold_is_answered_in_another() {
    let wide = drawing::page(16_500, 40);
    let file = png::encode::encode_lossless(&wide, Effort::Balanced).unwrap();
    let formats = Formats::Among(vec![Format::Webp, Format::Png]);
    let answer = run(&Job { formats, ..job(Format::Png, file.len() as u64 * 9 / 10) }, &file);
    assert!(answer.is_ok(), "{answer:?}");
}

#[test]
fn bars_of_many_colours_are_not_given_up_for_sharp_letters() {
    const COLOURS: [[u8; 3]; 3] = [[90, 100, 160], [110, 170, 120], [200, 120, 110]];
    let (page, _, _) = page();
    let mut pixels = page.pixels().to_vec();
    let bars = 880 - 24 * COLOURS.len()..880;
    for row in bars.clone() {
        let colour = COLOURS[(row - bars.start) / 24];
        pixels[row * 1_240 * 3..][..1_240 * 3].as_chunks_mut().0.fill(colour);
    }
    let with_bars = Picture::new(1_240, 880, Layout::Rgb, pixels);
    let file = webp::encode::encode_lossless(&with_bars, Effort::Balanced).unwrap();
    // Where the sample that is scored does not see them.
    for share in [4, 5, 6, 7] {
        let answer = run(&job(Format::Webp, file.len() as u64 * share / 10), &file).unwrap();
        let picture = decode(&answer.bytes);
        for (bar, colour) in COLOURS.iter().enumerate() {
            let row = (bars.start + bar * 24 + 12) * picture.height() as usize / 880;
            let pixel = (row * picture.width() as usize + picture.width() as usize / 2) * 3;
            let seen = &picture.pixels()[pixel..pixel + 3];
            let is_kept = colour.iter().zip(seen).all(|(asked, seen)| asked.abs_diff(*seen) <= 24);
            assert!(is_kept, "{colour:?} is {seen:?} in {:?}", answer.report.output);
        }
    }
}
