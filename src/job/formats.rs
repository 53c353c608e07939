//! Which format the answer has. Must not know how a format is searched.

use crate::codec::{EncodeError, Format};

use super::candidate::Candidate;
use super::workbench::Workbench;
use super::{Effort, Formats, Job, JobError, lossless, lossy};

/// Lossy formats, those first that win where the model expects the same quality of all. PNG's palettes come last.
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
    let mut best: Option<Candidate> = None;
    let (mut too_large, mut too_late) = (None, None);
    let is_best_effort = bench.job.effort == Effort::Best;
    let ranked = ranked(bench, allowed, cap)?;
    for format in in_time_first(bench, ranked) {
        let found = match lossy::candidate(bench, format, cap) {
            // A picture too large for one format may fit another.
            Err(refusal @ JobError::Encode(EncodeError::TooLarge { .. })) => {
                too_large.get_or_insert(refusal);
                None
            }
            // Another format may be faster.
            Err(late @ JobError::DeadlineExceeded { .. }) => {
                bench.note_cut();
                too_late.get_or_insert(late);
                None
            }
            found => found?,
        };
        let Some(mut candidate) = found else { continue };
        if bench.job.min_score.is_some() || is_best_effort && bench.has_time_to_score() {
            candidate.score = Some(bench.score(&candidate)?);
        } else if is_best_effort {
            // It can't be compared with others.
            bench.note_cut();
        }
        let better = best.as_ref().is_none_or(|best| candidate.score > best.score);
        if better {
            best = Some(candidate);
        }
        bench.has_answer = best.as_ref().is_some_and(|best| meets_score(bench.job, best));
        let good_enough = !is_best_effort && bench.has_answer;
        if good_enough || bench.is_cut() || bench.stop_reason().is_some() {
            break;
        }
    }
    match (best, too_large.or(too_late)) {
        (Some(candidate), _) => accept(bench.job, candidate),
        (None, Some(refusal)) if bench.smallest().is_none() => Err(refusal),
        (None, _) => Err(bench.unreachable()),
    }
}

/// `candidate`, scored where the job asks for a score.
///
/// # Errors
/// [`JobError::ScoreUnreachable`].
pub fn scored(bench: &mut Workbench, mut candidate: Candidate) -> Result<Candidate, JobError> {
    if bench.job.min_score.is_some() {
        candidate.score = Some(bench.score(&candidate)?);
    }
    accept(bench.job, candidate)
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
    })
}

fn meets_score(job: &Job, candidate: &Candidate) -> bool {
    job.min_score.is_none_or(|least| candidate.score.is_some_and(|score| score >= least))
}

/// `ranked` with those first that there is time for.
fn in_time_first(bench: &mut Workbench, ranked: Vec<Format>) -> Vec<Format> {
    let (in_time, late): (Vec<Format>, Vec<Format>) =
        ranked.iter().partition(|format| bench.has_time_for_format(**format));
    let formats = [in_time, late].concat();
    if formats.first() != ranked.first() {
        bench.note_cut();
    }
    formats
}

/// The allowed formats, the best-looking first: those that keep an alpha channel before those that flatten it, then by
/// the quality that the model expects at `cap`. To the best of JPEG, WebP and AVIF alone that choice loses nothing in the
/// median and 9.9 points of SSIMULACRA2 at the most (benches/fit, `formats`: 24 Kodak pictures at six targets).
///
/// # Errors
/// [`JobError::Encode`].
fn ranked(bench: &mut Workbench, allowed: &[Format], cap: u64) -> Result<Vec<Format>, JobError> {
    let formats: Vec<Format> = LOSSY_RANK.into_iter().filter(|format| allowed.contains(format)).collect();
    if formats.len() < 2 {
        return Ok(formats);
    }
    let mut ranked = Vec::new();
    for format in formats {
        let loses_alpha = bench.picture.has_alpha() && !format.keeps_alpha();
        ranked.push((loses_alpha, -expected_quality(bench, format, cap)?, format));
    }
    // Stable: where qualities are equal the rank stays.
    ranked.sort_by(|one, other| one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)));
    Ok(ranked.into_iter().map(|(_, _, format)| format).collect())
}

/// The quality that the model expects of `format` at `cap`; the worst where it knows nothing.
fn expected_quality(bench: &mut Workbench, format: Format, cap: u64) -> Result<f64, JobError> {
    if format == Format::Png {
        return Ok(f64::NEG_INFINITY);
    }
    match lossy::expected_quality(bench, format, cap) {
        Err(JobError::Encode(EncodeError::TooLarge { .. })) => Ok(f64::NEG_INFINITY),
        expected => expected,
    }
}
