//! Makes the picture smaller when the target is too low for a decent quality at full size. Always scales the original
//! pixels.

use crate::codec::lossy_coding::LossyCoding;
use crate::codec::model::SmallerModel;
use crate::search::aim::Aim;

use super::at_size::{SizeResult, at_size};
use super::candidate::Candidate;
use super::context::SearchContext;
use super::format_rank::Expectation;
use super::prepared::Prepared;
use super::scale_choice::{BYTES_BY_SIDE, best_from, growth, index_for, scales};
use super::views::size_at;
use super::{Effort, JobError, scale_gain};

/// The quality that the next scale is chosen for when nothing reached the cap at a scale.
const WANTED_QUALITY: f64 = 45.0;

/// The quality from which on the scale of an answer is not changed because it is lower than expected.
const ACCEPTED_QUALITY: f64 = 45.0;

/// The most sizes that are encoded.
const MAX_SIZES: usize = 4;

/// Share of the cap below which a file of the finest setting leaves bytes that a larger picture may use.
const FILLED: f64 = 0.9;

/// A file that fits, and what is known of larger pictures.
struct Fitted {
    /// Index of its scale.
    index: usize,
    file: Candidate,
    /// Whether there is no finer setting.
    is_at_finest: bool,
    /// The quality that the model expected of it.
    expected_quality: f64,
    /// Index of the largest scale that is not known to be too large.
    largest: usize,
    /// Number of sizes encoded so far.
    sizes: usize,
}

/// The best-looking file of `whole` at any scale; tries the one in its `expectation` first. Returns `None` when no
/// setting reaches the cap at any.
///
/// # Errors
/// As [`at_size`].
pub(super) fn best_scale(
    context: &mut SearchContext,
    whole: &Prepared,
    aim: &Aim,
    expectation: Expectation,
) -> Result<Option<Candidate>, JobError> {
    let scales = scales(context.job, whole.picture);
    let Some(fitted) = first_fitting(context, whole, aim, &scales, expectation.scale_index)? else { return Ok(None) };
    let fitted = smaller_after_all(context, whole, aim, &scales, fitted)?;
    Ok(Some(fill_with_pixels(context, whole, aim, &scales, fitted)?.file))
}

/// The file at the scale at `index`, or at the first smaller one where it fits.
fn first_fitting(
    context: &mut SearchContext,
    whole: &Prepared,
    aim: &Aim,
    scales: &[f64],
    mut index: usize,
) -> Result<Option<Fitted>, JobError> {
    let mut largest = 0;
    for sizes in 1.. {
        let result = at_scale(context, whole, scales[index], aim)?;
        if let Some(file) = result.candidate {
            let SizeResult { is_at_finest, expected_quality, .. } = result;
            return Ok(Some(Fitted { index, file, is_at_finest, expected_quality, largest, sizes }));
        }
        let Some(nearest) = result.nearest else { break };
        if index + 1 == scales.len() || context.clock.stop_reason().is_some() {
            break;
        }
        largest = index + 1;
        // The model erred: the size of the nearest encode corrects it. The last try is the smallest scale.
        let coding = &LossyCoding::of(whole.format)[0];
        let by_model = index_for(
            scales,
            scales[index] * growth(coding, aim, (nearest.bytes as f64, nearest.quality), WANTED_QUALITY),
        );
        // Drawings look best where they just fit.
        let is_drawn = context.views.content().is_drawn();
        index = match sizes {
            1 if is_drawn => index + 1,
            _ if sizes + 1 < MAX_SIZES => by_model.max(index + 1),
            _ => scales.len() - 1,
        };
    }
    Ok(None)
}

/// `fitted`, or a smaller picture where its quality is too low.
fn smaller_after_all(
    context: &mut SearchContext,
    whole: &Prepared,
    aim: &Aim,
    scales: &[f64],
    mut fitted: Fitted,
) -> Result<Fitted, JobError> {
    let may_try = !aim.is_for_nearest && context.job.effort != Effort::Fast;
    while may_try && fitted.sizes < MAX_SIZES && context.clock.stop_reason().is_none() {
        let Some((index, least)) = smaller(context, whole, aim, scales, &fitted)? else { break };
        let Some(result) = at_scale_in_time(context, whole, scales[index], aim)? else { break };
        fitted.sizes += 1;
        let Some(file) = result.candidate.filter(|file| file.kind.quality() > Some(least)) else { break };
        let SizeResult { is_at_finest, expected_quality, .. } = result;
        fitted = Fitted { index, file, is_at_finest, expected_quality, ..fitted };
    }
    Ok(fitted)
}

