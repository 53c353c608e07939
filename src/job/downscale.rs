//! Going smaller when the target is too low for a decent look at full size. Always from the original pixels.
//! Must not know formats beyond their thresholds.

use std::borrow::Cow;

use crate::codec::Format;
use crate::codec::variant::Variant;
use crate::fit::search::Aim;
use crate::picture::{Picture, transform};

use super::JobError;
use super::candidate::Candidate;
use super::lossy::{self, Known};
use super::workbench::Workbench;

/// The quality below which a smaller picture of better quality looks better at the same bytes
/// (joint search over scale and quality, 24 Kodak pictures: about 50 for JPEG and AVIF, 60 for WebP).
fn decent_quality(format: Format) -> f64 {
    match format {
        Format::Webp => 60.0,
        _ => 50.0,
    }
}

/// So far below decent, a picture of full size is not worth comparing with a smaller one.
const DOUBT: f64 = 12.0;

/// So far above decent, a smaller picture gave away more size than it needed to.
const GENEROUS: f64 = 18.0;

/// Bytes grow with the side to this power at equal quality: fewer pixels, but busier ones. An estimate, below the 2 of
/// pixels alone; the encodes that follow correct it.
const BYTES_BY_SIDE: f64 = 1.6;

/// Down to this scale by the first guess, the full size is tried first: the guess may be off by that much.
const TRUSTED_SCALE: f64 = 0.6;

/// Scales that differ by less than this are the same.
const SAME_SCALE: f64 = 0.05;

/// The shortest long side, in pixels, that a picture is brought to.
const LEAST_SIDE: u32 = 64;

/// Sizes tried at the most: the second lands unless the picture's detail changes with its scale.
const MAX_SIZES: u32 = 5;

/// The best-looking file over the scales of `original`; none when no setting reaches the cap.
///
/// # Errors
/// As [`lossy::candidate`].
pub fn best_scale(
    bench: &mut Workbench,
    format: Format,
    original: &Picture,
    aim: &Aim,
) -> Result<Option<Candidate>, JobError> {
    let decent = decent_quality(format);
    let least = least_scale(original);
    let mut scale = first_scale(format, original, aim).max(least);
    if scale < 1.0 {
        // The guess knows the median of all pictures; one encode of this one corrects it.
        let scout = lossy::at_size(bench, format, &at_scale(original, scale), &Aim { max_encodes: 1, ..*aim })?;
        scale = scout.known.map_or(scale, |known| (scale * growth(format, aim, &known)).clamp(least, 1.0));
    }
    let mut best = None;
    for _ in 0..MAX_SIZES {
        let landing = lossy::at_size(bench, format, &at_scale(original, scale), aim)?;
        best = better(bench, best, landing.candidate, decent)?;
        let Some(known) = landing.known else { break };
        let enough = if scale == 1.0 { f64::INFINITY } else { decent + GENEROUS };
        let least_quality = if scale == 1.0 { decent } else { decent - DOUBT };
        let settled = best.is_some() && (least_quality..=enough).contains(&known.quality);
        let next = (scale * growth(format, aim, &known)).clamp(least, 1.0);
        if settled || (next / scale - 1.0).abs() < SAME_SCALE || bench.stop_reason().is_some() {
            break;
        }
        scale = next;
    }
    Ok(best)
}

/// The scale at which a decent quality should take what the cap allows, by the median of all pictures; 1 where
/// that is not clearly less.
fn first_scale(format: Format, original: &Picture, aim: &Aim) -> f64 {
    let quality = decent_quality(format);
    let scale = Variant::of(format)[0].scale();
    let bits_per_pixel = scale.ln_bits_per_pixel(scale.ln_step(quality)).exp();
    let bytes = (bits_per_pixel * original.pixel_count() as f64 / 8.0) as u64;
    let guess = growth(format, aim, &Known { quality, bytes });
    if guess < TRUSTED_SCALE { guess } else { 1.0 }
}

/// What a scale is to be multiplied by so that a decent quality takes what the cap allows.
fn growth(format: Format, aim: &Aim, known: &Known) -> f64 {
    let scale = Variant::of(format)[0].scale();
    let ln_bits_at = |quality: f64| scale.ln_bits_per_pixel(scale.ln_step(quality));
    let ln_decent = (known.bytes as f64).ln() + ln_bits_at(decent_quality(format)) - ln_bits_at(known.quality);
    (((aim.cap as f64).ln() - ln_decent) / BYTES_BY_SIDE).exp()
}

/// The scale below which a picture is not brought.
fn least_scale(original: &Picture) -> f64 {
    let side = original.width().max(original.height());
    f64::from(LEAST_SIDE.min(side)) / f64::from(side)
}

fn at_scale(original: &Picture, scale: f64) -> Cow<'_, Picture> {
    if scale >= 1.0 {
        return Cow::Borrowed(original);
    }
    let side = |pixels: u32| ((f64::from(pixels) * scale).round() as u32).max(1);
    Cow::Owned(transform::scale(original, side(original.width()), side(original.height())))
}

/// The better-looking of two candidates: `new`, unless `old` is whole and near enough to decent to be in doubt;
/// then a comparison tells.
fn better(
    bench: &mut Workbench,
    old: Option<Candidate>,
    new: Option<Candidate>,
    decent: f64,
) -> Result<Option<Candidate>, JobError> {
    let (Some(old), Some(new)) = (&old, &new) else { return Ok(new.or(old)) };
    let in_doubt = |candidate: &Candidate| candidate.kind.quality().is_some_and(|quality| quality > decent - DOUBT);
    let keep_old = in_doubt(old) && bench.looks_better(old, new)?;
    Ok(Some(if keep_old { old.clone() } else { new.clone() }))
}
