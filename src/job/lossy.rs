//! Lossy answers in one format: the search at a size, and the choice to go smaller.
//! Must not know how formats are chosen.

use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::Instant;

use crate::codec::lossy_coding::{LossyCoding, SearchWindow};
use crate::codec::{Encoder, Format};
use crate::picture::Picture;
use crate::search::aim::Aim;
use crate::search::encoder::{self, SearchedEncoder};
use crate::search::secant::{self, Found};
use crate::stop::StopReason;

use super::candidate::{Candidate, Kind};
use super::context::SearchContext;
use super::downscale;
use super::format_rank::Expectation;
use super::prepared::Prepared;
use super::{Effort, Job, JobError, Mode};

/// The best-looking file of `format` within `cap` bytes, of which `expectation` is expected where that is known
/// already; none when no setting reaches it.
///
/// # Errors
/// [`JobError::Encode`], [`JobError::Cancelled`], [`JobError::DeadlineExceeded`] where there is no time to begin.
pub fn candidate(
    context: &mut SearchContext,
    format: Format,
    cap: u64,
    expectation: Option<Expectation>,
) -> Result<Option<Candidate>, JobError> {
    let aim = aim(context.job, cap);
    let whole = context.views.prepared(format);
    let chosen = if context.may_shrink {
        let expectation = expectation.map_or_else(|| downscale::expectation(context, &whole, &aim), Ok)?;
        downscale::best_scale(context, &whole, &aim, expectation)?
    } else {
        at_size(context, &whole, &aim)?.candidate
    };
    Ok(chosen.filter(|candidate| context.job.mode.can_be_met(context.job.target, candidate.len())))
}

/// What the model expects of `format` within `cap` bytes.
///
/// # Errors
/// [`JobError::Encode`].
pub fn expectation(context: &mut SearchContext, format: Format, cap: u64) -> Result<Expectation, JobError> {
    let (aim, whole) = (aim(context.job, cap), context.views.prepared(format));
    if context.may_shrink {
        return downscale::expectation(context, &whole, &aim);
    }
    Ok(Expectation::of_whole(expected_quality(context, &whole, &aim)?.quality))
}

/// Where a search at one size ended.
pub struct SizeResult {
    /// The best file within the cap; none when no setting reaches it.
    pub candidate: Option<Candidate>,
    /// Whether that is of the finest setting.
    pub is_at_finest: bool,
    /// The encode nearest to the cap; none where the search ended early, so that nothing follows from it.
    pub known: Option<NearestEncode>,
}

/// An encode, as a fact about the picture.
pub struct NearestEncode {
    /// On the format's scale.
    pub quality: f64,
    pub bytes: u64,
}

/// The best file of what `prepared` holds, as large as it is.
///
/// # Errors
/// As [`candidate`].
pub fn at_size(context: &mut SearchContext, prepared: &Prepared, aim: &Aim) -> Result<SizeResult, JobError> {
    let mut result = SizeResult { candidate: None, is_at_finest: false, known: None };
    let ceiling = context.job.quality;
    let first = expected_quality(context, prepared, aim)?.coding;
    for coding in &LossyCoding::of(prepared.format)[first..] {
        if result.candidate.is_none() {
            context.clock.check_time_for_first(*coding, prepared.picture)?;
        }
        let mut adapter = SearchAdapter::new(context, *coding, prepared)?;
        let aim = &adapter.within(aim);
        let found = secant::search(&mut adapter, aim)?;
        if found.stopped == Some(StopReason::Cancelled) {
            return Err(JobError::Cancelled);
        }
        let bytes_left = found.best.as_ref().is_some_and(|best| (best.bytes.len() as u64) < aim.good_enough);
        let finer_may_do_better = found.at_finest && bytes_left && ceiling > coding.best_quality();
        let stopped = found.stopped.is_some();
        if stopped {
            adapter.context.trace.cut_short = true;
        }
        result.is_at_finest = found.at_finest;
        result.known = adapter.nearest(&found, aim).or(result.known).filter(|_| !stopped);
        result.candidate = adapter.candidate(found).or(result.candidate);
        if !finer_may_do_better || stopped {
            break;
        }
    }
    Ok(result)
}

/// Where the model expects a search to end.
pub struct Foretold {
    /// The place among its format's codings of the first that is not expected to end with bytes to spare.
    coding: usize,
    pub quality: f64,
    /// Whether the job's quality ceiling is what ends it, with bytes to spare.
    pub is_at_ceiling: bool,
}

/// Where the model expects what `prepared` holds to land on `aim`, without an encode.
///
/// # Errors
/// [`JobError::Encode`].
pub fn expected_quality(context: &mut SearchContext, prepared: &Prepared, aim: &Aim) -> Result<Foretold, JobError> {
    let codings = LossyCoding::of(prepared.format);
    let mut place = 0;
    loop {
        let coding = codings[place];
        let mut adapter = SearchAdapter::new(context, coding, prepared)?;
        let aim = adapter.within(aim);
        let ln_step = secant::predicted_step(&mut adapter, &aim);
        let is_at_finest = ln_step <= *adapter.range.start();
        let may_go_on = place + 1 < codings.len() && adapter.context.job.quality > coding.best_quality();
        if !(is_at_finest && may_go_on) {
            let finest = coding.scale().quality(*adapter.encoder.ln_step_range().start());
            let is_at_ceiling = is_at_finest && adapter.context.job.quality < finest;
            return Ok(Foretold { coding: place, quality: coding.scale().quality(ln_step), is_at_ceiling });
        }
        place += 1;
    }
}

