//! The input as its own best answer.

use crate::codec::{Format, container, jpeg};

use super::candidate::{Candidate, Kind};
use super::{Facts, Job};

/// The input itself, its pixels unchanged, and its metadata and density as the job asks. Returns `None` when it does
/// not meet the target, and as [`of_any_size`].
pub(super) fn candidate(job: &Job, input: &[u8], facts: &Facts, allowed: &[Format]) -> Option<Candidate> {
    with_size(job, input, facts, allowed, |bytes| {
        let len = bytes.len() as u64;
        // Not every file that others wrote can be padded by a few bytes. Our own always can.
        let can_be_padded = || {
            let wanted = job.mode.padded_size(job.target, len);
            wanted == len || container::pad(bytes.to_vec(), facts.format, wanted).is_some()
        };
        job.mode.can_be_met(job.target, len) && can_be_padded()
    })
}

/// The same whatever its size. Returns `None` when it is in no allowed format, when it is damaged, when it is
/// progressive and must not be, or when the job transforms it.
pub(super) fn of_any_size(job: &Job, input: &[u8], facts: &Facts, allowed: &[Format]) -> Option<Candidate> {
    with_size(job, input, facts, allowed, |_| true)
}

fn with_size(
    job: &Job,
    input: &[u8],
    facts: &Facts,
    allowed: &[Format],
    is_wanted: impl FnOnce(&[u8]) -> bool,
) -> Option<Candidate> {
    if !job.progressive && facts.format == Format::Jpeg && jpeg::is_progressive(input) {
        return None;
    }
    if job.transforms().changes(facts.width, facts.height) || !allowed.contains(&facts.format) {
        return None;
    }
    let stripped = container::strip(input, facts.format, job.metadata)?;
    let bytes = match job.density() {
        Some(density) => container::set_density(&stripped, facts.format, density)?,
        None => stripped,
    };
    if !is_wanted(&bytes) || !container::is_sound(input, facts.format) {
        return None;
    }
    Some(Candidate {
        bytes,
        format: facts.format,
        width: facts.width,
        height: facts.height,
        kind: Kind::Passthrough,
        // The SSIMULACRA2 of identical pixels.
        score: Some(100.0),
    })
}
