//! What the parts of a search share: the job, the picture, and the record of what was tried.

use std::rc::Rc;
use std::time::Duration;

use crate::codec::lossy_coding::LossyCoding;
use crate::codec::{Format, Metadata, container};
use crate::picture::score::{self, Reference};
use crate::picture::{Picture, transform};
use crate::stop::{Stop, StopReason};

use super::candidate::Candidate;
use super::prepared::Prepared;
use super::{Effort, Job, JobError, Mode, Nearest, Smallest, Step, StepKind, finish, lossless, scale_gain};

/// Encodes that a search takes, those of a correction included (benches/fit/main.rs: 1.0 to 1.8, 2 or 3 in 95 of 100).
const ENCODES_OF_A_SEARCH: f64 = 3.0;

/// Times are told from a table: another machine, or another picture, may be faster by this.
const UNCERTAINTY: f64 = 2.0;

/// Pixels of a smaller picture that are looked at before it is chosen, where it has more: about as many as are counted.
const SEEN_PIXELS: u64 = 450_000;

/// One job at work on one picture.
pub struct SearchContext<'a> {
    pub job: &'a Job,
    /// The picture asked for: upright, resized.
    pub picture: &'a Picture,
    views: Views<'a>,
    /// The same as each format that was asked for holds it.
    prepared: Vec<Rc<Prepared<'a>>>,
    /// What is seen of the picture asked for at smaller sizes before one is chosen: the same for every format.
    parts: Vec<((u32, u32), Rc<Picture>)>,
    details: Option<scale_gain::Details>,
    /// Whether the picture may be made smaller than asked for.
    pub may_shrink: bool,
    /// Whether lossless encodes are tried.
    pub may_be_lossless: bool,
    /// Whether there is an answer already: then nothing is begun that the deadline would cut off.
    pub has_answer: bool,
    /// What is written into every file.
    metadata: &'a Metadata,
    stop: &'a Stop,
    record: Record,
    /// Time for each pixel of the slowest encode so far.
    slowest: Duration,
    /// The picture, ready to be compared with; made when the first score is asked for.
    reference: Option<Reference>,
}

/// The picture asked for, in the ways that it is encoded.
#[derive(Clone, Copy)]
pub struct Views<'a> {
    /// As it is.
    pub asked: &'a Picture,
    /// Without colours that nobody sees.
    pub without_hidden_colour: &'a Picture,
    /// On the background, without an alpha channel.
    pub flattened: &'a Picture,
}

/// Every encode of a job, in order, and where each format ended that found nothing small enough.
#[derive(Clone, Debug, Default)]
pub struct Record {
    pub steps: Vec<Step>,
    /// Whether the deadline ended a search early, or chose a format or kept one from being tried.
    pub cut_short: bool,
    /// Of each format the lossless file, and the coarsest encode of the smallest picture. Every search that gives up has been
    /// there, so that asking for its size will not fail, whereas a file that is smaller still may not be found again.
    floors: Vec<Candidate>,
}

impl Record {
    /// The steps that are no probes.
    pub fn encodes(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.kind != StepKind::Probe)
    }
}

