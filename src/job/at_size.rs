//! The search in one format at one size: where the model expects it to end, and where it ends.

use crate::codec::lossy_coding::{LossyCoding, SearchWindow};
use crate::search::aim::Aim;
use crate::search::encoder::SearchedEncoder;
use crate::search::secant;
use crate::stop::StopReason;

use super::candidate::Candidate;
use super::context::SearchContext;
use super::prepared::Prepared;
use super::search_adapter::{NearestEncode, SearchAdapter};
use super::{Effort, Job, JobError, Mode};

/// Where a search at one size ended.
pub(super) struct SizeResult {
    /// The best file within the cap. `None` when no setting reaches it.
    pub candidate: Option<Candidate>,
    /// Whether the candidate is of the finest setting: more bytes would not help at this size.
    pub is_at_finest: bool,
    /// The encode nearest to the cap. `None` when the search ended early, so that nothing follows from it.
    pub nearest: Option<NearestEncode>,
}

/// The best file of the picture in `prepared`, at the size that it has.
///
/// # Errors
/// [`JobError::Encode`], [`JobError::Cancelled`], [`JobError::DeadlineExceeded`] when there is no time to begin.
pub(super) fn at_size(context: &mut SearchContext, prepared: &Prepared, aim: &Aim) -> Result<SizeResult, JobError> {
    let mut result = SizeResult { candidate: None, is_at_finest: false, nearest: None };
    let ceiling = context.ceiling;
    let first = expected_quality(context, prepared, aim)?.coding_index;
    for coding in &LossyCoding::of(prepared.format)[first..] {
        if result.candidate.is_none() {
            context.clock.check_time_for_first(*coding, prepared.picture)?;
        }
        let mut adapter = SearchAdapter::new(context, *coding, prepared)?;
        let usual = adapter.with_window(aim);
        let is_rushed = !aim.is_for_nearest && adapter.context.clock.must_fit_at_once(*coding, prepared.picture);
        let aim = &if is_rushed { usual.at_once() } else { usual };
        let found = secant::search(&mut adapter, aim)?;
        if found.stopped == Some(StopReason::Cancelled) {
            return Err(JobError::Cancelled);
        }
        let bytes_left = found.best.as_ref().is_some_and(|best| (best.bytes.len() as u64) < aim.good_enough);
        let finer_may_do_better = found.at_finest && bytes_left && ceiling > coding.best_quality();
        let stopped = found.stopped.is_some();
        // With more time the answer might have been a better one.
        if stopped || (is_rushed && found.best.is_some() && !found.at_finest) {
            adapter.context.trace.cut_short = true;
        }
        result.is_at_finest = found.at_finest;
        result.nearest = adapter.nearest(&found, aim).or(result.nearest).filter(|_| !stopped);
        result.candidate = adapter.candidate(found).or(result.candidate);
        if !finer_may_do_better || stopped {
            break;
        }
    }
    Ok(result)
}

/// Where the model expects a search to end.
pub(super) struct ExpectedQuality {
    /// Index among the format's codings of the first that is not expected to end with bytes to spare.
    coding_index: usize,
    pub quality: f64,
    /// Whether the job's quality ceiling ends the search, with bytes to spare.
    pub is_at_ceiling: bool,
}

/// The quality that the model expects of the picture in `prepared` within `aim`, without an encode.
///
/// # Errors
/// [`JobError::Encode`].
pub(super) fn expected_quality(
    context: &mut SearchContext,
    prepared: &Prepared,
    aim: &Aim,
) -> Result<ExpectedQuality, JobError> {
    let codings = LossyCoding::of(prepared.format);
    let mut coding_index = 0;
    loop {
        let coding = codings[coding_index];
        let mut adapter = SearchAdapter::new(context, coding, prepared)?;
        let aim = adapter.with_window(aim);
        let ln_step = secant::predicted_step(&mut adapter, &aim);
        let is_at_finest = ln_step <= *adapter.range().start();
        let may_go_on = coding_index + 1 < codings.len() && adapter.context.ceiling > coding.best_quality();
        if !(is_at_finest && may_go_on) {
            let is_at_ceiling = is_at_finest && adapter.is_cut_at_ceiling();
            return Ok(ExpectedQuality { coding_index, quality: coding.scale().quality(ln_step), is_at_ceiling });
        }
        coding_index += 1;
    }
}

/// The window of a search that is to end after one correction: a little lower than usual, so that the correction is seldom
/// over the cap.
const FAST: SearchWindow = SearchWindow { good_enough: 0.94, position: 0.5 };

/// Share of the cap that the correction may leave beyond that.
const FAST_LOSS: f64 = 0.09;

/// What a search within `cap` bytes aims at.
pub(super) fn aim(job: &Job, cap: u64) -> Aim {
    let below = Aim::below(cap);
    match (job.mode, job.effort) {
        (Mode::Close { tolerance }, _) => Aim::around(job.target, tolerance),
        (_, Effort::Fast) => Aim { loss_per_encode: FAST_LOSS, ..below.within(FAST.good_enough, FAST.position) },
        (_, Effort::Balanced) => below,
        (_, Effort::Best) => Aim { loss_per_encode: 0.0, ..below },
    }
}
