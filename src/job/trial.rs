//! Trials: a sample of the picture, coded as the model expects the answer to be, and scored. The model is fitted to photographs.
//! Of drawings, text and screenshots it errs by tens of points, so their scale and format are tried: docs/model.md, Trials.

use std::time::Duration;

use crate::codec::EncodeError;
use crate::codec::lossy_coding::LossyCoding;
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

/// SSIMULACRA2 of a sample of the picture at `scale`, in the format of `whole`, at the `expected` quality. Returns `None` when
/// that quality is the coarsest, which may not be within the cap, and when there is no sample or no time.
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
    let Some(sample) = context.scoring.sample().filter(|_| !expected.is_at_coarsest) else { return Ok(None) };
    let effort = context.clock.effort(coding, &sample);
    if !context.clock.has_time(usual_time(coding.cost(effort), &sample)) {
        context.trace.cut_short = true;
        return Ok(None);
    }
    let side = |pixels: u32| ((f64::from(pixels) * scale).round() as u32).max(1);
    let smaller = transform::scale(&sample, side(sample.width()), side(sample.height()));
    let prepared = Prepared::new(whole.format, &smaller);
    let file = prepared.encoder(coding, effort, context.job.progressive).and_then(|encoder| {
        let range = encoder.ln_step_range();
        let ln_step = coding.scale().ln_step(expected.quality).clamp(*range.start(), *range.end());
        encoder.encode(encoder.snap(ln_step))
    });
    match file {
        Ok(file) => Ok(Some(context.scoring.score_of_sample(&file, whole.format)?)),
        Err(EncodeError::TooLarge { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Time that a trial usually takes, and an encode of the answer after it.
fn usual_time(encode_of_pixel: Duration, sample: &Picture) -> Duration {
    (encode_of_pixel + score::COST).mul_f64((sample.pixel_count() + SAMPLE_PIXELS) as f64)
}
