//! Finds the part of a picture that matters: detail, skin and strong colours, as smartcrop.js weighs them.

use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions};

use super::grey::grey_of;
use super::resample::resample;
use super::resize::inside;
use crate::picture::Picture;

/// Pixels on the long side of what is looked at.
const SEEN_SIDE: u32 = 160;

/// Red, green and blue of skin, and how near a colour must be to count (smartcrop.js 2.0.5, skinColor and
/// skinThreshold).
const SKIN: [f64; 3] = [0.78, 0.57, 0.44];
const SKIN_LEAST: f64 = 0.8;
/// Saturation from which a colour counts (smartcrop.js, saturationThreshold).
const SATURATION_LEAST: f64 = 0.4;
/// How much detail, skin and saturation count (smartcrop.js, detailWeight, skinWeight, saturationWeight).
const DETAIL_WEIGHT: f64 = 0.2;
const SKIN_WEIGHT: f64 = 1.8;
const SATURATION_WEIGHT: f64 = 0.1;
/// What skin and saturation count without any detail (smartcrop.js, skinBias, saturationBias).
const SKIN_BIAS: f64 = 0.01;
const SATURATION_BIAS: f64 = 0.2;

/// By how much a window must be better than one nearer to the centre.
const CLEARLY: f64 = 1.001;

/// Where a window of `window_width` x `window_height` pixels lies best: pixels from the left and the top. One of its
/// sides is the picture's.
pub(super) fn best_window(picture: &Picture, window_width: f64, window_height: f64) -> (f64, f64) {
    let (free_across, free_down) = (f64::from(picture.width) - window_width, f64::from(picture.height) - window_height);
    if free_across <= 0.0 && free_down <= 0.0 {
        return (0.0, 0.0);
    }
    let seen = seen(picture);
    if free_across >= free_down {
        let share = best_place(&by_column(&seen), window_width / f64::from(picture.width));
        (free_across * share, 0.0)
    } else {
        let share = best_place(&by_row(&seen), window_height / f64::from(picture.height));
        (0.0, free_down * share)
    }
}

/// How interesting each pixel of a small picture is.
struct Interest {
    width: usize,
    values: Vec<f64>,
}

fn by_column(interest: &Interest) -> Vec<f64> {
    let mut sums = vec![0.0; interest.width];
    for row in interest.values.chunks_exact(interest.width) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    sums
}

fn by_row(interest: &Interest) -> Vec<f64> {
    interest.values.chunks_exact(interest.width).map(|row| row.iter().sum()).collect()
}

/// Where the window that covers `part` of `profile` lies best, 0 for its start and 1 for its end.
fn best_place(profile: &[f64], part: f64) -> f64 {
    let length = ((profile.len() as f64 * part).round() as usize).clamp(1, profile.len());
    let last = profile.len() - length;
    let mut places: Vec<usize> = (0..=last).collect();
    places.sort_by_key(|place| (2 * place).abs_diff(last));
    let mut best = (last as f64 / 2.0, 0.0);
    for place in places {
        let worth = worth(&profile[place..place + length]);
        if worth > best.1 * CLEARLY {
            best = (place as f64, worth);
        }
    }
    if last == 0 { 0.5 } else { best.0 / last as f64 }
}

/// What a window is worth. What lies in its middle counts twice as much as what lies at its edges.
fn worth(window: &[f64]) -> f64 {
    let middle = (window.len() as f64 - 1.0) / 2.0;
    let weight = |index: usize| 1.0 - 0.5 * ((index as f64 - middle) / (middle + 0.5)).powi(2);
    window.iter().enumerate().map(|(index, value)| value * weight(index)).sum()
}

/// Looks at `picture`, made small from a sample of its pixels.
fn seen(picture: &Picture) -> Interest {
    let side = SEEN_SIDE.min(picture.width.max(picture.height));
    let (width, height) = inside((picture.width, picture.height), (side, side));
    // Alpha weighs the interest instead: multiplying by it would copy the whole picture.
    let options = ResizeOptions::new().resize_alg(ResizeAlg::SuperSampling(FilterType::Box, 3)).use_alpha(false);
    let small = resample(picture, width, height, &options);
    let pixels: Vec<&[u8]> = small.pixels.chunks_exact(small.layout.bytes_per_pixel()).collect();
    let luma: Vec<f64> =
        pixels.iter().map(|pixel| f64::from(grey_of([pixel[0], pixel[1], pixel[2]])) / 255.0).collect();
    let (width, height) = (width as usize, height as usize);
    let values = pixels.iter().enumerate().map(|(index, pixel)| {
        let alpha = pixel.get(3).map_or(1.0, |alpha| f64::from(*alpha) / 255.0);
        let colour = [pixel[0], pixel[1], pixel[2]].map(|value| f64::from(value) / 255.0);
        alpha * interest(colour, luma[index], detail(&luma, width, height, index))
    });
    Interest { width, values: values.collect() }
}

