//! Lossy answers in one format: the search at a size, and the choice to go smaller.
//! Must not know how formats are chosen.

use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::Instant;

use crate::codec::variant::{Steering, Variant};
use crate::codec::{Encoder, Format};
use crate::fit::aim::Aim;
use crate::fit::encode::{self, Encode};
use crate::fit::search::{self, Found};
use crate::fit::stop::StopReason;
use crate::picture::Picture;

use super::candidate::{Candidate, Kind};
use super::downscale;
use super::look::Outlook;
use super::prepared::Prepared;
use super::workbench::Workbench;
use super::{Effort, Job, JobError, Mode};

/// The best-looking file of `format` within `cap` bytes, of which `outlook` is expected where that is known
/// already; none when no setting reaches it.
///
/// # Errors
/// [`JobError::Encode`], [`JobError::Cancelled`], [`JobError::DeadlineExceeded`] where there is no time to begin.
pub fn candidate(
    bench: &mut Workbench,
    format: Format,
    cap: u64,
    outlook: Option<Outlook>,
) -> Result<Option<Candidate>, JobError> {
    let aim = aim(bench.job, cap);
    let whole = bench.prepared(format);
    let chosen = if bench.may_shrink {
        let outlook = outlook.map_or_else(|| downscale::outlook(bench, &whole, &aim), Ok)?;
        downscale::best_scale(bench, &whole, &aim, outlook)?
    } else {
        at_size(bench, &whole, &aim)?.candidate
    };
    Ok(chosen.filter(|candidate| bench.job.mode.can_be_met(bench.job.target, candidate.len())))
}

/// What the model expects of `format` within `cap` bytes.
///
/// # Errors
/// [`JobError::Encode`].
pub fn outlook(bench: &mut Workbench, format: Format, cap: u64) -> Result<Outlook, JobError> {
    let (aim, whole) = (aim(bench.job, cap), bench.prepared(format));
    if bench.may_shrink {
        return downscale::outlook(bench, &whole, &aim);
    }
    Ok(Outlook::of_whole(foretell(bench, &whole, &aim)?))
}

/// Where a search at one size ended.
pub struct Landing {
    /// The best file within the cap; none when no setting reaches it.
    pub candidate: Option<Candidate>,
    /// The encode nearest to the cap; none where the search ended early, so that nothing follows from it.
    pub known: Option<Known>,
}

/// An encode, as a fact about the picture.
pub struct Known {
    /// On the format's scale.
    pub quality: f64,
    pub bytes: u64,
}

/// The best file of what `prepared` holds, as large as it is.
///
/// # Errors
/// As [`candidate`].
pub fn at_size(bench: &mut Workbench, prepared: &Prepared, aim: &Aim) -> Result<Landing, JobError> {
    let mut landing = Landing { candidate: None, known: None };
    let ceiling = bench.job.quality;
    let (first, _) = foretold(bench, prepared, aim)?;
    for variant in &Variant::of(prepared.format)[first..] {
        if landing.candidate.is_none() {
            bench.check_time(*variant, prepared.picture)?;
        }
        let mut hand = Hand::new(bench, *variant, prepared)?;
        let aim = &hand.steered(aim);
        let found = search::search(&mut hand, aim)?;
        if found.stopped == Some(StopReason::Cancelled) {
            return Err(JobError::Cancelled);
        }
        let bytes_left = found.best.as_ref().is_some_and(|best| (best.bytes.len() as u64) < aim.content);
        let finer_may_do_better = found.at_finest && bytes_left && ceiling > variant.best_quality();
        let stopped = found.stopped.is_some();
        if stopped {
            hand.bench.note_cut();
        }
        landing.known = hand.nearest(&found, aim).or(landing.known).filter(|_| !stopped);
        landing.candidate = hand.candidate(found).or(landing.candidate);
        if !finer_may_do_better || stopped {
            break;
        }
    }
    Ok(landing)
}

/// The quality at which the model expects what `prepared` holds to land on `aim`, without an encode.
///
/// # Errors
/// [`JobError::Encode`].
pub fn foretell(bench: &mut Workbench, prepared: &Prepared, aim: &Aim) -> Result<f64, JobError> {
    let (place, ln_step) = foretold(bench, prepared, aim)?;
    Ok(Variant::of(prepared.format)[place].scale().quality(ln_step))
}

/// The place among its format's variants of the first that the model does not expect to end with bytes to spare, and
/// the ln(step) that it expects there.
///
/// # Errors
/// [`JobError::Encode`].
fn foretold(bench: &mut Workbench, prepared: &Prepared, aim: &Aim) -> Result<(usize, f64), JobError> {
    let variants = Variant::of(prepared.format);
    let mut place = 0;
    loop {
        let variant = variants[place];
        let mut hand = Hand::new(bench, variant, prepared)?;
        let aim = hand.steered(aim);
        let ln_step = search::foretell(&mut hand, &aim);
        let is_at_finest = ln_step <= *hand.range.start();
        let may_go_on = place + 1 < variants.len() && bench.job.quality > variant.best_quality();
        if !(is_at_finest && may_go_on) {
            return Ok((place, ln_step));
        }
        place += 1;
    }
}

