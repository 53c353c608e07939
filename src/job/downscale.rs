//! Going smaller when the target is too low for a decent look at full size. Always from the original pixels.
//! Must not know what decides a gain.

use crate::codec::Format;
use crate::codec::lossy_coding::LossyCoding;
use crate::picture::{Picture, transform};
use crate::search::aim::Aim;

use super::JobError;
use super::candidate::Candidate;
use super::context::SearchContext;
use super::format_rank::Expectation;
use super::lossy::{self, NearestEncode, SizeResult};
use super::prepared::Prepared;
use super::scale_gain;

/// The quality that the next try is aimed at when nothing reached the cap at a scale.
const MODEST: f64 = 45.0;

/// Points of SSIMULACRA2 below the best gain so far from which on no smaller scale is asked about. The first steps may lose
/// a few that later ones more than give back.
const DIP: f64 = 8.0;

/// Bytes grow with the side to about this power at equal quality: fewer pixels, but busier ones. A first guess, which the
/// next try corrects.
const BYTES_BY_SIDE: f64 = 1.6;

/// The shortest long side, in pixels, that a picture is brought to.
const LEAST_SIDE: u32 = 64;

/// Sizes that are encoded at the most.
const MAX_SIZES: usize = 4;

/// Share of the cap below which a file of the finest quality leaves bytes that a larger picture may use.
const FILLED: f64 = 0.9;

/// A file that fits, and what is known of larger pictures.
struct Fitted {
    place: usize,
    file: Candidate,
    /// Whether there is no finer setting.
    is_at_finest: bool,
    /// The place of the largest scale that is not known to be too large.
    largest: usize,
    /// Sizes that were encoded.
    sizes: usize,
}

/// The best-looking file over the scales of what `whole` holds, the one in its `expectation` first; none when no setting
/// reaches the cap.
///
/// # Errors
/// As [`lossy::candidate`].
pub fn best_scale(
    context: &mut SearchContext,
    whole: &Prepared,
    aim: &Aim,
    expectation: Expectation,
) -> Result<Option<Candidate>, JobError> {
    let scales = scales(whole.picture);
    let Some(fitted) = first_fitting(context, whole, aim, &scales, expectation.place)? else { return Ok(None) };
    Ok(Some(fuller(context, whole, aim, &scales, fitted)?.file))
}

/// The file at the scale at `place`, or at the first smaller one that is tried where it fits.
fn first_fitting(
    context: &mut SearchContext,
    whole: &Prepared,
    aim: &Aim,
    scales: &[f64],
    mut place: usize,
) -> Result<Option<Fitted>, JobError> {
    let mut largest = 0;
    for sizes in 1.. {
        let result = land(context, whole, scales[place], aim)?;
        if let Some(file) = result.candidate {
            return Ok(Some(Fitted { place, file, is_at_finest: result.is_at_finest, largest, sizes }));
        }
        let Some(known) = result.known else { break };
        if place + 1 == scales.len() || context.clock.stop_reason().is_some() {
            break;
        }
        largest = place + 1;
        // The model erred: what it took corrects it. The last try is the smallest that there is.
        let by_model = place_for(scales, scales[place] * growth(whole.format, aim, &known));
        place = if sizes + 1 < MAX_SIZES { by_model.max(place + 1) } else { scales.len() - 1 };
    }
    Ok(None)
}

/// `fitted`, or a larger picture that uses the bytes which it leaves.
fn fuller(
    context: &mut SearchContext,
    whole: &Prepared,
    aim: &Aim,
    scales: &[f64],
    mut fitted: Fitted,
) -> Result<Fitted, JobError> {
    while may_be_larger(aim, &fitted) && context.stop_reason().is_none() {
        let place =
            place_for(scales, scales[fitted.place] * room(aim, &fitted)).clamp(fitted.largest, fitted.place - 1);
        let result = match land(context, whole, scales[place], aim) {
            Err(JobError::DeadlineExceeded { .. }) => {
                context.note_cut();
                break;
            }
            result => result?,
        };
        fitted.sizes += 1;
        match result.candidate {
            Some(file) if is_better(aim, &fitted, &file) => {
                fitted = Fitted { place, file, is_at_finest: result.is_at_finest, ..fitted };
            }
            _ => fitted.largest = place + 1,
        }
    }
    Ok(fitted)
}

/// Whether a larger picture than `fitted` is worth a try: the finest setting leaves bytes.
fn may_be_larger(aim: &Aim, fitted: &Fitted) -> bool {
    let leaves_bytes = fitted.is_at_finest && (fitted.file.len() as f64) < FILLED * aim.best as f64;
    leaves_bytes && fitted.place > fitted.largest && fitted.sizes < MAX_SIZES
}

/// What a scale may be multiplied by so that the same quality takes all that the cap allows.
fn room(aim: &Aim, fitted: &Fitted) -> f64 {
    (aim.best as f64 / fitted.file.len() as f64).powf(1.0 / BYTES_BY_SIDE)
}

