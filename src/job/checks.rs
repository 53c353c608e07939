//! What the header of an input shows to be impossible.

use crate::codec::{Format, Limits, Probe};

use super::{Formats, Job, JobError};

/// Refuses a job that the header alone shows to be impossible.
///
/// # Errors
/// [`JobError::KeepUnwritable`]; [`JobError::Crop`]; [`JobError::Decode`] when the answer would be larger than `limits`
/// allow.
pub(super) fn check(job: &Job, probe: &Probe, limits: &Limits) -> Result<(), JobError> {
    allowed_formats(job, probe.format)?;
    check_requested_size(job, probe, limits)
}

/// The formats that the answer to `job` may have, given the format of its input.
///
/// # Errors
/// [`JobError::KeepUnwritable`].
pub(super) fn allowed_formats(job: &Job, input: Format) -> Result<Vec<Format>, JobError> {
    match &job.formats {
        Formats::Keep if !input.is_output() => Err(JobError::KeepUnwritable(input)),
        Formats::Keep => Ok(vec![input]),
        Formats::Among(list) => Ok(list.clone()),
    }
}

/// Checks the part that `job` asks for against the picture, and the size against `limits`: a resize can ask for any
/// size.
fn check_requested_size(job: &Job, probe: &Probe, limits: &Limits) -> Result<(), JobError> {
    let (width, height) = transformed_size(job, probe)?;
    if job.resize.is_none() {
        return Ok(());
    }
    Ok(limits.check_size(probe.format, width, height)?)
}

/// Size of the picture that is encoded.
///
/// # Errors
/// [`JobError::Crop`].
pub(super) fn transformed_size(job: &Job, probe: &Probe) -> Result<(u32, u32), JobError> {
    let (width, height) = probe.orientation.upright_size(probe.width, probe.height);
    Ok(job.transforms().size(width, height)?)
}
