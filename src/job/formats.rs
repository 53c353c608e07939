//! Which format the answer has. Must not know how a format is searched.

use crate::codec::Format;

use super::candidate::Candidate;
use super::workbench::Workbench;
use super::{Effort, Formats, Job, JobError, lossless, lossy};

/// Lossy formats, the best look at equal bytes first: AVIF over WebP +7, +3, +2 SSIMULACRA2 at 0.2, 0.4 and
/// 0.8 bits per pixel, WebP over JPEG +13, +1, 0 (a study of 24 Kodak pictures with rav1e, libwebp and mozjpeg
/// before this code). PNG's palettes come last.
const LOSSY_RANK: [Format; 4] = [Format::Avif, Format::Webp, Format::Jpeg, Format::Png];

/// The formats that the answer to `job` may have, given the format of its input.
///
/// # Errors
/// [`JobError::KeepUnwritable`].
pub fn allowed(job: &Job, input: Format) -> Result<Vec<Format>, JobError> {
    match &job.formats {
        Formats::Keep if !input.is_output() => Err(JobError::KeepUnwritable(input)),
        Formats::Keep => Ok(vec![input]),
        Formats::Among(list) => Ok(list.clone()),
    }
}

/// The best-looking candidate of at most `cap` bytes, over the `allowed` formats.
///
/// # Errors
/// [`JobError::TargetUnreachable`], [`JobError::ScoreUnreachable`], [`JobError::DeadlineExceeded`],
/// [`JobError::Cancelled`], [`JobError::Encode`].
pub fn best(bench: &mut Workbench, allowed: &[Format], cap: u64) -> Result<Candidate, JobError> {
    if let Some(candidate) = lossless::candidate(bench, allowed, cap)? {
        return Ok(candidate);
    }
    let ranked = ranked(bench, allowed);
    let mut best: Option<Candidate> = None;
    for format in ranked {
        let Some(mut candidate) = found_or_next(lossy::candidate(bench, format, cap))? else { continue };
        if bench.job.effort == Effort::Best || bench.job.min_score.is_some() {
            candidate.score = Some(bench.score(&candidate)?);
        }
        let better = best.as_ref().is_none_or(|best| candidate.score > best.score);
        if better {
            best = Some(candidate);
        }
        let good_enough =
            bench.job.effort != Effort::Best && best.as_ref().is_some_and(|best| meets_score(bench.job, best));
        if good_enough || bench.stop_reason().is_some() {
            break;
        }
    }
    decide(bench, best)
}

/// A candidate, or none when only this format failed and another may do.
fn found_or_next(result: Result<Option<Candidate>, JobError>) -> Result<Option<Candidate>, JobError> {
    match result {
        // A picture too large for one format may fit another; the refusal comes when none is left.
        Err(JobError::Encode(crate::codec::EncodeError::TooLarge { .. })) => Ok(None),
        other => other,
    }
}

fn decide(bench: &Workbench, best: Option<Candidate>) -> Result<Candidate, JobError> {
    let target = bench.job.target;
    match best {
        Some(candidate) if meets_score(bench.job, &candidate) => Ok(candidate),
        Some(candidate) => Err(JobError::ScoreUnreachable {
            target,
            min_score: bench.job.min_score.unwrap_or_default(),
            score: candidate.score.unwrap_or_default(),
        }),
        None => Err(bench.unreachable()),
    }
}

fn meets_score(job: &Job, candidate: &Candidate) -> bool {
    job.min_score.is_none_or(|least| candidate.score.is_some_and(|score| score >= least))
}

/// The allowed formats, best first; those that keep an alpha channel before those that flatten it.
fn ranked(bench: &Workbench, allowed: &[Format]) -> Vec<Format> {
    let mut ranked: Vec<Format> = LOSSY_RANK.into_iter().filter(|format| allowed.contains(format)).collect();
    ranked.sort_by_key(|format| bench.picture.has_alpha() && !format.keeps_alpha());
    ranked
}
