//! Going smaller when the target is too low for a decent look at full size. Always from the original pixels.
//! Must not know what decides a gain.

use crate::codec::Format;
use crate::codec::variant::Variant;
use crate::fit::search::Aim;
use crate::picture::{Picture, transform};

use super::JobError;
use super::candidate::Candidate;
use super::gain::{self, Outlook};
use super::lossy::{self, Known, Landing};
use super::prepared::Prepared;
use super::workbench::Workbench;

/// Scales below those that a gain is known of, where even the smallest of them is expected to look poor: as
/// [`gain::SCALES`], simple ratios.
const TINY_SCALES: [f64; 8] =
    [1.0 / 6.0, 1.0 / 8.0, 1.0 / 12.0, 1.0 / 16.0, 1.0 / 24.0, 1.0 / 32.0, 1.0 / 48.0, 1.0 / 64.0];

/// The quality at which a smaller picture usually looks best: where the look for the best scale begins.
const USUAL: f64 = 70.0;

/// The quality below which it is worth its loss to go below the scales that a gain is known of. Going from a third to
/// a quarter gains below 45 (JPEG), 65 (WebP), 45 (AVIF).
const POOR: f64 = 45.0;

/// Bytes grow with the side to this power at equal quality: fewer pixels, but busier ones (examples/scale.rs).
const BYTES_BY_SIDE: f64 = 1.6;

/// The shortest long side, in pixels, that a picture is brought to.
const LEAST_SIDE: u32 = 64;

/// Sizes that are encoded at the most.
const MAX_SIZES: usize = 4;

/// What is expected of a scale.
struct Expected {
    place: usize,
    quality: f64,
    gain: f64,
}

/// The best-looking file over the scales of what `whole` holds; none when no setting reaches the cap.
///
/// # Errors
/// As [`lossy::candidate`].
pub fn best_scale(bench: &mut Workbench, whole: &Prepared, aim: &Aim) -> Result<Option<Candidate>, JobError> {
    let scales = scales(whole.picture);
    let mut place = best_place(bench, whole, aim, &scales)?;
    for size in 1.. {
        let landing = land(bench, whole, scales[place], aim)?;
        let Some(known) = landing.known.filter(|_| landing.candidate.is_none()) else { return Ok(landing.candidate) };
        if place + 1 == scales.len() || bench.stop_reason().is_some() {
            break;
        }
        // The model erred: what it took corrects it. The last try is the smallest that there is.
        let by_model = place_for(&scales, scales[place] * growth(whole.format, aim, &known, POOR));
        place = if size + 1 < MAX_SIZES { by_model.max(place + 1) } else { scales.len() - 1 };
    }
    Ok(None)
}

fn land(bench: &mut Workbench, whole: &Prepared, scale: f64, aim: &Aim) -> Result<Landing, JobError> {
    if scale == 1.0 {
        return lossy::at_size(bench, whole, aim);
    }
    let picture = at_scale(whole.picture, scale);
    lossy::at_size(bench, &Prepared::new(whole.format, &picture), aim)
}

/// The place in `scales` that looks best by what the model expects; the first where none is worth its loss.
fn best_place(bench: &mut Workbench, whole: &Prepared, aim: &Aim, scales: &[f64]) -> Result<usize, JobError> {
    let format = whole.format;
    let expected = lossy::foretell(bench, whole, aim)?;
    let known = scales[1..].iter().zip(gain::SCALES).filter(|(scale, known)| **scale == *known).count();
    let bits_per_pixel = aim.cap as f64 * 8.0 / whole.picture.pixel_count() as f64;
    if gain::is_decent(format, expected, bits_per_pixel) || known == 0 {
        return Ok(0);
    }
    let mut expect = |place: usize| -> Result<Expected, JobError> {
        let picture = at_scale(whole.picture, scales[place]);
        let quality = lossy::foretell(bench, &Prepared::new(format, &picture), aim)?;
        let outlook = Outlook { whole: expected, smaller: quality, bits_per_pixel };
        Ok(Expected { place, quality, gain: gain::gain(format, place - 1, &outlook) })
    };
    let guess = growth(format, aim, &Known { quality: expected, bytes: aim.cap }, USUAL);
    let start = scales[..known].iter().filter(|scale| **scale > guess).count().max(1);
    let mut best = expect(start)?;
    // Over the scales the gain has one peak.
    for direction in [1, -1] {
        while let Some(next) = best.place.checked_add_signed(direction).filter(|place| (1..=known).contains(place)) {
            let next = expect(next)?;
            if next.gain <= best.gain {
                break;
            }
            best = next;
        }
        if best.place != start {
            break;
        }
    }
    if best.gain < gain::MARGIN {
        return Ok(0);
    }
    let is_poor = best.place == known && best.quality < POOR;
    let known = Known { quality: best.quality, bytes: aim.cap };
    Ok(if is_poor { place_for(scales, scales[best.place] * growth(format, aim, &known, POOR)) } else { best.place })
}

/// The place in `scales` of the largest that is at most `wanted`; the last where all are larger.
fn place_for(scales: &[f64], wanted: f64) -> usize {
    scales.iter().position(|scale| *scale <= wanted).unwrap_or(scales.len() - 1)
}

/// The scales that `original` may be brought to, largest first: itself, those below, and the least.
fn scales(original: &Picture) -> Vec<f64> {
    let side = original.width().max(original.height());
    let least = f64::from(LEAST_SIDE.min(side)) / f64::from(side);
    let ratios = [1.0].into_iter().chain(gain::SCALES).chain(TINY_SCALES).filter(|scale| *scale > least);
    ratios.chain([least]).collect()
}

/// What a scale is to be multiplied by so that quality `ideal` takes what the cap allows.
fn growth(format: Format, aim: &Aim, known: &Known, ideal: f64) -> f64 {
    let scale = Variant::of(format)[0].scale();
    let ln_bits_at = |quality: f64| scale.ln_bits_per_pixel(scale.ln_step(quality));
    let ln_ideal = (known.bytes as f64).ln() + ln_bits_at(ideal) - ln_bits_at(known.quality);
    (((aim.cap as f64).ln() - ln_ideal) / BYTES_BY_SIDE).exp()
}

fn at_scale(original: &Picture, scale: f64) -> Picture {
    let side = |pixels: u32| ((f64::from(pixels) * scale).round() as u32).max(1);
    transform::scale(original, side(original.width()), side(original.height()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Layout;

    fn scales_of(width: u32, height: u32) -> Vec<f64> {
        let bytes = width as usize * height as usize * 3;
        scales(&Picture::new(width, height, Layout::Rgb, vec![0; bytes]))
    }

    #[test]
    fn scales_end_at_the_least_side() {
        assert_eq!(scales_of(64, 3), [1.0]);
        assert_eq!(scales_of(10, 128), [1.0, 0.75, 2.0 / 3.0, 0.5]);
        assert_eq!(scales_of(100, 80), [1.0, 0.75, 2.0 / 3.0, 0.64]);
        assert_eq!(scales_of(8192, 1).len(), 1 + gain::SCALES.len() + TINY_SCALES.len() + 1);
    }

    #[test]
    fn the_scale_for_a_wish_is_never_larger() {
        let scales = scales_of(640, 480);
        assert_eq!(scales[place_for(&scales, 0.6)], 0.5);
        assert_eq!(scales[place_for(&scales, 0.001)], 0.1);
    }
}
