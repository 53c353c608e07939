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
    /// The quality that the model expected.
    pub expected_quality: f64,
}

/// The best file of the picture in `prepared`, at the size that it has.
///
/// # Errors
/// [`JobError::Encode`], [`JobError::Cancelled`], [`JobError::DeadlineExceeded`] when there is no time to begin.
pub(super) fn at_size(context: &mut SearchContext, prepared: &Prepared, aim: &Aim) -> Result<SizeResult, JobError> {
    let mut expected = expected_quality(context, prepared, aim)?;
    let expected_quality = expected.quality;
    let mut result = SizeResult { candidate: None, is_at_finest: false, nearest: None, expected_quality };
    loop {
        let coding = LossyCoding::of(prepared.format)[expected.coding_index];
        if result.candidate.is_none() {
            context.clock.check_time_for_first(coding, prepared.picture)?;
        }
        let mut adapter = SearchAdapter::new(context, coding, prepared)?;
        let usual = adapter.with_window(aim);
        let is_rushed = !aim.is_for_nearest && adapter.context.clock.must_fit_at_once(coding, prepared.picture);
        let window = &if is_rushed { usual.at_once() } else { usual };
        let found = secant::search(&mut adapter, window)?;
        if found.stopped == Some(StopReason::Cancelled) {
            return Err(JobError::Cancelled);
        }
        let bytes_left = found.best.as_ref().is_some_and(|best| (best.bytes.len() as u64) < window.good_enough);
        let may_be_finer = found.at_finest && bytes_left;
        let stopped = found.stopped.is_some();
        // With more time the answer might have been a better one.
        if stopped || (is_rushed && found.best.is_some() && !found.at_finest) {
            adapter.context.log.cut_short = true;
        }
        result.is_at_finest = found.at_finest;
        result.nearest = adapter.nearest(&found, window).or(result.nearest).filter(|_| !stopped);
        // A prediction may count all coefficients.
        let finest = found.best.as_ref().filter(|_| may_be_finer);
        let error = finest.map_or(1.0, |finest| finest.bytes.len() as f64 / adapter.predict(finest.x).exp());
        result.candidate = better(aim, adapter.candidate(found), result.candidate);
        if stopped || !may_be_finer {
            return Ok(result);
        }
        // The model errs alike for the next coding.
        match finer(context, prepared, &aim.for_share(1.0 / error), &expected)? {
            Some(finer) => expected = finer,
            None => return Ok(result),
        }
    }
}

/// The better of two files of a size, of which `finer` is of the finer coding.
fn better(aim: &Aim, finer: Option<Candidate>, coarser: Option<Candidate>) -> Option<Candidate> {
    let (Some(of_finer), Some(of_coarser)) = (&finer, &coarser) else { return finer.or(coarser) };
    let is_finer_better = match aim.is_for_nearest {
        true => of_finer.len().abs_diff(aim.best) <= of_coarser.len().abs_diff(aim.best),
        false => of_finer.kind.quality() >= of_coarser.kind.quality(),
    };
    if is_finer_better { finer } else { coarser }
}

/// Where the model expects a search to end.
pub(super) struct ExpectedQuality {
    /// Index among the format's codings.
    pub coding_index: usize,
    pub quality: f64,
    /// Whether it is that of the finest state.
    is_at_finest: bool,
    /// ln of the bytes that the model expects there over those aimed at: above 0 at the coarsest state, below at the
    /// finest.
    pub ln_excess: f64,
    /// Whether the job's quality ceiling ends the search, with bytes to spare.
    pub is_at_ceiling: bool,
}

/// The quality that the model expects of the picture in `prepared` within `aim`, without an encode: that of the first
/// coding that is not expected to end with bytes to spare, or of one before if that looks better.
///
/// # Errors
/// [`JobError::Encode`].
pub(super) fn expected_quality(
    context: &mut SearchContext,
    prepared: &Prepared,
    aim: &Aim,
) -> Result<ExpectedQuality, JobError> {
    let mut expected = expected_of(context, prepared, aim, 0)?;
    while expected.is_at_finest
        && let Some(finer) = finer(context, prepared, aim, &expected)?
    {
        expected = finer;
    }
    Ok(expected)
}

/// What the model expects of the coding after that of `coarser`, whose finest state leaves bytes. Returns `None` when
/// there is none, and when it looks worse: what 4:4:4 takes for its colours may leave it coarser than 4:2:0 at its
/// finest.
fn finer(
    context: &mut SearchContext,
    prepared: &Prepared,
    aim: &Aim,
    coarser: &ExpectedQuality,
) -> Result<Option<ExpectedQuality>, JobError> {
    let codings = LossyCoding::of(prepared.format);
    let best = codings[coarser.coding_index].best_quality();
    let index = coarser.coding_index + 1;
    if index == codings.len() || context.ceiling <= best {
        return Ok(None);
    }
    let finer = expected_of(context, prepared, aim, index)?;
    Ok(Some(finer).filter(|finer| aim.is_for_nearest || finer.quality >= best))
}

/// What the model expects of the coding at `coding_index`.
fn expected_of(
    context: &mut SearchContext,
    prepared: &Prepared,
    aim: &Aim,
    coding_index: usize,
) -> Result<ExpectedQuality, JobError> {
    let coding = LossyCoding::of(prepared.format)[coding_index];
    let mut adapter = SearchAdapter::new(context, coding, prepared)?;
    let aim = adapter.with_window(aim);
    let ln_step = secant::predicted_step(&mut adapter, &aim);
    let is_at_finest = ln_step <= *adapter.range().start();
    let is_at_coarsest = ln_step >= *adapter.range().end();
    let ln_excess = if is_at_finest || is_at_coarsest { adapter.predict(ln_step) - aim.ln_goal(0) } else { 0.0 };
    let is_at_ceiling = is_at_finest && adapter.is_cut_at_ceiling();
    let quality = coding.scale().quality(ln_step);
    Ok(ExpectedQuality { coding_index, quality, is_at_finest, ln_excess, is_at_ceiling })
}

/// The window of a search that is to end after one correction: a little lower than usual, so that the correction is
/// seldom over the cap.
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
