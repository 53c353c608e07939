//! Going smaller when the target is too low for a decent look at full size. Always from the original pixels.
//! Must not know formats beyond their thresholds. Constants without a source of their own come from
//! `examples/scale.rs`: 46 photographs at 0.1 to 0.8 bits a pixel and eight scales.

use std::borrow::Cow;

use crate::codec::Format;
use crate::codec::variant::Variant;
use crate::fit::search::Aim;
use crate::picture::{Picture, transform};

use super::JobError;
use super::candidate::Candidate;
use super::lossy::{self, Known};
use super::prepared::Prepared;
use super::workbench::Workbench;

/// Qualities of the whole picture between which it takes a look at both sizes to say which is better.
struct Doubt {
    /// Below it the smaller picture is taken.
    sure: f64,
    /// From here on the whole one.
    decent: f64,
}

/// Taking the smaller picture gained 3 points in the mean for WebP at 50 to 60 and lost more than one only above 55;
/// for JPEG, 2 points at 40 to 60, but up to 13 were lost above 40; for AVIF, which gains least by going smaller, 3
/// points up to 35, 0.5 up to 50, and nothing above. PNG's are an estimate. A few pictures of fine detail lose by it
/// further down, 3 of 47 at 24 to 60 with WebP (up to 4.4), 6 of 67 below 45 with AVIF (up to 5.9); to look at both
/// sizes there as well would take a picture of 4 megapixels ten times the CPU time.
fn doubt(format: Format) -> Doubt {
    let (sure, decent) = match format {
        Format::Webp => (55.0, 60.0),
        Format::Jpeg => (40.0, 55.0),
        Format::Avif => (35.0, 45.0),
        _ => (35.0, 50.0),
    };
    Doubt { sure, decent }
}

/// The quality at which a smaller picture looks best, given what the whole one would have: about 70 (medians of 60 to
/// 76), less when that would take too much detail away (49 where the whole one has -45).
fn ideal_quality(whole: f64) -> f64 {
    (70.0 + 0.36 * (whole - 10.0)).clamp(45.0, 70.0)
}

/// Bytes grow with the side to this power at equal quality: fewer pixels, but busier ones. A first guess, below the 2
/// of pixels alone; the model corrects it.
const BYTES_BY_SIDE: f64 = 1.6;

/// Scales that differ by less than this are the same.
const SAME_SCALE: f64 = 0.08;

/// The largest scale below 1 that is worth its loss: at 0.9 nothing gains a point.
const LARGEST_SCALE: f64 = 0.85;

/// The shortest long side, in pixels, that a picture is brought to.
const LEAST_SIDE: u32 = 64;

/// Sizes that the model is asked about, and sizes encoded, at the most.
const MAX_SIZES: u32 = 4;

/// The best-looking file over the scales of what `whole` holds; none when no setting reaches the cap.
///
/// # Errors
/// As [`lossy::candidate`].
pub fn best_scale(bench: &mut Workbench, whole: &Prepared, aim: &Aim) -> Result<Option<Candidate>, JobError> {
    let (doubt, expected) = (doubt(whole.format), lossy::foretell(bench, whole, aim)?);
    if expected >= doubt.decent {
        let landing = lossy::at_size(bench, whole, aim)?;
        return match landing.candidate {
            Some(candidate) => Ok(Some(candidate)),
            // The model erred: nothing reaches the cap at this size.
            None => smaller(bench, whole, aim, doubt.decent),
        };
    }
    let small = smaller(bench, whole, aim, expected)?;
    let has_answer = small.is_some();
    if expected < doubt.sure || bench.stop_reason().is_some() || has_answer && !bench.has_time_for(whole.picture) {
        return Ok(small);
    }
    match lossy::at_size(bench, whole, aim) {
        Err(JobError::DeadlineExceeded { .. }) if has_answer => Ok(small),
        large => better(bench, small, large?.candidate),
    }
}

/// The best-looking of the smaller pictures, when the whole one would have quality `expected`.
fn smaller(bench: &mut Workbench, whole: &Prepared, aim: &Aim, expected: f64) -> Result<Option<Candidate>, JobError> {
    let (format, ideal) = (whole.format, ideal_quality(expected));
    let growth = |known: &Known| growth(format, aim, known, ideal);
    let range = least_scale(whole.picture)..=LARGEST_SCALE;
    let within = |scale: f64| scale.clamp(*range.start(), range.end().max(*range.start()));
    let mut scale = within(growth(&Known { quality: expected, bytes: aim.cap }));
    let (mut foretold, mut encoded) = (1, 0);
    loop {
        let picture = at_scale(whole.picture, scale);
        let prepared = Prepared::new(format, &picture);
        if encoded == 0 && foretold < MAX_SIZES {
            foretold += 1;
            let quality = lossy::foretell(bench, &prepared, aim)?;
            let next = within(scale * growth(&Known { quality, bytes: aim.cap }));
            if (next / scale - 1.0).abs() >= SAME_SCALE {
                scale = next;
                continue;
            }
        }
        let landing = lossy::at_size(bench, &prepared, aim)?;
        encoded += 1;
        let Some(known) = landing.known.filter(|_| landing.candidate.is_none()) else { return Ok(landing.candidate) };
        // The model erred: what it took corrects it. The last try is the smallest that there is.
        let by_model = scale * growth(&known).min(1.0 - SAME_SCALE);
        let next = if encoded + 1 < MAX_SIZES { within(by_model) } else { *range.start() };
        if next == scale || bench.stop_reason().is_some() {
            return Ok(None);
        }
        scale = next;
    }
}

/// What a scale is to be multiplied by so that quality `ideal` takes what the cap allows.
fn growth(format: Format, aim: &Aim, known: &Known, ideal: f64) -> f64 {
    let scale = Variant::of(format)[0].scale();
    let ln_bits_at = |quality: f64| scale.ln_bits_per_pixel(scale.ln_step(quality));
    let ln_ideal = (known.bytes as f64).ln() + ln_bits_at(ideal) - ln_bits_at(known.quality);
    (((aim.cap as f64).ln() - ln_ideal) / BYTES_BY_SIDE).exp()
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

/// The better-looking of two candidates.
fn better(
    bench: &mut Workbench,
    one: Option<Candidate>,
    two: Option<Candidate>,
) -> Result<Option<Candidate>, JobError> {
    match (one, two) {
        (Some(one), Some(two)) => Ok(Some(if bench.looks_better(&one, &two)? { one } else { two })),
        (one, two) => Ok(one.or(two)),
    }
}
