//! One job, from bytes to answer, in a straight line: probe, decode, transform, fit, pad.
//! Must not know HTTP, threads, logs or metrics; it could run on a pool, in a command or in another process.

mod candidate;
mod context;
mod downscale;
mod error;
mod finish;
pub mod format_rank;
mod formats;
mod lossless;
mod lossy;
mod memory;
mod passthrough;
mod prepared;
mod report;
pub mod scale_gain;
mod spec;

pub use error::{JobError, Nearest, SizeParameter, Smallest};
pub use memory::{memory_needed, padded_size};
pub use report::{Answer, Facts, Outcome, Report, Step, StepKind, Timings};
pub use spec::{DEFAULT_QUALITY, Effort, Formats, Job, Mode, OnMiss};

use std::time::Instant;

pub use crate::stop::{Stop, StopReason};

use crate::codec::{self, Limits};
use crate::picture::{Picture, hidden, transform};
use candidate::Candidate;
use context::{SearchContext, Views};

/// Runs `job` on the file `input`.
///
/// # Errors
/// Every variant of [`JobError`].
///
/// # Cancel
/// Asks `stop` between encodes; at the deadline the best answer so far that meets the target is returned.
pub fn run(job: &Job, input: &[u8], limits: &Limits, stop: &Stop) -> Result<Answer, JobError> {
    let started = Instant::now();
    let probe = codec::probe(input, limits)?;
    let allowed = formats::allowed(job, probe.format)?;
    check_asked_size(job, &probe, limits)?;
    let decoded = codec::decode(input, limits)?;
    let mut timings = Timings { decode: started.elapsed(), ..Timings::default() };
    job.check(stop)?;

    let transforming = Instant::now();
    let metadata = finish::kept_metadata(&decoded, job.metadata);
    let upright = transform::orient(decoded.picture, decoded.orientation);
    let input_facts =
        Facts { bytes: input.len() as u64, format: probe.format, width: upright.width(), height: upright.height() };
    let proper = formats::proper(job, &allowed, upright.has_alpha());
    let as_it_is = match decoded.as_stored {
        true => passthrough::candidate(job, input, &input_facts, &proper),
        false => None,
    };
    let may_be_finer_than_asked = job.quality < DEFAULT_QUALITY;
    if let Some(candidate) = as_it_is.as_ref().filter(|_| !may_be_finer_than_asked) {
        return finish::finish(job, candidate.clone(), input_facts, SearchContext::idle(), timings);
    }
    let picture = match &job.resize {
        Some(resize) => transform::resize(upright, resize),
        None => upright,
    };
    timings.transform = transforming.elapsed();
    job.check(stop)?;

    let searching = Instant::now();
    let needs_flattening = picture.has_alpha() && !allowed.iter().all(|format| format.keeps_alpha());
    let flattened = needs_flattening.then(|| transform::flatten(&picture, job.background));
    let without_hidden_colour = hidden::without_hidden_colours(&picture);
    let views = Views {
        asked: &picture,
        without_hidden_colour: &without_hidden_colour,
        flattened: flattened.as_ref().unwrap_or(&picture),
    };
    let mut context = SearchContext::new(job, views, probe.format, &metadata, stop);
    let fitted = match (fit(&mut context, &allowed, &input_facts), as_it_is) {
        // It was below the ceiling already: coding it once more would lose more than it saves.
        (Ok(candidate), Some(input)) if candidate.len() * 10 > input.len() * 9 => Ok(input),
        (Err(JobError::TargetUnreachable { .. } | JobError::DeadlineExceeded { .. }), Some(input)) => Ok(input),
        (fitted, _) => fitted,
    };
    timings.search = searching.elapsed();
    finish::finish(job, fitted?, input_facts, context.into_record(), timings)
}

/// What the model expects of each of `formats` for `job` on `picture`, which has no alpha channel: for programs that
/// measure it.
///
/// # Errors
/// [`JobError::Encode`].
pub fn expectations(
    job: &Job,
    picture: &Picture,
    formats: &[codec::Format],
) -> Result<Vec<format_rank::Expectation>, JobError> {
    let (metadata, stop) = (codec::Metadata::default(), Stop::at(Instant::now() + job.deadline));
    let views = Views { asked: picture, without_hidden_colour: picture, flattened: picture };
    let mut context = SearchContext::new(job, views, codec::Format::Bmp, &metadata, &stop);
    formats.iter().map(|format| lossy::expectation(&mut context, *format, job.target)).collect()
}

/// The best-looking candidate that meets the job, over the allowed formats.
fn fit(context: &mut SearchContext, allowed: &[codec::Format], input: &Facts) -> Result<Candidate, JobError> {
    match fit_or_miss(context, allowed, input) {
        // What the deadline cut off might have met the job: how near the rest came is not how near it can be.
        Err(JobError::TargetUnreachable { .. } | JobError::ScoreUnreachable { .. }) if context.is_cut() => {
            Err(JobError::DeadlineExceeded { deadline: context.job.deadline })
        }
        other => other,
    }
}

/// As [`fit`], or the smallest answer found where the job asks for that.
fn fit_or_miss(context: &mut SearchContext, allowed: &[codec::Format], input: &Facts) -> Result<Candidate, JobError> {
    let target = context.job.target;
    // Never larger than what came in, where that could have been the answer's format; rather than miss that, a picture
    // is made smaller.
    if context.job.never_outgrows(input) && allowed.contains(&input.format) && input.bytes < target {
        for may_shrink in [false, true].into_iter().filter(|may_shrink| context.job.downscale || !may_shrink) {
            context.may_shrink = may_shrink;
            match formats::best(context, allowed, input.bytes) {
                Err(JobError::TargetUnreachable { .. }) => {}
                other => return other,
            }
        }
    }
    match formats::best(context, allowed, target) {
        Err(unreachable @ JobError::TargetUnreachable { .. }) if context.job.on_miss == OnMiss::Smallest => {
            let smallest = context.smallest().ok_or(unreachable)?;
            formats::scored(context, smallest)
        }
        other => other,
    }
}

/// Holds the size that `job` asks for against the limits on pictures: enlarging knows no bounds of its own.
///
/// # Errors
/// [`codec::DecodeError::TooManyPixels`].
fn check_asked_size(job: &Job, probe: &codec::Probe, limits: &Limits) -> Result<(), JobError> {
    let Some(resize) = &job.resize else { return Ok(()) };
    let (width, height) = probe.orientation.upright_size(probe.width, probe.height);
    let (width, height) = transform::resized_size(width, height, resize);
    Ok(limits.check_size(probe.format, width, height)?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::codec::{Format, Metadata};
    use crate::picture::Layout;

    /// What a fit comes to of which the deadline cut a part off.
    fn cut_fit(job: &Job) -> Result<Candidate, JobError> {
        let pixels = (0..64 * 48 * 3u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let picture = Picture::new(64, 48, Layout::Rgb, pixels);
        let views = Views { asked: &picture, without_hidden_colour: &picture, flattened: &picture };
        let (metadata, stop) = (Metadata::default(), Stop::at(Instant::now() + Duration::from_secs(3600)));
        let mut context = SearchContext::new(job, views, Format::Bmp, &metadata, &stop);
        context.note_cut();
        fit(&mut context, &[Format::Jpeg], &Facts { bytes: 9_270, format: Format::Bmp, width: 64, height: 48 })
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
