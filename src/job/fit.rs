//! The best answer to a job: no larger than the input where that spoils nothing, or the smallest that there is.

use crate::codec::Format;

use super::candidate::{Candidate, Kind};
use super::context::SearchContext;
use super::{Facts, Job, JobError, OnMiss, formats};

/// The best-looking candidate that meets the job, over the allowed formats. Where it `may_outgrow` the input, it is
/// larger than that rather than poor.
pub(super) fn fit(
    context: &mut SearchContext,
    allowed: &[Format],
    input: &Facts,
    may_outgrow: bool,
) -> Result<Candidate, JobError> {
    match fit_or_miss(context, allowed, input, may_outgrow) {
        // What the deadline cut off might have met the job, so the nearest result so far is not the nearest possible.
        Err(JobError::TargetUnreachable { .. } | JobError::ScoreUnreachable { .. }) if context.log.cut_short => {
            Err(context.clock.deadline_exceeded())
        }
        other => other,
    }
}

/// As [`fit`], but does not ask whether the deadline cut the search short.
fn fit_or_miss(
    context: &mut SearchContext,
    allowed: &[Format],
    input: &Facts,
    may_outgrow: bool,
) -> Result<Candidate, JobError> {
    let target = context.job.target;
    if let Some(candidate) = within_input(context, allowed, input)? {
        if !may_outgrow || !is_poor(context.job, &candidate) {
            return Ok(candidate);
        }
        context.may_shrink = context.job.downscale;
        return match formats::best(context, allowed, target) {
            // It may have been cut short by the deadline.
            Err(
                JobError::TargetUnreachable { .. }
                | JobError::ScoreUnreachable { .. }
                | JobError::DeadlineExceeded { .. },
            ) => Ok(candidate),
            other => other,
        };
    }
    match formats::best(context, allowed, target) {
        Err(unreachable @ JobError::TargetUnreachable { .. }) if context.job.on_miss == OnMiss::Smallest => {
            let smallest = context.log.smallest().cloned().ok_or(unreachable)?;
            formats::scored(context, smallest)
        }
        other => other,
    }
}

/// The best-looking candidate of at most as many bytes as the `input` has, which an answer in its format keeps to below
/// the target. To meet that, the picture is made smaller if need be. Returns `None` when the job does not ask for that,
/// and when nothing meets it.
///
/// # Errors
/// As [`formats::best`], but for what cannot be met.
fn within_input(context: &mut SearchContext, allowed: &[Format], input: &Facts) -> Result<Option<Candidate>, JobError> {
    if !context.job.stays_within_input(input, allowed) || input.bytes >= context.job.target {
        return Ok(None);
    }
    for may_shrink in [false, true].into_iter().filter(|may_shrink| context.job.downscale || !may_shrink) {
        context.may_shrink = may_shrink;
        match formats::best(context, allowed, input.bytes) {
            Err(JobError::TargetUnreachable { .. } | JobError::ScoreUnreachable { .. }) => {}
            other => return other.map(Some),
        }
    }
    Ok(None)
}

/// Quality from which on a lossy picture does not spoil a lossless one.
const UNSPOILT: f64 = 80.0;

/// Whether `candidate` is smaller than the picture that the job asks for, or coarser than it has to be. A palette
/// always is: one of 256 colours has a quality of 80.5 whatever it shows, and photographs score 65 to 86 with it.
fn is_poor(job: &Job, candidate: &Candidate) -> bool {
    match candidate.kind {
        Kind::Passthrough | Kind::Lossless => false,
        Kind::Quality(quality) => candidate.format == Format::Png || quality < UNSPOILT.min(job.quality),
        Kind::Downscaled(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::views::Views;
    use super::*;
    use crate::codec::Metadata;
    use crate::job::{Formats, Job};
    use crate::picture::{Layout, Picture};
    use crate::stop::Stop;

    /// The result of a search that the deadline cut short.
    fn cut_fit(job: &Job) -> Result<Candidate, JobError> {
        let pixels = (0..64 * 48 * 3u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let picture = Picture::new(64, 48, Layout::Rgb, pixels);
        let metadata = Metadata::default();
        let stop = Stop::at(Instant::now() + Duration::from_secs(3600));
        let mut context = SearchContext::new(job, Views::of_opaque(&picture), Format::Bmp, &metadata, &stop);
        context.log.cut_short = true;
        fit(&mut context, &[Format::Jpeg], &Facts { bytes: 9_270, format: Format::Bmp, width: 64, height: 48 }, false)
    }

    #[test]
    fn no_smallest_size_and_no_best_score_is_named_where_the_deadline_cut_something_off() {
        let unreachable = Job { downscale: false, ..Job::new(40, Formats::Among(vec![Format::Jpeg])) };
        let too_poor = Job { target: 2_000, min_score: Some(99.0), ..unreachable.clone() };
        for job in [unreachable, too_poor] {
            let late = JobError::DeadlineExceeded { deadline: job.deadline };
            assert_eq!(cut_fit(&job).unwrap_err(), late, "{job:?}");
        }
    }

    #[test]
    fn the_smallest_that_was_found_in_time_is_given_where_it_is_asked_for() {
        let formats = Formats::Among(vec![Format::Jpeg]);
        let job = Job { downscale: false, on_miss: OnMiss::Smallest, ..Job::new(40, formats) };
        assert!(cut_fit(&job).unwrap().len() > 40);
    }
}
