//! The choice of the answer's format.

use crate::codec::{EncodeError, Format, container};
use crate::picture::content::Content;

use super::at_size::aim;
use super::candidate::Candidate;
use super::context::SearchContext;
use super::few_colours::FewColours;
use super::ranking::{RankedFormat, ranked, trial_score};
use super::{Effort, Job, JobError, Mode, few_colours, lossless, lossy, scale_choice, smooth, trial};

/// The `allowed` formats whose files can have exactly the size that `job` asks for. Returns all of them when none would
/// be left, or none that keeps the alpha channel of a picture that has one.
pub(super) fn suitable(job: &Job, allowed: &[Format], has_alpha: bool) -> Vec<Format> {
    let can_match = |format: &Format| job.mode != Mode::Exact || container::can_have_size(*format, job.target);
    let suitable: Vec<Format> = allowed.iter().copied().filter(can_match).collect();
    if suitable.iter().any(|format| format.keeps_alpha() || !has_alpha) { suitable } else { allowed.to_vec() }
}

/// The best-looking candidate of at most `cap` bytes in one of the `allowed` formats. Tries the [`suitable`] ones
/// first.
///
/// # Errors
/// [`JobError::TargetUnreachable`], [`JobError::ScoreUnreachable`], [`JobError::DeadlineExceeded`],
/// [`JobError::Cancelled`], [`JobError::Encode`].
pub(super) fn best(context: &mut SearchContext, allowed: &[Format], cap: u64) -> Result<Candidate, JobError> {
    let suitable = suitable(context.job, allowed, context.views.requested.has_alpha());
    match best_among(context, &suitable, cap) {
        Err(JobError::TargetUnreachable { .. } | JobError::Encode(EncodeError::TooLarge { .. }))
            if suitable.len() < allowed.len() =>
        {
            best_among(context, allowed, cap)
        }
        found => found,
    }
}

/// The best-looking candidate in one of the `allowed` formats, suitable or not.
///
/// # Errors
/// As [`best`].
fn best_among(context: &mut SearchContext, allowed: &[Format], cap: u64) -> Result<Candidate, JobError> {
    if lossless::comes_first(context.job)
        && let Some(candidate) = lossless::candidate(context, allowed, cap)?
    {
        return Ok(candidate);
    }
    if let Some(mut candidate) = smooth::candidate(context, allowed, cap)? {
        if context.job.min_score.is_some() {
            candidate.score = Some(context.scoring.score(&candidate)?);
        }
        if meets_score(context.job, &candidate) {
            return Ok(candidate);
        }
    }
    best_lossy(context, allowed, cap).or_else(|refusal| lossless_instead(context, allowed, cap, refusal))
}

/// A lossless candidate of at most `cap` bytes after the lossy search ended with `refusal`. When there is none the
/// error names the smallest file of both kinds.
///
/// # Errors
/// As [`best`].
fn lossless_instead(
    context: &mut SearchContext,
    allowed: &[Format],
    cap: u64,
    refusal: JobError,
) -> Result<Candidate, JobError> {
    let largest_of_interest = match &refusal {
        JobError::TargetUnreachable { smallest, .. } => cap.max(smallest.bytes),
        JobError::ScoreUnreachable { .. } => cap,
        _ => return Err(refusal),
    };
    let found = lossless::candidate(context, allowed, largest_of_interest)?.filter(|candidate| candidate.len() <= cap);
    match (found, refusal) {
        (Some(candidate), _) => Ok(candidate),
        (None, JobError::TargetUnreachable { .. }) => Err(context.unreachable()),
        (None, refusal) => Err(refusal),
    }
}

