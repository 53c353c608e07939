//! The last hour in intervals of five seconds, for people who look at the service now. Prometheus keeps what is older.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::durations::Durations;
use super::labels::{CacheResult, Status};
use crate::job::Report;

/// The length of an interval.
pub const INTERVAL: Duration = Duration::from_secs(5);

/// Intervals kept: an hour.
const KEPT: usize = 720;

/// What happened in an interval, and how things stood at its end. Requests are those on routes that compute answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Interval {
    /// The end, in seconds since 1970.
    pub ended: u64,
    /// How long it was.
    pub length: Duration,
    pub requests: u64,
    /// Answers with a status from 400 to 499.
    pub client_errors: u64,
    /// Answers with status 500 or 504. Those with 502 are of hosts that failed.
    pub server_errors: u64,
    /// Requests and connections refused.
    pub shed: u64,
    /// Lookups in the cache, and those that found the answer.
    pub lookups: u64,
    pub hits: u64,
    /// Worker processes that died in the middle of a job.
    pub deaths: u64,
    /// Jobs computed, and the full-size encodes that they did.
    pub jobs: u64,
    pub encodes: u64,
    /// Bytes of the inputs that were answered, and of them those that were saved.
    pub input_bytes: u64,
    pub saved_bytes: u64,
    pub(super) durations: Durations,
    pub(super) statuses: [u32; Status::ALL.len()],
    pub gauges: GaugeReadings,
}

/// How things stand at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct GaugeReadings {
    pub queued: u64,
    pub in_flight: u64,
    pub workers: u64,
    pub memory_reserved_bytes: u64,
    pub rss_bytes: u64,
    /// Items of batches that have not ended.
    pub batch_items: u64,
}

/// Whether a status refuses a request. That takes no time, and many of them would hide how long pictures take.
pub(super) fn is_refusal(code: u16) -> bool {
    matches!(code, 400..=499 | 503)
}

impl Interval {
    /// Counts an answered request.
    pub(super) fn request(&mut self, code: u16, status: Status, elapsed: Duration) {
        self.requests += 1;
        self.statuses[status as usize] += 1;
        match code {
            400..=499 => self.client_errors += 1,
            500 | 504 => self.server_errors += 1,
            _ => {}
        }
        if !is_refusal(code) {
            self.durations.add(elapsed);
        }
    }

    /// Counts a lookup in the cache. One that waited for an identical request found nothing and computed nothing.
    pub(super) fn lookup(&mut self, result: CacheResult) {
        self.lookups += u64::from(result != CacheResult::Collapsed);
        self.hits += u64::from(result == CacheResult::Hit);
    }

    /// Counts a computed job.
    pub(super) fn job(&mut self, report: &Report) {
        self.jobs += 1;
        self.encodes += u64::from(report.encodes);
    }

    /// Counts an answer that was served.
    pub(super) fn answer(&mut self, report: &Report) {
        self.input_bytes += report.input.bytes;
        self.saved_bytes += report.input.bytes.saturating_sub(report.output.bytes);
    }

    /// The statuses that were answered, and how often.
    pub(crate) fn statuses(&self) -> impl Iterator<Item = (Status, u32)> {
        Status::ALL.iter().copied().zip(self.statuses).filter(|(_, count)| *count > 0)
    }

    /// Requests in a second.
    pub(crate) fn rate(&self) -> f64 {
        share(self.requests as f64, self.length.as_secs_f64())
    }

    /// The share of lookups in the cache that found the answer. `None` when there were none.
    pub(crate) fn hit_ratio(&self) -> Option<f64> {
        (self.lookups > 0).then(|| share(self.hits as f64, self.lookups as f64))
    }

    /// The share of requests that ended with an error of the service.
    pub(crate) fn error_ratio(&self) -> f64 {
        share(self.server_errors as f64, self.requests as f64)
    }

    /// The share of requests and connections that were refused.
    pub(crate) fn shed_ratio(&self) -> f64 {
        share(self.shed as f64, self.requests.max(self.shed) as f64)
    }

    /// The duration that `percent` of the requests do not exceed, to a quarter; refusals are left out. Zero when there
    /// were none.
    pub(crate) fn latency(&self, percent: u64) -> Duration {
        self.durations.quantile(percent)
    }

