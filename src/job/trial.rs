//! Trials: a sample of the picture, coded as the model expects the answer to be, and scored. The model is fitted to photographs.
//! Of drawings, text and screenshots it errs by tens of points, so their scale and format are tried: docs/model.md, Trials.

use std::time::Duration;

use crate::codec::lossy_coding::LossyCoding;
use crate::codec::{EncodeError, Encoder};
use crate::picture::content::Content;
use crate::picture::{Picture, score, transform};
use crate::search::aim::Aim;

use super::at_size::ExpectedQuality;
use super::context::SearchContext;
use super::prepared::Prepared;
use super::scoring::SAMPLE_PIXELS;
use super::{Effort, JobError};

/// Whether the choices for the picture are tried. A photograph's are not: the model errs by .7 points there, and
/// trials by as much.
pub(super) fn is_wanted(context: &mut SearchContext, aim: &Aim) -> bool {
    let may_be_tried = context.job.effort != Effort::Fast && !aim.is_for_nearest && context.common.is_none();
    may_be_tried && !context.views.requested.has_alpha() && context.views.content() != Content::Photograph
}

/// SSIMULACRA2 of a sample of the picture at `scale`, in the format of `whole`, at the quality that the answer would have.
/// Returns `None` when no quality is within the cap there, and when there is no sample or no time.
///
/// # Errors
/// [`JobError::Encode`].
pub(super) fn score(
    context: &mut SearchContext,
    whole: &Prepared,
    scale: f64,
    expected: &ExpectedQuality,
) -> Result<Option<f64>, JobError> {
    let coding = LossyCoding::of(whole.format)[expected.coding_index];
    let Some(sample) = context.scoring.sample() else { return Ok(None) };
    let effort = context.clock.effort(coding, &sample);
    if !context.clock.has_time(usual_time(coding.cost(effort), &sample)) {
        context.trace.cut_short = true;
        return Ok(None);
    }
    let side = |pixels: u32| ((f64::from(pixels) * scale).round() as u32).max(1);
    let smaller = transform::scale(&sample, side(sample.width()), side(sample.height()));
    let prepared = Prepared::new(whole.format, &smaller);
    let encoder = prepared.encoder(coding, effort, context.job.progressive);
    match encoder.and_then(|encoder| file_of(&*encoder, coding, expected)) {
        Ok(Some(file)) => Ok(Some(context.scoring.score_of_sample(&file, whole.format)?)),
        Ok(None) | Err(EncodeError::TooLarge { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A file of the sample in `encoder`, at the quality at which the whole picture meets its cap. The model errs alike for both, so
/// that the size of a first file corrects the `expected` quality. Returns `None` when even the coarsest file would be too large.
fn file_of(
    encoder: &dyn Encoder,
    coding: LossyCoding,
    expected: &ExpectedQuality,
) -> Result<Option<Vec<u8>>, EncodeError> {
    let (scale, range) = (coding.scale(), encoder.ln_step_range());
    let at = |ln_step: f64| encoder.snap(ln_step.clamp(*range.start(), *range.end()));
    let first = at(scale.ln_step(expected.quality));
    let file = encoder.encode(first)?;
    let error_of_sample = (file.len() as f64).ln() - encoder.predict(first);
    let ln_excess = expected.ln_excess + error_of_sample * SHARED_ERROR;
    let ln_bits = scale.ln_bits_per_pixel(first) - ln_excess;
    if scale.ln_bits_per_pixel(*range.end()) > ln_bits {
        return Ok(None);
    }
    let corrected = at(scale.ln_step_for(BITS, ln_bits));
    if corrected == first { Ok(Some(file)) } else { encoder.encode(corrected).map(Some) }
}

/// The share of the model's error for a sample that it has for the whole picture, too.
const SHARED_ERROR: f64 = 0.5;

/// Pixels of which a bit each makes a byte.
const BITS: u64 = 8;

/// Time that a trial usually takes, and an encode of the answer after it.
pub(super) fn usual_time(encode_of_pixel: Duration, sample: &Picture) -> Duration {
    (encode_of_pixel + score::COST).mul_f64((sample.pixel_count() + SAMPLE_PIXELS) as f64)
}
