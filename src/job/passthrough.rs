//! The input as its own best answer.

use crate::codec::{Format, container, jpeg};

use super::candidate::{Candidate, Kind};
use super::{Facts, Job};

/// The input itself, its pixels unchanged, and its metadata and density as the job asks. Returns `None` when it does
/// not meet the target in an allowed format, when it is damaged, when it is progressive and must not be, or when the
/// job transforms it.
pub(super) fn candidate(job: &Job, input: &[u8], facts: &Facts, allowed: &[Format]) -> Option<Candidate> {
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
    let len = bytes.len() as u64;
    // Not every file that others wrote can be padded by a few bytes. Our own always can.
    let can_be_padded = || {
        let wanted = job.mode.padded_size(job.target, len);
        wanted == len || container::pad(bytes.clone(), facts.format, wanted).is_some()
    };
    let is_met = job.mode.can_be_met(job.target, len) && can_be_padded();
    if !is_met || !container::is_sound(input, facts.format) {
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
