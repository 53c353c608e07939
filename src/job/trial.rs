//! Trials: a sample of the picture, coded as the model expects the answer to be, and scored. The model is fitted to
//! photographs. Of drawings, text and screenshots it errs by tens of points, so their scale and format are tried:
//! docs/model.md, Trials.

use std::rc::Rc;
use std::time::Duration;

use crate::codec::lossy_coding::LossyCoding;
use crate::codec::{EncodeError, Encoder};
use crate::picture::content::Content;
use crate::picture::{Picture, score, transform};
use crate::search::aim::Aim;
use crate::search::encoder::at_or_above;

use super::at_size::{ExpectedQuality, expected_quality};
use super::context::SearchContext;
use super::prepared::Prepared;
use super::scoring::SAMPLE_PIXELS;
use super::views::size_at;
use super::{Effort, JobError};

/// Whether scale and format are tried. A photograph's scale is not: the model errs by .7 points there, and trials by as
/// much.
pub(super) fn is_wanted(context: &mut SearchContext, aim: &Aim) -> bool {
    if !is_allowed(context, aim) {
        return false;
    }
    match context.views.content() {
        Content::Text | Content::Drawing => true,
        Content::Smooth => !context.views.requested.has_alpha(),
        Content::Photograph => false,
    }
}

/// The same for one format: what it makes of `whole` without its alpha is not compared.
pub(super) fn is_wanted_of(context: &mut SearchContext, whole: &Prepared, aim: &Aim) -> bool {
    let loses_alpha = context.views.requested.has_alpha() && !whole.picture.has_alpha();
    !loses_alpha && is_wanted(context, aim)
}

/// Whether the job leaves time for trials, and a choice that they may decide.
pub(super) fn is_allowed(context: &SearchContext, aim: &Aim) -> bool {
    context.job.effort != Effort::Fast && !aim.is_for_nearest && context.common.is_none()
}