/// The best-looking lossy candidate of at most `cap` bytes in one of the `allowed` formats.
///
/// # Errors
/// As [`best`].
fn best_lossy(context: &mut SearchContext, allowed: &[Format], cap: u64) -> Result<Candidate, JobError> {
    let mut refusals = Refusals::default();
    let is_best_effort = context.job.effort == Effort::Best;
    let mut ranked = ranked(context, allowed, context.planned_cap(cap))?;
    let mut best = in_few_colours(context, allowed, &mut ranked, cap)?;
    // Best effort compares it with other formats, where there is time for that.
    let is_compared = is_best_effort && !context.log.cut_short;
    if let Some(candidate) = best.take_if(|best| !is_compared && meets_score(context.job, best)) {
        return Ok(candidate);
    }
    let best_looking = ranked.first().copied();
    let formats = in_time_first(context, ranked);
    let is_chosen_by_time = formats.first().copied() != best_looking;
    for expected in formats {
        if best.is_some() && context.clock.stop_reason().is_some() {
            context.log.cut_short = true;
            break;
        }
        let Some(mut candidate) = in_format(context, expected, cap, &mut refusals)? else { continue };
        if is_chosen_by_time {
            context.log.cut_short = true;
        }
        add_wanted_score(context, &mut candidate)?;
        let better = best.as_ref().is_none_or(|best| candidate.score > best.score);
        if better {
            best = Some(candidate);
        }
        context.clock.has_answer = best.as_ref().is_some_and(|best| meets_score(context.job, best));
        let good_enough = !is_best_effort && context.clock.has_answer;
        if good_enough || context.log.cut_short {
            break;
        }
    }
    match (best, refusals.too_late.or(refusals.too_large)) {
        (Some(candidate), _) => accept(context.job, candidate),
        (None, Some(refusal)) if context.log.smallest().is_none() => Err(refusal),
        (None, _) => Err(context.unreachable()),
    }
}

/// A file in few colours, where that is expected to look better than a lossy one in one of the `ranked` formats. Where
/// there is none, PNG may come first of these.
///
/// # Errors
/// [`JobError::Encode`].
fn in_few_colours(
    context: &mut SearchContext,
    allowed: &[Format],
    ranked: &mut [RankedFormat],
    cap: u64,
) -> Result<Option<Candidate>, JobError> {
    if context.views.requested.has_alpha() {
        if trial::is_wanted(context, &aim(context.job, cap)) {
            let lossy = expected_score(context, ranked, cap)?;
            palette_first(context, ranked, lossy.filter(|lossy| *lossy < EXCELLENT_BESIDE_ALPHA), cap)?;
        }
        return Ok(None);
    }
    let Some(lossless) = few_colours::format(context, allowed, cap, Content::Text) else { return Ok(None) };
    let lossy = expected_score(context, ranked, cap)?;
    let few = match few_colours::expectation(context, lossless, lossy, cap)? {
        Some(few) if lossy.is_none() => few_beside_palette(context, ranked, few, cap)?,
        few => few,
    };
    let few = few.map_or(Ok(None), |few| few_colours::candidate(context, few, cap))?;
    let Some(mut candidate) = few else {
        palette_first(context, ranked, lossy.filter(|lossy| *lossy < few_colours::GOOD_LOSSY), cap)?;
        return Ok(None);
    };
    add_wanted_score(context, &mut candidate)?;
    Ok(Some(candidate))
}

/// Scores `candidate` where the job asks for that, and where best effort compares it with other formats, if there is
/// time.
///
/// # Errors
/// [`JobError::Encode`].
fn add_wanted_score(context: &mut SearchContext, candidate: &mut Candidate) -> Result<(), JobError> {
    let is_best_effort = context.job.effort == Effort::Best;
    if context.job.min_score.is_some() || is_best_effort && context.clock.has_time(context.scoring.usual_time()) {
        candidate.score = Some(context.scoring.score(candidate)?);
    } else if is_best_effort {
        // Without a score it cannot be compared.
        context.log.cut_short = true;
    }
    Ok(())
}

/// What is left of `few` beside a trial of PNG, if that is one of the `ranked` formats.
///
/// # Errors
/// [`JobError::Encode`].
fn few_beside_palette(
    context: &mut SearchContext,
    ranked: &mut [RankedFormat],
    few: FewColours,
    cap: u64,
) -> Result<Option<FewColours>, JobError> {
    let Some(palette) = ranked.iter_mut().find(|ranked| !ranked.is_compared()) else { return Ok(Some(few)) };
    let score = trial_score(context, palette, cap, None)?;
    let scale_index = palette.expectation.map_or(0, |expectation| expectation.scale_index);
    let scales = scale_choice::scales(context.job, context.views.requested);
    Ok(few.worth_more_than(scales[scale_index], score))
}

