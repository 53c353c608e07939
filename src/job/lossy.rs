//! The best lossy file in one format: at full size, or made smaller where that looks better.

use crate::codec::Format;

use super::JobError;
use super::at_size::{aim, at_size, expected_quality};
use super::candidate::Candidate;
use super::context::SearchContext;
use super::downscale;
use super::format_rank::Expectation;
use super::scale_choice::{self, GainUse};
use super::scale_trials;

/// The best-looking file of `format` within `cap` bytes, given what is expected of the format if that is known already.
/// Returns `None` when no setting reaches the cap.
///
/// # Errors
/// [`JobError::Encode`], [`JobError::Cancelled`], [`JobError::DeadlineExceeded`] when there is no time to begin.
pub(super) fn candidate(
    context: &mut SearchContext,
    format: Format,
    cap: u64,
    expectation: Option<Expectation>,
) -> Result<Option<Candidate>, JobError> {
    let whole_aim = aim(context.job, cap);
    let whole = context.views.prepared(format);
    let chosen = if context.may_shrink {
        let expectation = expectation.map_or_else(|| scale_trials::expectation(context, &whole, &whole_aim), Ok)?;
        context.begin_at_scale(expectation.scale_index);
        let aim = aim(context.job, context.cap_at_scale(expectation.scale_index, cap));
        downscale::best_scale(context, &whole, &aim, expectation)
    } else {
        context.begin_at_scale(0);
        at_size(context, &whole, &whole_aim).map(|result| result.candidate)
    };
    // What is expected of other formats is not held to the common quality.
    context.ceiling = context.job.quality;
    Ok(chosen?.filter(|candidate| context.job.mode.can_be_met(context.job.target, candidate.len())))
}

/// What the model expects of `format` within `cap` bytes.
///
/// # Errors
/// [`JobError::Encode`].
pub(super) fn expectation(
    context: &mut SearchContext,
    format: Format,
    cap: u64,
    gain_use: GainUse,
) -> Result<Expectation, JobError> {
    if !context.may_shrink {
        return Ok(Expectation::of_whole(quality_of_whole(context, format, cap)?));
    }
    let aim = aim(context.job, cap);
    let whole = context.views.prepared(format);
    scale_choice::expectation(context, &whole, &aim, gain_use)
}

/// The quality that the model expects of the whole picture within `cap` bytes.
///
/// # Errors
/// [`JobError::Encode`].
pub(super) fn quality_of_whole(context: &mut SearchContext, format: Format, cap: u64) -> Result<f64, JobError> {
    let aim = aim(context.job, cap);
    let whole = context.views.prepared(format);
    Ok(expected_quality(context, &whole, &aim)?.quality)
}

/// `expectation`, which is of `format` within `cap` bytes, with the score of a trial where trials are wanted. Another
/// format may have the score `to_beat`.
///
/// # Errors
/// [`JobError::Encode`].
pub(super) fn with_trial(
    context: &mut SearchContext,
    format: Format,
    cap: u64,
    expectation: Expectation,
    to_beat: Option<f64>,
) -> Result<Expectation, JobError> {
    let aim = aim(context.job, cap);
    let whole = context.views.prepared(format);
    scale_trials::with_trial(context, &whole, &aim, expectation, to_beat)
}