    fn add(&mut self, later: &Interval) {
        self.ended = later.ended;
        self.length += later.length;
        self.requests += later.requests;
        self.client_errors += later.client_errors;
        self.server_errors += later.server_errors;
        self.shed += later.shed;
        self.lookups += later.lookups;
        self.hits += later.hits;
        self.deaths += later.deaths;
        self.jobs += later.jobs;
        self.encodes += later.encodes;
        self.input_bytes += later.input_bytes;
        self.saved_bytes += later.saved_bytes;
        self.durations.add_all(&later.durations);
        self.statuses.iter_mut().zip(later.statuses).for_each(|(count, more)| *count += more);
        self.gauges = later.gauges;
    }
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// The intervals of the last hour, the oldest first, and the one that has not ended.
#[derive(Debug, Default)]
pub(super) struct History(Mutex<Intervals>);

#[derive(Debug, Default)]
struct Intervals {
    current: Interval,
    ended: VecDeque<Interval>,
}

impl History {
    /// Counts something in the interval that has not ended.
    pub(super) fn count(&self, count: impl FnOnce(&mut Interval)) {
        count(&mut self.lock().current);
    }

    /// Ends the interval, and drops the oldest of an hour.
    pub(super) fn end_interval(&self, length: Duration, gauges: GaugeReadings) {
        let mut intervals = self.lock();
        let ended = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let interval = Interval { ended, length, gauges, ..std::mem::take(&mut intervals.current) };
        if intervals.ended.len() == KEPT {
            intervals.ended.pop_front();
        }
        intervals.ended.push_back(interval);
    }

    /// Calls `see` with each interval that has ended, the oldest first, and returns the results.
    pub(super) fn map<T>(&self, see: impl FnMut(&Interval) -> T) -> Vec<T> {
        // A copy, so that nobody who counts waits for what `see` does.
        let ended = self.lock().ended.clone();
        ended.iter().map(see).collect()
    }

    /// The whole hour as one interval, with the one that has not ended.
    pub(super) fn hour(&self) -> Interval {
        let intervals = self.lock();
        let mut hour = Interval::default();
        intervals.ended.iter().for_each(|interval| hour.add(interval));
        let gauges = hour.gauges;
        hour.add(&intervals.current);
        Interval { gauges, ..hour }
    }

    /// The counts are whole even if the lock is poisoned.
    fn lock(&self) -> MutexGuard<'_, Intervals> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(history: &History) {
        history.end_interval(INTERVAL, GaugeReadings::default());
    }

    #[test]
    fn an_interval_has_what_happened_in_it() {
        let history = History::default();
        for code in [200, 200, 404, 422, 500, 503, 504] {
            history.count(|now| now.request(code, Status::Other, Duration::from_millis(100)));
        }
        history.end_interval(INTERVAL, GaugeReadings { queued: 3, ..GaugeReadings::default() });
        ends(&history);
        let found = history.map(|interval| (interval.requests, interval.client_errors, interval.server_errors));
        assert_eq!(found, [(7, 2, 2), (0, 0, 0)]);
        let first = history.map(Interval::clone).remove(0);
        assert_eq!((first.rate(), first.gauges.queued), (1.4, 3));
        assert!(first.latency(50) >= Duration::from_millis(100) && first.latency(95) <= Duration::from_millis(125));
    }

    #[test]
    fn refusals_do_not_hide_how_long_pictures_take() {
        let history = History::default();
        history.count(|now| now.request(200, Status::S200, Duration::from_secs(2)));
        for code in [400, 422, 503, 422, 503] {
            history.count(|now| now.request(code, Status::Other, Duration::from_millis(1)));
        }
        assert!(history.hour().latency(50) >= Duration::from_secs(2));
    }

    #[test]
    fn only_an_hour_is_kept() {
        let history = History::default();
        history.count(|now| now.requests = 1000);
        ends(&history);
        for _ in 0..KEPT {
            history.count(|now| now.requests += 1);
            ends(&history);
        }
        assert_eq!(history.map(|_| ()).len(), KEPT);
        assert_eq!(history.hour().requests, KEPT as u64);
    }

    #[test]
    fn the_hour_has_what_happens_now() {
        let history = History::default();
        history.count(|now| now.shed += 1);
        ends(&history);
        history.count(|now| now.request(500, Status::S500, Duration::from_secs(1)));
        let hour = history.hour();
        assert_eq!((hour.requests, hour.shed, hour.error_ratio(), hour.shed_ratio()), (1, 1, 1.0, 1.0));
    }

    #[test]
    fn an_interval_in_which_nothing_happened_has_no_ratios() {
        let nothing = Interval::default();
        assert_eq!((nothing.rate(), nothing.error_ratio(), nothing.shed_ratio()), (0.0, 0.0, 0.0));
        assert_eq!(nothing.hit_ratio(), None);
    }
}