impl<'a> SearchContext<'a> {
    /// An empty context for what came as `input`.
    pub fn new(
        job: &'a Job,
        views: Views<'a>,
        input: Format,
        metadata: &'a Metadata,
        stop: &'a Stop,
    ) -> SearchContext<'a> {
        SearchContext {
            job,
            picture: views.asked,
            views,
            prepared: Vec::new(),
            parts: Vec::new(),
            details: None,
            may_shrink: job.downscale,
            may_be_lossless: lossless::is_thinkable(job, input, views.asked.pixel_count()),
            has_answer: false,
            metadata,
            stop,
            record: Record::default(),
            slowest: Duration::ZERO,
            reference: None,
        }
    }

    /// The record of a job that needed no context.
    pub fn idle() -> Record {
        Record::default()
    }

    /// The record, the context being done.
    pub fn into_record(self) -> Record {
        self.record
    }

    /// A reason to stop, once there is one.
    pub fn stop_reason(&self) -> Option<StopReason> {
        self.stop.reason()
    }

    /// Whether one more encode of `picture` would be done by the deadline, as slow as the slowest so far.
    pub fn has_time_for(&self, picture: &Picture) -> bool {
        self.has_time(self.slowest.mul_f64(picture.pixel_count() as f64))
    }

    /// Whether a first encode of the picture asked for in `format` would be done by the deadline, at its usual pace.
    pub fn has_time_for_format(&mut self, format: Format) -> bool {
        let picture = self.prepared(format).picture;
        LossyCoding::of(format).first().is_some_and(|coding| self.has_time(self.expected(*coding, picture)))
    }

    /// Nothing, where a first encode of `picture` is worth beginning: at its usual pace it would not take longer than
    /// there is time, or, while there is no answer, not much longer.
    ///
    /// # Errors
    /// [`JobError::DeadlineExceeded`].
    pub fn check_time(&self, coding: LossyCoding, picture: &Picture) -> Result<(), JobError> {
        let hope = if self.has_answer { 1.0 } else { UNCERTAINTY };
        let is_near = self.has_time(self.expected(coding, picture).div_f64(hope));
        if is_near { Ok(()) } else { Err(JobError::DeadlineExceeded { deadline: self.job.deadline }) }
    }

    /// Time that an encode is expected to take.
    fn expected(&self, coding: LossyCoding, picture: &Picture) -> Duration {
        let pace = coding.cost(self.effort(coding, picture)).max(self.slowest);
        pace.mul_f64(picture.pixel_count() as f64)
    }

    /// Whether work that takes `expected` would be done by the deadline.
    pub fn has_time(&self, expected: Duration) -> bool {
        self.stop.has_time_for(expected)
    }

    /// Whether a comparison with the picture asked for would be done by the deadline.
    pub fn has_time_to_score(&self) -> bool {
        self.has_time(score::COST.mul_f64(self.picture.pixel_count() as f64))
    }

    /// Notes that more time might have found a better answer.
    pub fn note_cut(&mut self) {
        self.record.cut_short = true;
    }

    /// Whether it would.
    pub fn is_cut(&self) -> bool {
        self.record.cut_short
    }

    /// Notes how long an encode of `picture` took.
    pub fn note_pace(&mut self, picture: &Picture, elapsed: Duration) {
        self.slowest = self.slowest.max(elapsed.div_f64(picture.pixel_count() as f64));
    }

    /// The effort that is made for `picture`: the job's, or as much less as brings the encodes of a search within the
    /// deadline. The time that a job waited does not count, so that the same request has the same answer.
    pub fn effort(&self, coding: LossyCoding, picture: &Picture) -> Effort {
        let asked = self.job.effort;
        let encodes = |effort| coding.cost(effort).mul_f64(picture.pixel_count() as f64 * ENCODES_OF_A_SEARCH);
        let efforts = [Effort::Best, Effort::Balanced].into_iter().filter(|effort| *effort <= asked);
        efforts.into_iter().find(|effort| encodes(*effort) <= self.job.deadline).unwrap_or(Effort::Fast)
    }

    /// The picture asked for, as `format` holds it when it is lossy.
    pub fn prepared(&mut self, format: Format) -> Rc<Prepared<'a>> {
        if let Some(known) = self.prepared.iter().find(|prepared| prepared.format == format) {
            return known.clone();
        }
        let picture = if format.keeps_alpha() { self.views.without_hidden_colour } else { self.views.flattened };
        let prepared = Rc::new(Prepared::new(format, picture));
        self.prepared.push(prepared.clone());
        prepared
    }

    /// What is seen of `whole` at `width` x `height`, of about [`SEEN_PIXELS`] at the most.
    pub fn part(&mut self, whole: &Picture, (width, height): (u32, u32)) -> Rc<Picture> {
        let scaled = || Rc::new(transform::scale_in_part(whole, width, height, SEEN_PIXELS));
        if !self.is_shared(whole) {
            return scaled();
        }
        if let Some((_, part)) = self.parts.iter().find(|(size, _)| *size == (width, height)) {
            return part.clone();
        }
        let part = scaled();
        self.parts.push(((width, height), part.clone()));
        part
    }

    /// The detail of `whole`.
    pub fn details(&mut self, whole: &Picture) -> scale_gain::Details {
        if self.is_shared(whole) {
            return *self.details.get_or_insert_with(|| scale_gain::details(whole));
        }
        scale_gain::details(whole)
    }

    /// Whether `whole` is what every format holds. Where there is an alpha channel it is not, and parts are large.
    fn is_shared(&self, whole: &Picture) -> bool {
        std::ptr::eq(whole, self.picture) && !whole.has_alpha()
    }

    /// `file` as it would be sent: with the metadata that the job keeps.
    pub fn with_metadata(&self, file: Vec<u8>, format: Format) -> Vec<u8> {
        if self.metadata.is_empty() { file } else { container::embed(file, format, self.metadata) }
    }

    /// Notes an encode.
    pub fn note(&mut self, candidate: &Candidate) {
        let (format, width, height) = (candidate.format, candidate.width, candidate.height);
        let (quality, bytes) = (candidate.kind.quality(), candidate.len());
        let kind = if quality.is_some() { StepKind::Encode } else { StepKind::Lossless };
        self.record.steps.push(Step { format, width, height, quality: quality.map(finish::on_scale), bytes, kind });
        let is_same =
            |floor: &&mut Candidate| floor.format == format && floor.kind.quality().is_none() == quality.is_none();
        match self.record.floors.iter_mut().find(is_same) {
            Some(floor) if candidate.is_below(floor) => *floor = candidate.clone(),
            Some(_) => {}
            None => self.record.floors.push(candidate.clone()),
        }
    }

    /// Bytes of the lossless file in `format`, once it was made.
    pub fn lossless_bytes(&self, format: Format) -> Option<u64> {
        let is_it = |step: &&Step| step.format == format && step.kind == StepKind::Lossless;
        self.record.steps.iter().find(is_it).map(|step| step.bytes)
    }

    /// Notes a cheaper encode and the size that it foretells for `coding` at `ln_step`.
    pub fn note_probe(&mut self, coding: LossyCoding, picture: &Picture, ln_step: f64, ln_bytes: f64) {
        let quality = Some(finish::on_scale(coding.scale().quality(ln_step)));
        let (format, width, height) = (coding.format(), picture.width(), picture.height());
        let bytes = ln_bytes.exp() as u64;
        self.record.steps.push(Step { format, width, height, quality, bytes, kind: StepKind::Probe });
    }

    /// The refusal that names the smallest file that can be had, or what stopped the search before there was any.
    pub fn unreachable(&self) -> JobError {
        match (self.job.check(self.stop), self.floor()) {
            (Err(stopped), _) => stopped,
            (Ok(()), Some(floor)) => {
                let (bytes, quality) = (floor.len(), floor.kind.quality().map(finish::on_scale));
                let metadata_bytes = container::embedded_bytes(floor.format, self.metadata);
                let (format, width, height) = (floor.format, floor.width, floor.height);
                let smallest = Smallest { bytes, format, width, height, quality, metadata_bytes };
                JobError::TargetUnreachable { target: self.job.target, smallest, nearest: self.nearest() }
            }
            // Nothing was encoded, and only a stop can be why.
            (Ok(()), None) => JobError::DeadlineExceeded { deadline: self.job.deadline },
        }
    }

    /// Where the job is to land close to its target, how near an encode came.
    fn nearest(&self) -> Option<Nearest> {
        let Mode::Close { tolerance } = self.job.mode else { return None };
        let sizes = self.record.encodes().map(|step| step.bytes);
        let bytes = sizes.min_by_key(|bytes| bytes.abs_diff(self.job.target))?;
        Some(Nearest { bytes, tolerance })
    }

    /// The smallest file that can be had.
    pub fn smallest(&self) -> Option<Candidate> {
        self.floor().cloned()
    }

    fn floor(&self) -> Option<&Candidate> {
        self.record.floors.iter().min_by_key(|floor| floor.len())
    }

    /// SSIMULACRA2 of `candidate` against the picture asked for; a smaller one is scaled up first, as a page
    /// would show it.
    pub fn score(&mut self, candidate: &Candidate) -> Result<f64, JobError> {
        let reference = self.reference.get_or_insert_with(|| Reference::new(self.picture, self.job.background));
        finish::score(reference, candidate, self.picture)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::job::Formats;
    use crate::picture::Layout;

    /// What `ask` says of a context with a picture of a megapixel.
    fn on_bench<T>(effort: Effort, deadline: Duration, ask: impl FnOnce(&mut SearchContext) -> T) -> T {
        let job = Job { effort, deadline, ..Job::new(1000, Formats::Keep) };
        let picture = Picture::new(1000, 1000, Layout::Rgb, vec![0; 3_000_000]);
        let views = Views { asked: &picture, without_hidden_colour: &picture, flattened: &picture };
        let (metadata, stop) = (Metadata::default(), Stop::at(Instant::now() + deadline));
        ask(&mut SearchContext::new(&job, views, Format::Jpeg, &metadata, &stop))
    }

    fn effort_within(deadline: Duration, asked: Effort) -> Effort {
        on_bench(asked, deadline, |context| context.effort(LossyCoding::Webp, context.picture))
    }

    #[test]
    fn an_encode_is_not_begun_that_ends_long_after_the_deadline() {
        let may_begin = |milliseconds| {
            on_bench(Effort::Fast, Duration::from_millis(milliseconds), |context| {
                context.check_time(LossyCoding::Webp, context.picture).is_ok()
            })
        };
        assert!(may_begin(10_000));
        assert!(!may_begin(1));
    }

    #[test]
    fn an_answer_is_not_put_at_risk_by_an_encode_that_may_be_late() {
        // 50 ms are what an encode of WebP is expected to take.
        let begins = |has_answer| {
            on_bench(Effort::Fast, Duration::from_millis(40), |context| {
                context.has_answer = has_answer;
                context.check_time(LossyCoding::Webp, context.picture).is_ok()
            })
        };
        assert!(begins(false));
        assert!(!begins(true));
    }

    #[test]
    fn what_is_seen_at_a_size_is_scaled_once_unless_formats_hold_other_pixels() {
        on_bench(Effort::Balanced, Duration::from_secs(1), |context| {
            let seen = |context: &mut SearchContext, whole: &Picture| context.part(whole, (100, 100));
            let (whole, other) = (context.picture, Picture::new(500, 500, Layout::Rgb, vec![9; 750_000]));
            let first = seen(context, whole);
            assert!(Rc::ptr_eq(&first, &seen(context, whole)));
            assert_eq!((first.pixels()[0], seen(context, &other).pixels()[0]), (0, 9));
            assert!(context.details(whole) == context.details(&other), "neither has any");
        });
    }

    #[test]
    fn less_effort_is_made_where_the_deadline_has_no_time_for_more() {
        assert_eq!(effort_within(Duration::from_secs(10), Effort::Best), Effort::Best);
        assert_eq!(effort_within(Duration::from_millis(500), Effort::Best), Effort::Balanced);
        assert_eq!(effort_within(Duration::from_millis(500), Effort::Balanced), Effort::Balanced);
        assert_eq!(effort_within(Duration::from_millis(50), Effort::Best), Effort::Fast);
        assert_eq!(effort_within(Duration::from_secs(10), Effort::Fast), Effort::Fast);
    }
}