/// Moves PNG to the front of `ranked` where a sample of it looks better than the `lossy` one.
///
/// # Errors
/// [`JobError::Encode`].
fn palette_first(
    context: &mut SearchContext,
    ranked: &mut [RankedFormat],
    lossy: Option<f64>,
    cap: u64,
) -> Result<(), JobError> {
    // PNG, whose files with a palette are compared with no other format.
    let palette = ranked.iter().position(|ranked| !ranked.is_compared());
    let (Some(index), Some(lossy)) = (palette, lossy) else { return Ok(()) };
    if trial_score(context, &mut ranked[index], cap, Some(lossy))? > Some(lossy) {
        ranked[..=index].rotate_right(1);
    }
    Ok(())
}

/// Score of a lossy sample of a drawing with alpha below which PNG is tried too: its palette holds alpha to the pixel.
const EXCELLENT_BESIDE_ALPHA: f64 = 90.0;

/// The score that a lossy file in one of the `ranked` formats is expected to have, one of which at least is tried.
/// Returns `None` where there is no such format: a palette of few colours is what PNG has to offer.
///
/// # Errors
/// [`JobError::Encode`].
fn expected_score(context: &mut SearchContext, ranked: &mut [RankedFormat], cap: u64) -> Result<Option<f64>, JobError> {
    let scores = ranked.iter().filter_map(|ranked| ranked.expectation?.trial_score);
    if let Some(known) = scores.max_by(f64::total_cmp) {
        return Ok(Some(known));
    }
    let Some(first) = ranked.iter_mut().find(|ranked| ranked.is_compared()) else { return Ok(None) };
    trial_score(context, first, cap, None)
}

/// Why formats could not be tried: the first error of each kind.
#[derive(Default)]
struct Refusals {
    too_late: Option<JobError>,
    too_large: Option<JobError>,
}

/// The best file of a format within `cap`. Returns `None` when no setting reaches it, or when the format could not be
/// tried: then `refusals` has the reason.
///
/// # Errors
/// [`JobError::Encode`], [`JobError::Cancelled`].
fn in_format(
    context: &mut SearchContext,
    RankedFormat { format, expectation }: RankedFormat,
    cap: u64,
    refusals: &mut Refusals,
) -> Result<Option<Candidate>, JobError> {
    match lossy::candidate(context, format, cap, expectation) {
        // Another format may hold a picture of this size.
        Err(refusal @ JobError::Encode(EncodeError::TooLarge { .. })) => {
            refusals.too_large.get_or_insert(refusal);
            Ok(None)
        }
        // Another format may be faster.
        Err(late @ JobError::DeadlineExceeded { .. }) => {
            context.log.cut_short = true;
            refusals.too_late.get_or_insert(late);
            Ok(None)
        }
        // The search may have been stopped between two sizes.
        Ok(None) if context.clock.stop_reason().is_some() => {
            context.log.cut_short = true;
            Ok(None)
        }
        found => found,
    }
}

/// `candidate`, with a score if the job asks for one.
///
/// # Errors
/// [`JobError::ScoreUnreachable`].
pub(super) fn scored(context: &mut SearchContext, mut candidate: Candidate) -> Result<Candidate, JobError> {
    if context.job.min_score.is_some() {
        candidate.score = Some(context.scoring.score(&candidate)?);
    }
    accept(context.job, candidate)
}

/// # Errors
/// [`JobError::ScoreUnreachable`].
fn accept(job: &Job, candidate: Candidate) -> Result<Candidate, JobError> {
    if meets_score(job, &candidate) {
        return Ok(candidate);
    }
    Err(JobError::ScoreUnreachable {
        target: job.target,
        min_score: job.min_score.unwrap_or_default(),
        score: candidate.score.unwrap_or_default(),
        bytes: candidate.len(),
        // The finest step within the ceiling is at most a point below it.
        ceiling: candidate.kind.quality().is_some_and(|quality| quality > job.quality - 1.0).then_some(job.quality),
    })
}

fn meets_score(job: &Job, candidate: &Candidate) -> bool {
    job.min_score.is_none_or(|least| candidate.score.is_some_and(|score| score >= least))
}

/// Moves the formats that there is time for to the front of `ranked`.
fn in_time_first(context: &mut SearchContext, ranked: Vec<RankedFormat>) -> Vec<RankedFormat> {
    let (in_time, late): (Vec<RankedFormat>, Vec<RankedFormat>) =
        ranked.into_iter().partition(|RankedFormat { format, .. }| {
            let prepared = context.views.prepared(*format);
            context.clock.has_time_for_first(*format, prepared.picture)
        });
    [in_time, late].concat()
}
