//! The record of a search: every encode, and the smallest file of each format.

use crate::codec::Format;
use crate::codec::lossy_coding::LossyCoding;
use crate::picture::Picture;

use super::candidate::{self, Candidate};
use super::{Step, StepKind};

/// Every encode of a job, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct SearchLog {
    pub steps: Vec<Step>,
    /// Whether more time might have led to a better answer: the deadline ended a search early, chose a format, or kept
    /// one from being tried.
    pub cut_short: bool,
    /// Of each format the lossless file, and the coarsest encode of the smallest picture. Every search that gives up
    /// ends there, so a request for that size will succeed. A file that is smaller still may not be found again.
    smallest: Vec<Candidate>,
}

impl SearchLog {
    /// The steps except for probes.
    pub(super) fn encodes(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.kind != StepKind::Probe)
    }

    /// Adds an encode.
    pub(super) fn note(&mut self, candidate: &Candidate) {
        let Candidate { format, width, height, .. } = *candidate;
        let quality = candidate.kind.reported_quality();
        let kind = if quality.is_some() { StepKind::Encode } else { StepKind::Lossless };
        self.steps.push(Step { format, width, height, quality, bytes: candidate.len(), kind });
        let is_same =
            |known: &&mut Candidate| known.format == format && known.kind.quality().is_none() == quality.is_none();
        match self.smallest.iter_mut().find(is_same) {
            Some(known) if candidate.is_below(known) => *known = candidate.clone(),
            Some(_) => {}
            None => self.smallest.push(candidate.clone()),
        }
    }

    /// Adds a cheaper encode, and the size that it predicts for `coding` at `ln_step`.
    pub(super) fn note_probe(&mut self, coding: LossyCoding, picture: &Picture, ln_step: f64, ln_bytes: f64) {
        self.steps.push(Step {
            format: coding.format(),
            width: picture.width(),
            height: picture.height(),
            quality: Some(candidate::reported(coding.scale().quality(ln_step))),
            bytes: ln_bytes.exp() as u64,
            kind: StepKind::Probe,
        });
    }

    /// The size of the lossless file in `format`. Returns `None` when none was made yet.
    pub(super) fn lossless_bytes(&self, format: Format) -> Option<u64> {
        let is_it = |step: &&Step| step.format == format && step.kind == StepKind::Lossless;
        self.steps.iter().find(is_it).map(|step| step.bytes)
    }

    /// The size of the encode that came nearest to `target` bytes.
    pub(super) fn nearest_bytes(&self, target: u64) -> Option<u64> {
        self.encodes().map(|step| step.bytes).min_by_key(|bytes| bytes.abs_diff(target))
    }

    /// The smallest file that a request can count on.
    pub(super) fn smallest(&self) -> Option<&Candidate> {
        self.smallest.iter().min_by_key(|candidate| candidate.len())
    }
}
