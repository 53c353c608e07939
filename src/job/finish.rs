//! From the chosen candidate to the answer: padding, the last check, the report.

use crate::codec::density::Density;
use crate::codec::rights::Rights;
use crate::codec::{EncodeError, Format, Metadata, MetadataPolicy, container, rights};
use crate::picture::Orientation;
use crate::picture::transform::Rotation;

use super::candidate::{Candidate, Kind};
use super::search_log::SearchLog;
use super::{Answer, Facts, Job, JobError, OnMiss, Outcome, Report, Timings};

/// The part of the input's metadata that goes into an answer whose pixels were turned upright.
pub(super) fn kept_metadata(found: &Metadata, found_rights: &Rights, job: &Job) -> Metadata {
    let kept = match job.metadata {
        MetadataPolicy::Strip => Metadata::default(),
        MetadataPolicy::Copyright => rights::copyright(found, found_rights, Orientation::Upright),
        // A thumbnail would show what was cut away or blurred.
        MetadataPolicy::Keep if job.transforms().changes_what_is_shown() => {
            rights::kept_upright(&found.without_thumbnails(), found_rights)
        }
        MetadataPolicy::Keep => rights::kept_upright(found, found_rights),
    };
    let stated = match job.rotate {
        Rotation::Quarter | Rotation::ThreeQuarters => kept.density.map(Density::turned),
        Rotation::None | Rotation::Half => kept.density,
    };
    Metadata { density: job.density().or(stated), ..kept }
}

/// Pads `candidate` as the job asks, checks the final bytes against the target, and reports.
///
/// # Errors
/// [`JobError::OverTarget`] and [`JobError::Encode`]: each a bug of ours.
pub(super) fn finish(
    job: &Job,
    candidate: Candidate,
    input: Facts,
    log: SearchLog,
    timings: Timings,
) -> Result<Answer, JobError> {
    let format = candidate.format;
    let unpadded = candidate.len();
    let size = job.mode.padded_size(job.target, unpadded);
    let bytes = container::pad(candidate.bytes, format, size).ok_or_else(|| EncodeError::Failed {
        format,
        reason: format!("no legal padding from {unpadded} to {size} bytes"),
    })?;
    let len = bytes.len() as u64;
    let missed = !job.mode.is_met(job.target, len);
    if missed && job.on_miss == OnMiss::Error {
        return Err(JobError::OverTarget { bytes: len, target: job.target });
    }
    let output = Facts { bytes: len, format, width: candidate.width, height: candidate.height };
    let report = Report {
        input,
        output,
        target: job.target,
        outcome: outcome(candidate.kind, missed, log.cut_short),
        cut_short: log.cut_short,
        damaged: false,
        padded: len > unpadded,
        quality: candidate.kind.reported_quality(),
        score: candidate.score,
        encodes: log.encodes().count() as u32,
        encodes_by_format: encodes_by_format(&log),
        steps: log.steps,
        timings,
    };
    Ok(Answer { bytes, report })
}

fn outcome(kind: Kind, missed: bool, cut_short: bool) -> Outcome {
    match kind {
        _ if missed => Outcome::Missed,
        _ if cut_short => Outcome::Deadline,
        Kind::Passthrough => Outcome::Passthrough,
        Kind::Lossless => Outcome::Lossless,
        Kind::Quality(_) => Outcome::Quality,
        Kind::Downscaled(_) => Outcome::Downscaled,
    }
}

fn encodes_by_format(log: &SearchLog) -> Vec<(Format, u32)> {
    let count = |format: Format| log.encodes().filter(|step| step.format == format).count() as u32;
    Format::OUTPUT.into_iter().map(|format| (format, count(format))).filter(|(_, count)| *count > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_deadline_cut_short_is_said_unless_the_target_is_missed() {
        for (missed, cut_short, expected) in
            [(false, false, Outcome::Quality), (false, true, Outcome::Deadline), (true, true, Outcome::Missed)]
        {
            assert_eq!(outcome(Kind::Quality(50.0), missed, cut_short), expected);
        }
    }
}
