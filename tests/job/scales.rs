//! The scale of answers: what is made smaller, and how far.

use std::array::from_fn;

use bytefit::codec::{Effort, Format, png::encode::encode_lossless};
use bytefit::job::{Formats, Job};
use bytefit::picture::{Layout, Picture};
use testkit::drawing::{self, Content};
use testkit::random::Random;

use super::{job, run};

#[test]
fn a_drawing_with_alpha_is_as_large_as_looks_best() {
    let (input, webp) = (logo(), |target| job(Format::Webp, target));
    let widths = [2_000, 3_000].map(|target| run(&webp(target), &input).unwrap().report.output.width);
    assert!(widths.iter().all(|width| *width >= 120), "the model alone makes them 75 pixels wide: {widths:?}");
}

/// Rings of several sizes and colours on nothing, 300x200.
fn logo() -> Vec<u8> {
    let pixel = |x: u32, y: u32| {
        let (column, row) = (x / 60, y / 50);
        let from_centre = (f64::from(x) - f64::from(column * 60 + 30)).hypot(f64::from(y) - f64::from(row * 50 + 25));
        let radius = f64::from(10 + (column * 7 + row * 5) % 14);
        let cover = ((from_centre - radius / 2.0).min(radius - from_centre) + 0.5).clamp(0.0, 1.0);
        [200 - column * 30, 40 + row * 50, x * 255 / 300, (cover * 255.0) as u32].map(|level| level as u8)
    };
    let pixels = (0..200).flat_map(|y| (0..300).flat_map(move |x| pixel(x, y))).collect();
    encode_lossless(&Picture::new(300, 200, Layout::Rgba, pixels), Effort::Balanced).unwrap()
}

#[test]
fn a_gradient_is_made_smaller_where_webp_leaves_it_no_quality() {
    let answer = run(&job(Format::Webp, 5_000), &png(&round_gradient(1_200))).unwrap();
    assert!(answer.report.output.width < 1_200);
    assert!(answer.report.quality.is_some_and(|quality| quality > 60.0), "{:?}", answer.report.quality);
}

#[test]
fn text_stays_whole_as_long_as_it_fits() {
    let page = png(&drawing::page(1_240, 880));
    let poorest = run(&Job { quality: 1.0, ..job(Format::Avif, 10_000_000) }, &page).unwrap();
    let answer = run(&job(Format::Avif, poorest.report.output.bytes * 11 / 10), &page).unwrap();
    assert_eq!(answer.report.output.width, 1_240, "{:?}", answer.report.quality);
}

#[test]
fn a_drawing_of_thin_lines_is_not_made_as_small_as_a_photograph_would_be() {
    let drawing = png(&curves(1_200));
    for (target, least) in [(20_000, 800), (50_000, 1_200)] {
        let answer = run(&job(Format::Webp, target), &drawing).unwrap();
        assert!(answer.report.output.width >= least, "{target}: {}", answer.report.output.width);
    }
}

#[test]
fn a_screenshot_stays_whole_in_the_format_that_holds_it() {
    let screenshot = png(&windows());
    let formats = Formats::Among(vec![Format::Webp, Format::Jpeg, Format::Png]);
    let answer = run(&Job { formats, ..job(Format::Jpeg, 50_000) }, &screenshot).unwrap();
    assert_eq!((answer.report.output.format, answer.report.output.width), (Format::Jpeg, 1_280));
}

#[test]
fn a_photograph_is_tried_in_formats_of_which_much_the_same_is_expected() {
    let photograph = png(&drawing::picture(Content::Photo, 1_024, 768));
    let formats = Formats::Among(vec![Format::Webp, Format::Jpeg]);
    let answer = run(&Job { formats, ..job(Format::Jpeg, 20_000) }, &photograph).unwrap();
    assert_eq!((answer.report.output.format, answer.report.output.width), (Format::Jpeg, 1_024));
}

#[test]
fn a_photograph_that_fades_out_keeps_its_colours_as_png_and_loses_pixels() {
    let fading = png(&drawing::picture(Content::Alpha, 800, 600));
    let answer = run(&job(Format::Png, 16_200), &fading).unwrap();
    assert!(answer.report.quality.is_some_and(|quality| quality > 75.0), "{:?}", answer.report.quality);
}

#[test]
fn squares_of_many_colours_get_all_their_colour_where_avif_has_bytes_for_it() {
    let answer = run(&job(Format::Avif, 100_000), &png(&squares(1_024))).unwrap();
    assert!(answer.report.quality.is_some_and(|quality| quality > 90.0), "{:?}", answer.report.quality);
}

fn png(picture: &Picture) -> Vec<u8> {
    encode_lossless(picture, Effort::Fast).unwrap()
}

/// A page and a photograph on a plain ground of 1,280 x 800 pixels.
fn windows() -> Picture {
    const WIDTH: usize = 1_280;
    let mut pixels = [236, 239, 244].repeat(WIDTH * 800);
    for (picture, left) in [(drawing::page(512, 680), 276), (drawing::photo(426, 266, 3), 808)] {
        let row_bytes = picture.width() as usize * 3;
        for (row, from) in picture.pixels().chunks_exact(row_bytes).enumerate() {
            pixels[((60 + row) * WIDTH + left) * 3..][..row_bytes].copy_from_slice(from);
        }
    }
    Picture::new(WIDTH as u32, 800, Layout::Rgb, pixels)
}

/// Squares of 32 pixels, each of one of sixteen colours.
fn squares(side: u32) -> Picture {
    let mut random = Random::new(3);
    let colours: [[u8; 3]; 16] = from_fn(|_| from_fn(|_| random.below(256) as u8));
    let across = side / 32;
    let squares: Vec<[u8; 3]> = (0..across * across).map(|_| *random.pick(&colours)).collect();
    let pixels = (0..side * side).flat_map(|index| squares[(index / side / 32 * across + index % side / 32) as usize]);
    Picture::new(side, side, Layout::Rgb, pixels.collect())
}

/// Thin dark curves on white.
fn curves(side: u32) -> Picture {
    let whole = f64::from(side);
    let pixels = (0..side * side).flat_map(|index| {
        let (x, y) = (f64::from(index % side) / whole, f64::from(index / side) / whole);
        let nearest = (1..=12).map(f64::from).map(|curve| {
            let middle = 0.5 + 0.45 * (x * curve * 1.7 + curve).sin() * (x * 2.0 + curve).cos();
            (y - middle).abs() * whole / (1.0 + curve)
        });
        let ink = (1.5 - nearest.fold(f64::INFINITY, f64::min)).clamp(0.0, 1.0);
        [(255.0 - ink * 235.0) as u8; 3]
    });
    Picture::new(side, side, Layout::Rgb, pixels.collect())
}

/// A colour that fades from the middle outwards.
fn round_gradient(side: u32) -> Picture {
    let whole = f64::from(side);
    let pixels = (0..side * side).flat_map(|index| {
        let (x, y) = (f64::from(index % side) / whole, f64::from(index / side) / whole);
        [250.0 - (x - 0.5).hypot(y - 0.5) * 300.0, 120.0, 60.0 + x * 90.0].map(|level| level.round() as u8)
    });
    Picture::new(side, side, Layout::Rgb, pixels.collect())
}