/// Whether `larger` is to be preferred to `fitted`: as the nearer one, or where its quality is hardly lower.
fn is_better(aim: &Aim, fitted: &Fitted, larger: &Candidate) -> bool {
    if aim.is_for_nearest {
        return larger.len().abs_diff(aim.best) < fitted.file.len().abs_diff(aim.best);
    }
    let [quality, of_larger] = [&fitted.file, larger].map(|file| file.kind.quality().unwrap_or(f64::INFINITY));
    of_larger >= quality - WORTH_OF_PIXELS
}

/// Quality that a step to a larger scale is worth: of seven Kodak pictures as PNG all gain where 81 becomes 74 or more, 1 to 14
/// points of SSIMULACRA2, and half of them lose where it becomes less.
const WORTH_OF_PIXELS: f64 = 7.0;

fn bits_per_pixel(aim: &Aim, pixels: u64) -> f64 {
    aim.cap as f64 * 8.0 / pixels as f64
}

fn land(context: &mut SearchContext, whole: &Prepared, scale: f64, aim: &Aim) -> Result<SizeResult, JobError> {
    if scale == 1.0 {
        return lossy::at_size(context, whole, aim);
    }
    let picture = at_scale(whole.picture, scale);
    lossy::at_size(context, &Prepared::new(whole.format, &picture), aim)
}

/// The scale that looks best by what the model expects; the whole picture where none is worth its loss.
///
/// # Errors
/// [`JobError::Encode`].
pub fn expectation(context: &mut SearchContext, whole: &Prepared, aim: &Aim) -> Result<Expectation, JobError> {
    let format = whole.format;
    let of_whole = lossy::expected_quality(context, whole, aim)?;
    let mut expectation = Expectation::of_whole(of_whole.quality);
    let mut quality = of_whole.quality;
    let mut bits = bits_per_pixel(aim, whole.picture.pixel_count());
    // Fewer pixels of a quality that is not to be passed only leave bytes.
    if of_whole.is_at_ceiling || scale_gain::is_decent(format, quality, bits) {
        return Ok(expectation);
    }
    let (scales, details) = (scales(whole.picture), context.views.details(whole.picture));
    let (mut gain, mut best_gain) = (0.0, scale_gain::margin(format));
    // The last is of no simple ratio.
    for (place, scale) in scales[..scales.len() - 1].iter().enumerate().skip(1) {
        let larger = expectation;
        gain += scale_gain::gain(format, place - 1, quality, bits, &details);
        if gain > best_gain {
            best_gain = gain;
            expectation = Expectation { place, gain, ..expectation };
        }
        if gain < best_gain - DIP || context.clock.stop_reason().is_some() {
            break;
        }
        let size = size_at(whole.picture, *scale);
        let part = context.views.part(whole.picture, size);
        let pixels = u64::from(size.0) * u64::from(size.1);
        let share = part.pixel_count() as f64 / pixels as f64;
        let expected = lossy::expected_quality(context, &Prepared::new(format, &part), &aim.for_share(share))?;
        if expected.is_at_ceiling {
            return Ok(larger);
        }
        quality = expected.quality;
        bits = bits_per_pixel(aim, pixels);
    }
    Ok(expectation)
}

/// The place in `scales` of the largest that is at most `wanted`; the last where all are larger.
fn place_for(scales: &[f64], wanted: f64) -> usize {
    scales.iter().position(|scale| *scale <= wanted).unwrap_or(scales.len() - 1)
}

/// The scales that `original` may be brought to, largest first: itself, those below, and the least.
fn scales(original: &Picture) -> Vec<f64> {
    let side = original.width().max(original.height());
    let least = f64::from(LEAST_SIDE.min(side)) / f64::from(side);
    scale_gain::SCALES.into_iter().filter(|scale| *scale > least).chain([least]).collect()
}

/// What a scale is to be multiplied by so that [`MODEST`] quality takes what the cap allows.
fn growth(format: Format, aim: &Aim, known: &NearestEncode) -> f64 {
    let scale = LossyCoding::of(format)[0].scale();
    let ln_bits_at = |quality: f64| scale.ln_bits_per_pixel(scale.ln_step(quality));
    let ln_modest = (known.bytes as f64).ln() + ln_bits_at(MODEST) - ln_bits_at(known.quality);
    (((aim.cap as f64).ln() - ln_modest) / BYTES_BY_SIDE).exp()
}

fn at_scale(original: &Picture, scale: f64) -> Picture {
    let (width, height) = size_at(original, scale);
    transform::scale(original, width, height)
}

fn size_at(original: &Picture, scale: f64) -> (u32, u32) {
    let side = |pixels: u32| ((f64::from(pixels) * scale).round() as u32).max(1);
    (side(original.width()), side(original.height()))
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
        assert_eq!(scales_of(8192, 1).len(), scale_gain::SCALES.len() + 1);
    }

    #[test]
    fn the_scale_for_a_wish_is_never_larger() {
        let scales = scales_of(640, 480);
        assert_eq!(scales[place_for(&scales, 0.6)], 0.5);
        assert_eq!(scales[place_for(&scales, 0.001)], 0.1);
    }
}