/// How much the pixel at `index` differs from its four neighbours.
fn detail(luma: &[f64], width: usize, height: usize, index: usize) -> f64 {
    let (x, y) = (index % width, index / width);
    let row = y * width;
    let neighbours = luma[row + x.saturating_sub(1)]
        + luma[row + (x + 1).min(width - 1)]
        + luma[y.saturating_sub(1) * width + x]
        + luma[(y + 1).min(height - 1) * width + x];
    (4.0 * luma[index] - neighbours).abs().min(1.0)
}

fn interest(colour: [f64; 3], luma: f64, detail: f64) -> f64 {
    let skin = if luma >= 0.2 { above(nearness_to_skin(colour), SKIN_LEAST) } else { 0.0 };
    let saturation = if (0.05..0.9).contains(&luma) { above(saturation(colour), SATURATION_LEAST) } else { 0.0 };
    detail * DETAIL_WEIGHT
        + skin * (detail + SKIN_BIAS) * SKIN_WEIGHT
        + saturation * (detail + SATURATION_BIAS) * SATURATION_WEIGHT
}

/// The part of `value` above `least`, as a share of what there can be.
fn above(value: f64, least: f64) -> f64 {
    ((value - least) / (1.0 - least)).max(0.0)
}

/// 1 for the colour of skin at any brightness, less for other colours.
fn nearness_to_skin(colour: [f64; 3]) -> f64 {
    let length = colour.iter().map(|value| value * value).sum::<f64>().sqrt();
    if length == 0.0 {
        return 0.0;
    }
    let distance = colour.iter().zip(SKIN).map(|(value, skin)| (value / length - skin).powi(2)).sum::<f64>();
    1.0 - distance.sqrt()
}

/// The saturation of HSL, 0 to 1.
fn saturation(colour: [f64; 3]) -> f64 {
    let most = colour.into_iter().fold(0.0, f64::max);
    let least = colour.into_iter().fold(1.0, f64::min);
    let (sum, range) = (most + least, most - least);
    match range {
        0.0 => 0.0,
        _ if sum > 1.0 => range / (2.0 - sum),
        _ => range / sum,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Layout;

    /// Grey with a chequered patch from `left`, `top`.
    fn patch(width: u32, height: u32, left: u32, top: u32, side: u32) -> Picture {
        let pixels = (0..width * height)
            .flat_map(|index| {
                let (x, y) = (index % width, index / width);
                let inside = (left..left + side).contains(&x) && (top..top + side).contains(&y);
                if inside && (x / 8 + y / 8) % 2 == 0 { [20, 200, 90] } else { [128; 3] }
            })
            .collect();
        Picture::new(width, height, Layout::Rgb, pixels)
    }

    #[test]
    fn the_window_holds_what_stands_out() {
        for at in [0, 100, 300, 480] {
            let (left, top) = best_window(&patch(600, 200, at, 40, 120), 200.0, 200.0);
            let (from, to) = (f64::from(at) - 8.0, f64::from(at) + 128.0);
            assert!(left <= from.max(0.0) && left + 200.0 >= to.min(600.0) && top == 0.0, "{at}: {left}");
            let (left, top) = best_window(&patch(200, 600, 40, at, 120), 200.0, 200.0);
            assert!(top <= from.max(0.0) && top + 200.0 >= to.min(600.0) && left == 0.0, "{at}: {top}");
        }
    }

    #[test]
    fn a_picture_without_anything_keeps_its_centre() {
        let flat = Picture::new(601, 200, Layout::Rgb, vec![90; 601 * 200 * 3]);
        let (left, top) = best_window(&flat, 200.0, 200.0);
        assert!((left - 200.5).abs() <= 2.0 && top == 0.0, "{left}");
    }

    #[test]
    fn what_is_transparent_does_not_matter() {
        let hidden = patch(600, 200, 400, 40, 120);
        let pixels = hidden.pixels.chunks_exact(3).flat_map(|pixel| [pixel[0], pixel[1], pixel[2], 0]).collect();
        let (left, _) = best_window(&Picture::new(600, 200, Layout::Rgba, pixels), 200.0, 200.0);
        assert!((left - 200.0).abs() <= 2.0, "{left}");
    }

    #[test]
    fn every_size_has_a_window() {
        for (width, height) in [(1, 1), (1, 900), (900, 1), (2, 3), (161, 160)] {
            let picture = Picture::new(width, height, Layout::Rgb, vec![9; (width * height * 3) as usize]);
            let side = f64::from(width.min(height));
            let (left, top) = best_window(&picture, side, side);
            assert!(left >= 0.0 && left + side <= f64::from(width) && top >= 0.0 && top + side <= f64::from(height));
        }
    }
}
