//! Scores candidates against the requested picture.

use std::time::Duration;

use crate::codec::{self, EncodeError, Limits};
use crate::picture::score::{self, Reference};
use crate::picture::{Picture, transform};

use super::JobError;
use super::candidate::Candidate;

/// The requested picture to compare with. It is prepared when the first score is asked for.
pub(super) struct Scoring<'a> {
    requested: &'a Picture,
    background: [u8; 3],
    reference: Option<Reference>,
}

impl<'a> Scoring<'a> {
    /// Scores against `requested`; what is transparent shows `background`.
    pub(super) fn new(requested: &'a Picture, background: [u8; 3]) -> Scoring<'a> {
        Scoring { requested, background, reference: None }
    }

    /// Time that a score usually takes.
    pub(super) fn usual_time(&self) -> Duration {
        score::COST.mul_f64(self.requested.pixel_count() as f64)
    }

    /// SSIMULACRA2 of `candidate`. A smaller picture is scaled up first, as a page would show it.
    ///
    /// # Errors
    /// [`JobError::Encode`] when our own file does not decode: a bug in its encoder.
    pub(super) fn score(&mut self, candidate: &Candidate) -> Result<f64, JobError> {
        let reference = self.reference.get_or_insert_with(|| Reference::new(self.requested, self.background));
        // The input passed the limits; what we wrote ourselves is no larger.
        let limits = Limits { max_pixels: u64::MAX, max_side: u32::MAX, ..Limits::default() };
        let picture = codec::decode(&candidate.bytes, &limits)
            .map_err(|error| EncodeError::Failed { format: candidate.format, reason: error.to_string() })?
            .picture;
        let (width, height) = (self.requested.width(), self.requested.height());
        if (picture.width(), picture.height()) == (width, height) {
            return Ok(reference.score(&picture));
        }
        Ok(reference.score(&transform::scale(&picture, width, height)))
    }
}
