//! The input transcoded without loss: a JPEG in a format that holds its coefficients, in fewer bytes.

use std::time::Duration;

use crate::codec::{Format, MetadataPolicy, container};
use crate::stop::Stop;

use super::candidate::{Candidate, Kind};
use super::{Facts, Job, Mode};

/// The smallest share of a JPEG's bytes that is left. Camera files go to 0.71 to 0.87: docs/model.md, JPEG XL.
const LEAST_RATIO: f64 = 0.7;

/// The time that it takes for each pixel of a fine JPEG.
const TIME_PER_PIXEL: Duration = Duration::from_nanos(300);

/// There might be a file if there were more time.
pub(super) struct NoTime;

/// The input in another of the `allowed` formats, its coefficients unchanged. Returns `None` when it is no sound JPEG,
/// when the job transforms it or asks for a size to come near to, or when the file does not meet the target.
///
/// # Errors
/// [`NoTime`].
pub(super) fn candidate(
    job: &Job,
    input: &[u8],
    facts: &Facts,
    allowed: &[Format],
    stop: &Stop,
) -> Result<Option<Candidate>, NoTime> {
    let pixels = f64::from(facts.width) * f64::from(facts.height);
    let is_thinkable = facts.format == Format::Jpeg
        && !job.transforms().changes(facts.width, facts.height)
        && !matches!(job.mode, Mode::Close { .. })
        // What restores the JPEG counts on the EXIF that it had.
        && (job.dpi.is_none() || job.metadata != MetadataPolicy::Keep)
        && facts.bytes as f64 * LEAST_RATIO <= job.target as f64;
    let writers = || allowed.iter().filter_map(|format| Some((*format, format.output()?.from_jpeg?)));
    if !is_thinkable || writers().next().is_none() || !container::is_sound(input, Format::Jpeg) {
        return Ok(None);
    }
    if !stop.has_time_for(TIME_PER_PIXEL.mul_f64(pixels)) {
        return Err(NoTime);
    }
    Ok(writers().find_map(|(format, write)| {
        let written = write(input, job.metadata)?;
        let bytes = match job.density() {
            Some(density) => container::set_density(&written, format, density)?,
            None => written,
        };
        if !job.mode.can_be_met(job.target, bytes.len() as u64) {
            return None;
        }
        let Facts { width, height, .. } = *facts;
        // The SSIMULACRA2 of identical pixels.
        Some(Candidate { bytes, format, width, height, kind: Kind::Lossless, score: Some(100.0) })
    }))
}