fn aim(job: &Job, cap: u64) -> Aim {
    let below = Aim::below(cap);
    match (job.mode, job.effort) {
        (Mode::Close { tolerance }, _) => Aim::around(job.target, tolerance),
        // One correction, wherever it lands below the cap.
        (_, Effort::Fast) => Aim { impatience: 1.0, ..below },
        (_, Effort::Balanced) => below,
        (_, Effort::Best) => Aim { impatience: 0.0, ..below },
    }
}

/// An encoder as the search holds it: its range cut at the quality ceiling, its files dressed and noted.
struct Hand<'a, 'b, 'p> {
    bench: &'a mut Workbench<'b>,
    variant: Variant,
    picture: &'p Picture,
    encoder: Rc<dyn Encoder + 'p>,
    range: RangeInclusive<f64>,
}

impl<'a, 'b, 'p> Hand<'a, 'b, 'p> {
    fn new(bench: &'a mut Workbench<'b>, variant: Variant, prepared: &Prepared<'p>) -> Result<Self, JobError> {
        let encoder = prepared.encoder(variant, bench.effort(variant, prepared.picture))?;
        let picture = prepared.picture;
        let whole = encoder.ln_step_range();
        let ceiling = bench.job.quality.min(variant.best_quality());
        // 100 is the end of every scale, whatever score it stands for.
        let finest = if ceiling >= 100.0 { *whole.start() } else { variant.scale().ln_step(ceiling) };
        let finest = finest.clamp(*whole.start(), *whole.end());
        let range = encode::at_or_above(finest, |x| encoder.snap(x))..=*whole.end();
        Ok(Hand { bench, variant, picture, encoder, range })
    }

    /// `aim` as the sizes of this variant are foretold, where neither the caller nor the effort says how near is near.
    fn steered(&self, aim: &Aim) -> Aim {
        let job = self.bench.job;
        let is_usual = job.effort == Effort::Balanced && !matches!(job.mode, Mode::Close { .. });
        match self.variant.steering(self.picture.pixel_count()).filter(|_| is_usual) {
            Some(Steering { content, way }) => aim.steered(content, way),
            None => *aim,
        }
    }

    fn kind(&self, x: f64) -> Kind {
        let quality = self.variant.scale().quality(x);
        let asked = self.bench.picture;
        let whole = self.picture.width() == asked.width() && self.picture.height() == asked.height();
        if whole { Kind::Quality(quality) } else { Kind::Downscaled(quality) }
    }

    fn dressed(&self, x: f64, bytes: Vec<u8>) -> Candidate {
        let format = self.variant.format();
        let (width, height) = (self.picture.width(), self.picture.height());
        Candidate { bytes, format, width, height, kind: self.kind(x), score: None }
    }

    fn nearest(&self, found: &Found, aim: &Aim) -> Option<Known> {
        let nearest = found.trace.iter().min_by_key(|(_, bytes)| bytes.abs_diff(aim.best))?;
        Some(Known { quality: self.variant.scale().quality(nearest.0), bytes: nearest.1 })
    }

    fn candidate(&self, found: Found) -> Option<Candidate> {
        found.best.map(|best| self.dressed(best.x, best.bytes))
    }
}

impl Encode for Hand<'_, '_, '_> {
    type Error = JobError;

    fn range(&self) -> RangeInclusive<f64> {
        self.range.clone()
    }

    fn snap(&self, x: f64) -> f64 {
        self.encoder.snap(x)
    }

    fn guess(&self, ln_bytes: f64) -> f64 {
        self.variant.scale().ln_step_for(self.picture.pixel_count(), ln_bytes)
    }

    fn probe(&mut self, x: f64) -> Result<Option<f64>, JobError> {
        let probed = self.encoder.probe(x)?;
        if let Some(ln_bytes) = probed {
            self.bench.note_probe(self.variant, self.picture, x, ln_bytes);
        }
        Ok(probed)
    }

    fn predict(&mut self, x: f64) -> f64 {
        self.encoder.estimate(x)
    }

    fn encode(&mut self, x: f64) -> Result<Vec<u8>, JobError> {
        let started = Instant::now();
        let file = self.bench.dress(self.encoder.encode(x)?, self.variant.format());
        self.bench.note_pace(self.picture, started.elapsed());
        let candidate = self.dressed(x, file);
        self.bench.note(&candidate);
        Ok(candidate.bytes)
    }

    fn stop(&self, has_answer: bool) -> Option<StopReason> {
        let has_answer = has_answer || self.bench.has_answer;
        let too_late = || has_answer && !self.bench.has_time_for(self.picture);
        self.bench.stop_reason().or_else(|| too_late().then_some(StopReason::Deadline))
    }
}