/// Where a search steers that is to be done after one correction: a little lower, so that this is seldom over.
const FAST: SearchWindow = SearchWindow { good_enough: 0.94, position: 0.5 };

/// Share of the cap that the correction may leave beyond that.
const FAST_IMPATIENCE: f64 = 0.09;

fn aim(job: &Job, cap: u64) -> Aim {
    let below = Aim::below(cap);
    match (job.mode, job.effort) {
        (Mode::Close { tolerance }, _) => Aim::around(job.target, tolerance),
        (_, Effort::Fast) => Aim { loss_per_encode: FAST_IMPATIENCE, ..below.within(FAST.good_enough, FAST.position) },
        (_, Effort::Balanced) => below,
        (_, Effort::Best) => Aim { loss_per_encode: 0.0, ..below },
    }
}

/// An encoder as the search holds it: its range cut at the quality ceiling, its files candidate_at and noted.
struct SearchAdapter<'a, 'b, 'p> {
    context: &'a mut SearchContext<'b>,
    coding: LossyCoding,
    picture: &'p Picture,
    encoder: Rc<dyn Encoder + 'p>,
    range: RangeInclusive<f64>,
}

impl<'a, 'b, 'p> SearchAdapter<'a, 'b, 'p> {
    fn new(context: &'a mut SearchContext<'b>, coding: LossyCoding, prepared: &Prepared<'p>) -> Result<Self, JobError> {
        let encoder = prepared.encoder(coding, context.clock.effort(coding, prepared.picture))?;
        let picture = prepared.picture;
        let whole = encoder.ln_step_range();
        let ceiling = context.job.quality.min(coding.best_quality());
        // 100 is the end of every scale, whatever score it stands for.
        let finest = if ceiling >= 100.0 { *whole.start() } else { coding.scale().ln_step(ceiling) };
        let finest = finest.clamp(*whole.start(), *whole.end());
        let range = encoder::at_or_above(finest, |x| encoder.snap(x))..=*whole.end();
        Ok(SearchAdapter { context, coding, picture, encoder, range })
    }

    /// `aim` as the sizes of this coding are foretold, where neither the caller nor the effort says how near is near.
    fn within(&self, aim: &Aim) -> Aim {
        let job = self.context.job;
        let is_usual = job.effort == Effort::Balanced && !matches!(job.mode, Mode::Close { .. });
        match self.coding.search_window(self.picture.pixel_count()).filter(|_| is_usual) {
            Some(SearchWindow { good_enough, position }) => aim.within(good_enough, position),
            None => *aim,
        }
    }

    fn kind(&self, x: f64) -> Kind {
        let quality = self.coding.scale().quality(x);
        let asked = self.context.views.requested;
        let whole = self.picture.width() == asked.width() && self.picture.height() == asked.height();
        if whole { Kind::Quality(quality) } else { Kind::Downscaled(quality) }
    }

    fn candidate_at(&self, x: f64, bytes: Vec<u8>) -> Candidate {
        let format = self.coding.format();
        let (width, height) = (self.picture.width(), self.picture.height());
        Candidate { bytes, format, width, height, kind: self.kind(x), score: None }
    }

    fn nearest(&self, found: &Found, aim: &Aim) -> Option<NearestEncode> {
        let nearest = found.trace.iter().min_by_key(|(_, bytes)| bytes.abs_diff(aim.best))?;
        Some(NearestEncode { quality: self.coding.scale().quality(nearest.0), bytes: nearest.1 })
    }

    fn candidate(&self, found: Found) -> Option<Candidate> {
        found.best.map(|best| self.candidate_at(best.x, best.bytes))
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

    fn probe(&mut self, x: f64) -> Result<Option<f64>, JobError> {
        let probed = self.encoder.probe(x)?;
        if let Some(ln_bytes) = probed {
            self.context.trace.note_probe(self.coding, self.picture, x, ln_bytes);
        }
        Ok(probed)
    }

    fn predict(&mut self, x: f64) -> f64 {
        self.encoder.predict(x)
    }

    fn encode(&mut self, x: f64) -> Result<Vec<u8>, JobError> {
        let started = Instant::now();
        let file = self.context.with_metadata(self.encoder.encode(x)?, self.coding.format());
        self.context.clock.note_encode(self.picture, started.elapsed());
        let candidate = self.candidate_at(x, file);
        self.context.trace.note(&candidate);
        Ok(candidate.bytes)
    }

    fn stop(&self, has_answer: bool) -> Option<StopReason> {
        let has_answer = has_answer || self.context.clock.has_answer;
        let too_late = || has_answer && !self.context.clock.has_time_for_another(self.picture);
        self.context.clock.stop_reason().or_else(|| too_late().then_some(StopReason::Deadline))
    }
}