/// SSIMULACRA2 of a sample of the picture at `scale`, in the format of `seen`, at the quality that the answer would
/// have. `seen` is the whole picture or a part of it, at that scale, and `aim` is for that. Returns `None` when no
/// quality is within the cap there, and when there is no sample or no time.
///
/// # Errors
/// [`JobError::Encode`].
pub(super) fn score(
    context: &mut SearchContext,
    seen: &Prepared,
    scale: f64,
    aim: &Aim,
) -> Result<Option<f64>, JobError> {
    let content = context.views.content();
    let Some(sample) = context.scoring.sample(content) else { return Ok(None) };
    let coding = LossyCoding::of(seen.format)[0];
    let encode_of_pixel = coding.cost(context.clock.effort(coding, &sample));
    let probes = encode_of_pixel.mul_f64(seen.picture.pixel_count() as f64 * PROBED);
    if !context.clock.has_time(probes + usual_time(encode_of_pixel, &sample)) {
        context.log.cut_short = true;
        return Ok(None);
    }
    let (width, height) = size_at(&sample, scale);
    let smaller = transform::scale(&sample, width, height);
    let prepared = Prepared::new(seen.format, &smaller);
    match file(context, seen, aim, &prepared) {
        Ok(Some(file)) => Ok(Some(context.scoring.score_of_sample(&file, seen.format)?)),
        Ok(None) | Err(JobError::Encode(EncodeError::TooLarge { .. })) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Encodes of what is seen that its probes usually take together.
const PROBED: f64 = 0.5;

/// A file of `sample`, at the quality at which `seen` meets `aim`. Returns `None` when even the coarsest file of that
/// would be too large.
///
/// # Errors
/// [`JobError::Encode`].
fn file(
    context: &mut SearchContext,
    seen: &Prepared,
    aim: &Aim,
    sample: &Prepared,
) -> Result<Option<Vec<u8>>, JobError> {
    let mut expected = expected_quality(context, seen, aim)?;
    for probes in 1.. {
        let Some(ln_error) = error_of_probe(context, seen, &expected)? else {
            return file_beside(context, sample, &expected);
        };
        let before = expected.quality;
        expected = expected_quality(context, seen, &aim.for_share((-ln_error).exp()))?;
        if probes == MAX_PROBES || (expected.quality - before).abs() < NEAR {
            break;
        }
    }
    if expected.ln_excess > 0.0 {
        return Ok(None);
    }
    let (encoder, ln_step) = encoder_and_step(context, sample, &expected, expected.quality)?;
    let coarsest = *encoder.ln_step_range().end();
    let within_cap = at_or_above(ln_step, |ln_step| encoder.snap(ln_step.min(coarsest)));
    let file = encoder.encode(within_cap)?;
    // Of a small picture the sample is all: then its file is as large as the answer would be.
    let is_all = sample.picture.pixel_count() == seen.picture.pixel_count();
    let ln_excess = (file.len() as f64 / aim.cap as f64).ln();
    if !is_all || ln_excess <= 0.0 {
        return Ok(Some(file));
    }
    let scale = LossyCoding::of(sample.format)[expected.coding_index].scale();
    let ln_bits = scale.ln_bits_per_pixel(within_cap) - ln_excess;
    let coarser = within_range(&*encoder, scale.ln_step_for(BITS, ln_bits));
    let coarser = at_or_above(coarser, |ln_step| encoder.snap(ln_step.min(coarsest)));
    if coarser <= within_cap {
        return Ok(None);
    }
    Ok(Some(encoder.encode(coarser)?))
}

/// The most probes of a picture. The model errs by up to a factor of three on drawings at low qualities, and less at
/// the next quality.
const MAX_PROBES: u32 = 3;

/// Points of quality between two expectations below which the second is not probed.
const NEAR: f64 = 5.0;

/// ln of the bytes that files of `seen` have over those that the model expects, by a probe. Returns `None` where there
/// is none.
///
/// # Errors
/// [`JobError::Encode`].
fn error_of_probe(
    context: &SearchContext,
    seen: &Prepared,
    expected: &ExpectedQuality,
) -> Result<Option<f64>, JobError> {
    let coding = LossyCoding::of(seen.format)[expected.coding_index];
    let Some(least) = coding.least_probed_quality() else { return Ok(None) };
    let (encoder, ln_step) = encoder_and_step(context, seen, expected, expected.quality.max(least))?;
    let at = encoder.snap(ln_step);
    Ok(encoder.probe(at)?.map(|ln_bytes| ln_bytes - encoder.predict(at)))
}

/// A file of `sample` where there is no probe: the model errs alike for both, so that the size of a first file corrects
/// the `expected` quality. Returns `None` when even the coarsest file would be too large.
///
/// # Errors
/// [`JobError::Encode`].
fn file_beside(
    context: &SearchContext,
    sample: &Prepared,
    expected: &ExpectedQuality,
) -> Result<Option<Vec<u8>>, JobError> {
    let (encoder, ln_step) = encoder_and_step(context, sample, expected, expected.quality)?;
    let first = encoder.snap(ln_step);
    let file = encoder.encode(first)?;
    let error_of_sample = (file.len() as f64).ln() - encoder.predict(first);
    let ln_excess = expected.ln_excess + error_of_sample * SHARED_ERROR;
    let scale = LossyCoding::of(sample.format)[expected.coding_index].scale();
    let ln_bits = scale.ln_bits_per_pixel(first) - ln_excess;
    if scale.ln_bits_per_pixel(*encoder.ln_step_range().end()) > ln_bits {
        return Ok(None);
    }
    let corrected = encoder.snap(within_range(&*encoder, scale.ln_step_for(BITS, ln_bits)));
    Ok(Some(if corrected == first { file } else { encoder.encode(corrected)? }))
}

/// The share of the model's error for a sample that it has for the whole picture, too.
const SHARED_ERROR: f64 = 0.5;

/// Pixels of which a bit each makes a byte.
const BITS: u64 = 8;

/// The encoder of `prepared` for the coding that is `expected`, and the step of `quality`, which is no state of it.
///
/// # Errors
/// [`EncodeError::TooLarge`].
fn encoder_and_step<'a>(
    context: &SearchContext,
    prepared: &Prepared<'a>,
    expected: &ExpectedQuality,
    quality: f64,
) -> Result<(Rc<dyn Encoder + 'a>, f64), EncodeError> {
    let coding = LossyCoding::of(prepared.format)[expected.coding_index];
    let effort = context.clock.effort(coding, prepared.picture);
    let encoder = prepared.encoder(coding, effort, context.job.progressive)?;
    let ln_step = within_range(&*encoder, coding.scale().ln_step(quality));
    Ok((encoder, ln_step))
}

fn within_range(encoder: &dyn Encoder, ln_step: f64) -> f64 {
    let range = encoder.ln_step_range();
    ln_step.clamp(*range.start(), *range.end())
}

/// Time that a trial usually takes, and once more that of the largest sample: something has to be left after it.
pub(super) fn usual_time(encode_of_pixel: Duration, sample: &Picture) -> Duration {
    (encode_of_pixel + score::COST).mul_f64((sample.pixel_count() + SAMPLE_PIXELS) as f64)
}
