//! The time that is left, and the time that an encode takes.

use std::time::Duration;

use crate::codec::lossy_coding::LossyCoding;
use crate::codec::{Effort, Format};
use crate::picture::Picture;
use crate::stop::{Stop, StopReason};

use super::{Job, JobError};

/// Encodes of a search, corrections included (benches/fit/main.rs: 1.1 to 1.9 on average, 2 or 3 at the 95th
/// percentile).
const ENCODES_OF_A_SEARCH: f64 = 3.0;

/// The usual times come from a table. Another machine, or another picture, may be faster by this factor.
const UNCERTAINTY: f64 = 2.0;

/// Usual time of decoding: of opening a file, and of each pixel. The decoders take 8 to 60 ns a pixel.
const USUAL_OPENING: Duration = Duration::from_millis(5);
const USUAL_DECODING_OF_PIXEL: Duration = Duration::from_nanos(30);

/// Decides by the deadline what is still started.
pub(super) struct Clock<'a> {
    job: &'a Job,
    stop: &'a Stop,
    /// Time per pixel of the slowest encode so far.
    slowest: Duration,
    /// How much longer than usual decoding took, at least 1: the machine is slow, or busy with other work.
    slowness: f64,
    /// Whether there is an answer already. From then on no encode is started that the deadline would cut off.
    pub has_answer: bool,
}

impl<'a> Clock<'a> {
    pub(super) fn new(job: &'a Job, stop: &'a Stop) -> Clock<'a> {
        Clock { job, stop, slowest: Duration::ZERO, slowness: 1.0, has_answer: false }
    }

    /// The reason to stop now, if there is one.
    pub(super) fn stop_reason(&self) -> Option<StopReason> {
        self.stop.reason()
    }

    /// # Errors
    /// [`JobError::Cancelled`] or [`JobError::DeadlineExceeded`] when there is a reason to stop.
    pub(super) fn check(&self) -> Result<(), JobError> {
        self.job.check(self.stop)
    }

    /// The error of a job that found no answer in time.
    pub(super) fn deadline_exceeded(&self) -> JobError {
        JobError::DeadlineExceeded { deadline: self.job.deadline }
    }

    /// Whether work that takes `time` would end before the deadline.
    pub(super) fn has_time(&self, time: Duration) -> bool {
        self.stop.has_time_for(time)
    }

    /// Whether another encode of `picture` would end before the deadline if it is as slow as the slowest so far.
    pub(super) fn has_time_for_another(&self, picture: &Picture) -> bool {
        self.has_time(times_pixels(self.slowest, picture))
    }

    /// Whether a first encode of `picture` in `format` would end before the deadline if it takes its usual time.
    pub(super) fn has_time_for_first(&self, format: Format, picture: &Picture) -> bool {
        LossyCoding::of(format).first().is_some_and(|coding| self.has_time(self.usual_time(*coding, picture)))
    }

    /// Whether a first encode of `picture` is worth starting. While there is no answer it may take longer than there
    /// is time, by [`UNCERTAINTY`].
    ///
    /// # Errors
    /// [`JobError::DeadlineExceeded`] when it is not.
    pub(super) fn check_time_for_first(&self, coding: LossyCoding, picture: &Picture) -> Result<(), JobError> {
        let factor = if self.has_answer { 1.0 } else { UNCERTAINTY };
        let is_worth_it = self.has_time(self.usual_time(coding, picture).div_f64(factor));
        if is_worth_it { Ok(()) } else { Err(self.deadline_exceeded()) }
    }

    /// Whether the first encode of `picture` had better fit at once, because there is no time for a second, as slow as
    /// the machine was so far.
    pub(super) fn must_fit_at_once(&self, coding: LossyCoding, picture: &Picture) -> bool {
        let both = self.usual_time(coding, picture).mul_f64(2.0 * self.slowness);
        !self.has_answer && !self.has_time(both)
    }

    /// Notes how long decoding an input of `pixels` took.
    pub(super) fn note_decode(&mut self, pixels: u64, elapsed: Duration) {
        let usual = USUAL_OPENING + USUAL_DECODING_OF_PIXEL.mul_f64(pixels as f64);
        self.slowness = elapsed.div_duration_f64(usual).max(1.0);
    }

    /// Notes how long an encode of `picture` took.
    pub(super) fn note_encode(&mut self, picture: &Picture, elapsed: Duration) {
        self.slowest = self.slowest.max(elapsed.div_f64(picture.pixel_count() as f64));
    }

    /// The effort for `picture`: the job's, or less, so that the encodes of a search end before the deadline. The time
    /// that a job waited does not count, so that the same request has the same answer.
    pub(super) fn effort(&self, coding: LossyCoding, picture: &Picture) -> Effort {
        let encodes = |effort| coding.cost(effort).mul_f64(picture.pixel_count() as f64 * ENCODES_OF_A_SEARCH);
        let efforts = [Effort::Best, Effort::Balanced].into_iter().filter(|effort| *effort <= self.job.effort);
        efforts.into_iter().find(|effort| encodes(*effort) <= self.job.deadline).unwrap_or(Effort::Fast)
    }

    /// Time that an encode usually takes, or more when encodes were slower so far.
    fn usual_time(&self, coding: LossyCoding, picture: &Picture) -> Duration {
        times_pixels(coding.cost(self.effort(coding, picture)).max(self.slowest), picture)
    }
}

