//! The sizes that an answer is predicted to have, by its quality.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::codec::lossy_coding::LossyCoding;
use crate::codec::rate::Curve;
use crate::codec::{EncodeError, Format, Metadata, container};
use crate::picture::content::Content;
use crate::picture::{Picture, transform};

use super::{Effort, Job};

/// The qualities at which sizes are predicted: from the worst that an answer should have to the best.
pub(super) const QUALITIES: [f64; 13] = [1.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 68.0, 75.0, 82.0, 88.0, 92.0, 95.0];

/// The sizes that an answer is predicted to have, by quality.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SizeCurve {
    /// ln(bytes) at each of [`QUALITIES`]; never falls.
    pub(super) ln_bytes: [f64; QUALITIES.len()],
}

impl SizeCurve {
    /// The sizes of answers to `job` in one of the `allowed` formats that hold so large a picture; `picture` has the
    /// size of the answer, and its files the metadata `kept`. No answer has more than `most` bytes.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`] when none holds it.
    pub(super) fn of(
        picture: &Picture,
        job: &Job,
        allowed: &[Format],
        kept: &Metadata,
        most: u64,
    ) -> Result<SizeCurve, EncodeError> {
        let mut ln_bytes = [f64::INFINITY; QUALITIES.len()];
        let (holding, too_small): (Vec<Format>, Vec<Format>) =
            allowed.iter().partition(|format| format.check_size(picture).is_ok());
        if let ([], [format, ..]) = (&holding[..], &too_small[..]) {
            format.check_size(picture)?;
        }
        let counted: &[usize] = if holding.len() > 1 { &COUNTED_OF_SEVERAL } else { &COUNTED };
        let is_drawn = Content::of(picture).is_drawn();
        for format in &holding {
            let picture = match picture.has_alpha() && !format.keeps_alpha() {
                true => Cow::Owned(transform::flatten(picture, job.transformed_background())),
                false => Cow::Borrowed(picture),
            };
            let metadata_bytes = container::embedded_bytes(*format, kept);
            let counts = Counts { qualities: counted, ceiling: job.quality, are_probed: is_drawn };
            lower(&mut ln_bytes, *format, &picture, metadata_bytes, &counts)?;
        }
        let mut least = f64::NEG_INFINITY;
        for ln_bytes in &mut ln_bytes {
            least = ln_bytes.max(least);
            *ln_bytes = least;
        }
        Ok(SizeCurve { ln_bytes }.up_to(most))
    }

    /// The same where no answer has more than `most` bytes.
    pub(super) fn up_to(self, most: u64) -> SizeCurve {
        SizeCurve { ln_bytes: self.ln_bytes.map(|ln_bytes| ln_bytes.min((most as f64).ln())) }
    }

    /// Bytes at the best quality.
    pub(super) fn most_bytes(&self) -> u64 {
        self.bytes(QUALITIES[QUALITIES.len() - 1]) as u64
    }

    /// Bytes at `quality`.
    pub fn bytes(&self, quality: f64) -> f64 {
        let above = QUALITIES.iter().position(|known| *known >= quality).unwrap_or(QUALITIES.len() - 1).max(1);
        let (low, high) = (QUALITIES[above - 1], QUALITIES[above]);
        let part = ((quality - low) / (high - low)).clamp(0.0, 1.0);
        (self.ln_bytes[above - 1] + part * (self.ln_bytes[above] - self.ln_bytes[above - 1])).exp()
    }

    /// The curve of answers that have `ratio` times as many bytes.
    pub(super) fn scaled(&self, ratio: f64) -> SizeCurve {
        SizeCurve { ln_bytes: self.ln_bytes.map(|ln_bytes| ln_bytes + ratio.ln()) }
    }
}

/// Indices of the [`QUALITIES`] whose sizes are counted: docs/model.md, Totals.
const COUNTED: [usize; 5] = [0, 3, 6, 8, 10];

/// The same where several formats are allowed, each of which is counted.
const COUNTED_OF_SEVERAL: [usize; 4] = [0, 6, 8, 10];

/// How sizes are counted.
struct Counts<'a> {
    /// Indices of the [`QUALITIES`] at which they are counted.
    qualities: &'a [usize],
    /// The quality that no answer is above.
    ceiling: f64,
    /// Whether they are probed instead, where the format can do that: counts of drawings and text are off by a third.
    are_probed: bool,
}

/// Lowers each of `ln_bytes` to what the codings of `format` take at that quality, or at the ceiling where that is
/// lower, with `metadata_bytes`.
fn lower(
    ln_bytes: &mut [f64; QUALITIES.len()],
    format: Format,
    picture: &Picture,
    metadata_bytes: u64,
    counts: &Counts,
) -> Result<(), EncodeError> {
    let codings = LossyCoding::of(format);
    let Some(coarsest) = codings.first() else { return Ok(()) };
    let beyond_median = beyond_median(*coarsest, picture, counts)?;
    for ((ln_bytes, quality), beyond) in ln_bytes.iter_mut().zip(QUALITIES).zip(beyond_median) {
        let quality = quality.min(counts.ceiling);
        let coding =
            codings.iter().find(|coding| quality <= coding.best_quality()).or(codings.last()).unwrap_or(coarsest);
        let scale = coding.scale();
        let median = scale.ln_bytes(picture.pixel_count(), scale.ln_step(quality));
        *ln_bytes = ln_bytes.min(((median + beyond).exp() + metadata_bytes as f64).ln());
    }
    Ok(())
}

/// How far `picture` is beyond the median of `coding` in ln(bytes), at each of [`QUALITIES`]; between those that are
/// counted interpolated.
fn beyond_median(
    coding: LossyCoding,
    picture: &Picture,
    counts: &Counts,
) -> Result<[f64; QUALITIES.len()], EncodeError> {
    let encoder = coding.encoder(picture, Effort::Balanced)?;
    let (finest, coarsest) = encoder.ln_step_range().into_inner();
    let beyond = |index: &usize| -> Result<f64, EncodeError> {
        let ln_step = coding.scale().ln_step(QUALITIES[*index].min(counts.ceiling).min(coding.best_quality()));
        let ln_step = Curve::nearest_point(ln_step).clamp(finest, coarsest);
        let probed = if counts.are_probed { encoder.probe(ln_step)? } else { None };
        let ln_bytes = probed.unwrap_or_else(|| encoder.predict(ln_step));
        Ok(ln_bytes - coding.scale().ln_bytes(picture.pixel_count(), ln_step))
    };
    let counted = counts.qualities;
    let beyond = counted.iter().map(beyond).collect::<Result<Vec<f64>, _>>()?;
    Ok(std::array::from_fn(|index| {
        let above = counted.partition_point(|counted| *counted < index).clamp(1, counted.len() - 1);
        let [low, high] = [above - 1, above].map(|at| QUALITIES[counted[at]]);
        let part = ((QUALITIES[index] - low) / (high - low)).clamp(0.0, 1.0);
        beyond[above - 1] + part * (beyond[above] - beyond[above - 1])
    }))
}