/// The index of a smaller scale that is worth a try, and the quality that it must exceed there. `None` when the quality
/// of `fitted` is as good as can be expected.
///
/// # Errors
/// [`JobError::Encode`].
fn smaller(
    context: &mut SearchContext,
    whole: &Prepared,
    aim: &Aim,
    scales: &[f64],
    fitted: &Fitted,
) -> Result<Option<(usize, f64)>, JobError> {
    let quality = fitted.file.kind.quality().unwrap_or(f64::INFINITY);
    if let Some(SmallerModel { below, worth }) = scale_gain::smaller(whole.format, whole.picture.has_alpha()) {
        // How a drawing looks hardly depends on the number of its colours.
        if context.views.content().is_drawn() {
            return Ok(None);
        }
        // The last scale is no simple ratio.
        let next = Some(fitted.index + 1).filter(|next| quality < below && next + 1 < scales.len());
        return Ok(next.map(|next| (next, quality + worth)));
    }
    // Smooth pictures take more bytes than the model expects at low rates.
    if quality > ACCEPTED_QUALITY.min(fitted.expected_quality - SHORTFALL) {
        return Ok(None);
    }
    let index = best_from(context, whole, aim, scales, (fitted.index, quality), &[])?.scale_index;
    Ok((index != fitted.index).then_some((index, quality)))
}

/// Points of quality below what the model expected from which on another scale is considered. A gradient to 7,000 to
/// 10,000 bytes of WebP misses by 40 to 70: docs/model.md, Scale gain.
const SHORTFALL: f64 = 12.0;

/// `fitted`, or a larger picture that uses the bytes that it leaves.
fn fill_with_pixels(
    context: &mut SearchContext,
    whole: &Prepared,
    aim: &Aim,
    scales: &[f64],
    mut fitted: Fitted,
) -> Result<Fitted, JobError> {
    while may_be_larger(aim, &fitted) && context.clock.stop_reason().is_none() {
        let wanted = index_for(scales, scales[fitted.index] * growth_to_fill(aim, &fitted));
        let index = wanted.clamp(fitted.largest, fitted.index - 1);
        let Some(result) = at_scale_in_time(context, whole, scales[index], aim)? else { break };
        fitted.sizes += 1;
        match result.candidate {
            Some(file) if is_better(whole, aim, &fitted, &file) => {
                fitted = Fitted { index, file, is_at_finest: result.is_at_finest, ..fitted };
            }
            _ => fitted.largest = index + 1,
        }
    }
    Ok(fitted)
}

/// Whether a larger picture than `fitted` is worth a try: the finest setting leaves bytes.
fn may_be_larger(aim: &Aim, fitted: &Fitted) -> bool {
    let leaves_bytes = fitted.is_at_finest && (fitted.file.len() as f64) < FILLED * aim.best as f64;
    leaves_bytes && fitted.index > fitted.largest && fitted.sizes < MAX_SIZES
}

/// The factor for the scale at which the same quality takes all the bytes that the cap allows.
fn growth_to_fill(aim: &Aim, fitted: &Fitted) -> f64 {
    (aim.best as f64 / fitted.file.len() as f64).powf(1.0 / BYTES_BY_SIDE)
}

/// Whether `larger` is preferred to `fitted`: because it is nearer to the target, or because its quality is hardly
/// lower.
fn is_better(whole: &Prepared, aim: &Aim, fitted: &Fitted, larger: &Candidate) -> bool {
    if aim.is_for_nearest {
        return larger.len().abs_diff(aim.best) < fitted.file.len().abs_diff(aim.best);
    }
    let [quality, of_larger] = [&fitted.file, larger].map(|file| file.kind.quality().unwrap_or(f64::INFINITY));
    // Going larger gives up no more than going smaller had to gain.
    let model = scale_gain::smaller(whole.format, whole.picture.has_alpha());
    of_larger >= quality - model.map_or(WORTH_OF_PIXELS, |model| model.worth.min(WORTH_OF_PIXELS))
}

/// Quality that a step to a larger scale is worth: of seven Kodak pictures as PNG all gain where 81 becomes 74 or more,
/// 1 to 14 points of SSIMULACRA2, and half of them lose where it becomes less.
const WORTH_OF_PIXELS: f64 = 7.0;

fn at_scale(context: &mut SearchContext, whole: &Prepared, scale: f64, aim: &Aim) -> Result<SizeResult, JobError> {
    if scale == 1.0 {
        return at_size(context, whole, aim);
    }
    let picture = context.views.scaled(whole.picture, size_at(whole.picture, scale));
    at_size(context, &Prepared::new(whole.format, &picture), aim)
}

/// As [`at_scale`], where there is an answer already. Returns `None` when there is no time to begin.
fn at_scale_in_time(
    context: &mut SearchContext,
    whole: &Prepared,
    scale: f64,
    aim: &Aim,
) -> Result<Option<SizeResult>, JobError> {
    match at_scale(context, whole, scale, aim) {
        Err(JobError::DeadlineExceeded { .. }) => {
            context.log.cut_short = true;
            Ok(None)
        }
        result => result.map(Some),
    }
}