fn times_pixels(time_per_pixel: Duration, picture: &Picture) -> Duration {
    time_per_pixel.mul_f64(picture.pixel_count() as f64)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::job::Formats;
    use crate::picture::Layout;

    /// What `ask` says of a clock and a picture of a megapixel.
    fn ask_clock<T>(effort: Effort, deadline: Duration, ask: impl FnOnce(&mut Clock, &Picture) -> T) -> T {
        let job = Job { effort, deadline, ..Job::new(1000, Formats::Keep) };
        let picture = Picture::new(1000, 1000, Layout::Rgb, vec![0; 3_000_000]);
        let stop = Stop::at(Instant::now() + deadline);
        ask(&mut Clock::new(&job, &stop), &picture)
    }

    fn effort_within(deadline: Duration, asked: Effort) -> Effort {
        ask_clock(asked, deadline, |clock, picture| clock.effort(LossyCoding::Webp, picture))
    }

    #[test]
    fn an_encode_is_not_begun_that_ends_long_after_the_deadline() {
        let may_begin = |milliseconds| {
            ask_clock(Effort::Fast, Duration::from_millis(milliseconds), |clock, picture| {
                clock.check_time_for_first(LossyCoding::Webp, picture).is_ok()
            })
        };
        assert!(may_begin(10_000));
        assert!(!may_begin(1));
    }

    #[test]
    fn an_answer_is_not_put_at_risk_by_an_encode_that_may_be_late() {
        // An encode of WebP usually takes 50 ms.
        let begins = |has_answer| {
            ask_clock(Effort::Fast, Duration::from_millis(40), |clock, picture| {
                clock.has_answer = has_answer;
                clock.check_time_for_first(LossyCoding::Webp, picture).is_ok()
            })
        };
        assert!(begins(false));
        assert!(!begins(true));
    }

    #[test]
    fn a_slow_decode_says_that_there_is_no_time_for_a_second_encode() {
        let must_fit = |decode_ms, has_answer| {
            ask_clock(Effort::Fast, Duration::from_secs(10), |clock, picture| {
                clock.note_decode(picture.pixel_count(), Duration::from_millis(decode_ms));
                clock.has_answer = has_answer;
                clock.must_fit_at_once(LossyCoding::Webp, picture)
            })
        };
        // Two encodes of WebP usually take 100 ms, and decoding a megapixel at most 35 ms.
        assert!(!must_fit(8, false));
        assert!(!must_fit(350, false));
        assert!(must_fit(7_000, false));
        assert!(!must_fit(7_000, true));
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
