//! From the chosen candidate to the answer: padding, the last check, the report. Must not know the search.

use crate::codec::rights::Rights;
use crate::codec::{self, EncodeError, Format, Limits, Metadata, MetadataPolicy, container, rights};
use crate::picture::score::Reference;
use crate::picture::{Orientation, Picture, transform};

use super::candidate::{Candidate, Kind};
use super::context::Record;
use super::{Answer, Facts, Job, JobError, Mode, Outcome, Report, Timings};

/// What of the input's metadata goes into an answer whose pixels were turned upright.
pub fn kept_metadata(found: &Metadata, found_rights: &Rights, policy: MetadataPolicy) -> Metadata {
    match policy {
        MetadataPolicy::Strip => Metadata::default(),
        MetadataPolicy::Copyright => rights::copyright(found, found_rights, Orientation::Upright),
        MetadataPolicy::Keep => rights::kept_upright(found, found_rights),
    }
}

/// Pads `candidate` as the job asks, checks the final bytes against the target, and reports.
///
/// # Errors
/// [`JobError::OverTarget`] when a bug let too many bytes come this far; [`JobError::ScoreUnreachable`].
pub fn finish(
    job: &Job,
    candidate: Candidate,
    input: Facts,
    record: Record,
    timings: Timings,
) -> Result<Answer, JobError> {
    let (format, unpadded) = (candidate.format, candidate.len());
    let size = wanted_size(&job.mode, job.target, unpadded);
    let bytes = container::pad(candidate.bytes, format, size).ok_or_else(|| EncodeError::Failed {
        format,
        reason: format!("no legal padding from {unpadded} to {size} bytes"),
    })?;
    let len = bytes.len() as u64;
    let missed = !job.mode.is_met(job.target, len);
    if missed && job.on_miss == super::OnMiss::Error {
        return Err(JobError::OverTarget { bytes: len, target: job.target });
    }
    let output = Facts { bytes: len, format, width: candidate.width, height: candidate.height };
    let report = Report {
        input,
        output,
        target: job.target,
        outcome: outcome(candidate.kind, missed, record.cut_short),
        cut_short: record.cut_short,
        padded: len > unpadded,
        quality: candidate.kind.quality().map(on_scale),
        score: candidate.score,
        encodes: record.encodes().count() as u32,
        encodes_by_format: encodes_by_format(&record),
        trace: record.steps,
        timings,
    };
    Ok(Answer { bytes, report })
}

/// A quality as clients know it, 1 to 100.
pub fn on_scale(quality: f64) -> f64 {
    quality.clamp(1.0, 100.0)
}

/// The size that padding brings a file of `bytes` to.
pub fn wanted_size(mode: &Mode, target: u64, bytes: u64) -> u64 {
    match mode {
        Mode::Fit { min_bytes } => min_bytes.unwrap_or(0).max(bytes),
        Mode::Exact => target.max(bytes),
        Mode::Close { .. } => bytes,
    }
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

fn encodes_by_format(record: &Record) -> Vec<(Format, u32)> {
    let count = |format: Format| record.encodes().filter(|step| step.format == format).count() as u32;
    Format::OUTPUT.into_iter().map(|format| (format, count(format))).filter(|(_, count)| *count > 0).collect()
}

/// SSIMULACRA2 of `candidate` against `reference`, made of `asked`; a smaller picture is scaled up first.
///
/// # Errors
/// [`JobError::Encode`] when our own file does not decode: a bug of its encoder.
pub fn score(reference: &Reference, candidate: &Candidate, asked: &Picture) -> Result<f64, JobError> {
    // What we wrote ourselves is within whatever limits its input was.
    let limits = Limits { max_pixels: u64::MAX, max_side: u32::MAX, ..Limits::default() };
    let decoded = codec::decode(&candidate.bytes, &limits)
        .map_err(|error| EncodeError::Failed { format: candidate.format, reason: error.to_string() })?;
    let (width, height) = (asked.width(), asked.height());
    if (decoded.picture.width(), decoded.picture.height()) == (width, height) {
        return Ok(reference.score(&decoded.picture));
    }
    Ok(reference.score(&transform::scale(&decoded.picture, width, height)))
}
