//! A lossy encoder as the search sees it.

use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::Instant;

use crate::codec::lossy_coding::{LossyCoding, SearchWindow};
use crate::codec::{Effort, Encoder};
use crate::picture::Picture;
use crate::search::aim::Aim;
use crate::search::encoder::{self, SearchedEncoder};
use crate::search::secant::Found;
use crate::stop::StopReason;

use super::candidate::{Candidate, Kind};
use super::context::SearchContext;
use super::prepared::Prepared;
use super::{JobError, Mode};

/// An encoder whose range ends at the quality ceiling. It notes every encode in the context.
pub(super) struct SearchAdapter<'a, 'b, 'p> {
    pub context: &'a mut SearchContext<'b>,
    coding: LossyCoding,
    picture: &'p Picture,
    encoder: Rc<dyn Encoder + 'p>,
    range: RangeInclusive<f64>,
}

/// An encode, as a fact about the picture.
pub(super) struct NearestEncode {
    /// On the format's scale.
    pub quality: f64,
    pub bytes: u64,
}

impl<'a, 'b, 'p> SearchAdapter<'a, 'b, 'p> {
    /// # Errors
    /// [`JobError::Encode`] when the picture is too large for the format.
    pub(super) fn new(
        context: &'a mut SearchContext<'b>,
        coding: LossyCoding,
        prepared: &Prepared<'p>,
    ) -> Result<Self, JobError> {
        let picture = prepared.picture;
        let encoder = prepared.encoder(coding, context.clock.effort(coding, picture), context.job.progressive)?;
        let whole = encoder.ln_step_range();
        let ceiling = context.ceiling.min(coding.best_quality());
        // 100 is the end of every scale, whatever score it stands for.
        let finest = if ceiling >= 100.0 { *whole.start() } else { coding.scale().ln_step(ceiling) };
        let finest = finest.clamp(*whole.start(), *whole.end());
        let range = encoder::at_or_above(finest, |x| encoder.snap(x))..=*whole.end();
        Ok(SearchAdapter { context, coding, picture, encoder, range })
    }

    /// `aim` with the search window of this coding. Mode close, and efforts other than the usual one, keep their own.
    pub(super) fn with_window(&self, aim: &Aim) -> Aim {
        let job = self.context.job;
        let is_usual = job.effort == Effort::Balanced && !matches!(job.mode, Mode::Close { .. });
        match self.coding.search_window(self.picture.pixel_count()).filter(|_| is_usual) {
            Some(SearchWindow { good_enough, position }) => aim.within(good_enough, position),
            None => *aim,
        }
    }

    /// Whether the quality ceiling is lower than the best quality that the encoder reaches.
    pub(super) fn is_cut_at_ceiling(&self) -> bool {
        let finest = self.coding.scale().quality(*self.encoder.ln_step_range().start());
        self.context.ceiling < finest
    }

    /// The encode nearest to the best size of `aim`.
    pub(super) fn nearest(&self, found: &Found, aim: &Aim) -> Option<NearestEncode> {
        let (x, bytes) = *found.encodes.iter().min_by_key(|(_, bytes)| bytes.abs_diff(aim.best))?;
        Some(NearestEncode { quality: self.coding.scale().quality(x), bytes })
    }

    /// The best file that was found.
    pub(super) fn candidate(&self, found: Found) -> Option<Candidate> {
        found.best.map(|best| self.candidate_at(best.x, best.bytes))
    }

    fn candidate_at(&self, x: f64, bytes: Vec<u8>) -> Candidate {
        let format = self.coding.format();
        let (width, height) = (self.picture.width(), self.picture.height());
        Candidate { bytes, format, width, height, kind: self.kind(x), score: None }
    }

    fn kind(&self, x: f64) -> Kind {
        let quality = self.coding.scale().quality(x);
        let requested = self.context.views.requested;
        let is_whole = self.picture.width() == requested.width() && self.picture.height() == requested.height();
        if is_whole { Kind::Quality(quality) } else { Kind::Downscaled(quality) }
    }
}

impl SearchedEncoder for SearchAdapter<'_, '_, '_> {
    type Error = JobError;

    fn range(&self) -> RangeInclusive<f64> {
        self.range.clone()
    }

    fn snap(&self, x: f64) -> f64 {
        self.encoder.snap(x)
    }

    fn guess(&self, ln_bytes: f64) -> f64 {
        self.coding.scale().ln_step_for(self.picture.pixel_count(), ln_bytes)
    }

    fn begins_at_finest(&self) -> bool {
        // Fast effort has one encode, and one correction.
        self.encoder.begins_at_finest() && self.context.job.effort != Effort::Fast
    }

    fn probe(&mut self, x: f64) -> Result<Option<f64>, JobError> {
        let probed = self.encoder.probe(x)?;
        if let Some(ln_bytes) = probed {
            self.context.log.note_probe(self.coding, self.picture, x, ln_bytes);
        }
        Ok(probed)
    }

    fn max_probe_error(&self) -> f64 {
        self.encoder.max_probe_error().unwrap_or(encoder::MAX_PROBE_ERROR)
    }

    fn predict(&mut self, x: f64) -> f64 {
        self.encoder.predict(x)
    }

    fn encode(&mut self, x: f64) -> Result<Vec<u8>, JobError> {
        let started = Instant::now();
        let file = self.context.with_metadata(self.encoder.encode(x)?, self.coding.format());
        self.context.clock.note_encode(self.picture, started.elapsed());
        let candidate = self.candidate_at(x, file);
        self.context.log.note(&candidate);
        Ok(candidate.bytes)
    }

    fn stop(&self, has_answer: bool) -> Option<StopReason> {
        let clock = &self.context.clock;
        let is_too_late = || (has_answer || clock.has_answer) && !clock.has_time_for_another(self.picture);
        clock.stop_reason().or_else(|| is_too_late().then_some(StopReason::Deadline))
    }
}
