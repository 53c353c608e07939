//! The phase of a connection: what it waits for and since when, so that none waits for ever.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::http::Config;

/// How long a connection stays open after its last answer while the client is still sending. Closing at once would
/// reset the connection, and the client would lose the answer (RFC 9112 s9.6).
const LINGER: Duration = Duration::from_secs(5);

/// What a connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The next request. The rest of an answer whose body has ended may still be written.
    Idle,
    /// The rest of a request's head.
    Head,
    /// The service, or a request's body, which has a deadline of its own.
    Handling,
    /// The service, which has not yet produced all of the answer's body.
    Answering,
    /// The client, which has to read more of its answer. It began when the client last kept up with the least rate.
    Unread,
    /// The client, which has to close after its last answer.
    Closing,
}

impl Phase {
    fn limit(self, config: &Config) -> Option<Duration> {
        match self {
            Phase::Idle | Phase::Unread => Some(config.keep_alive_timeout),
            Phase::Head => Some(config.header_timeout),
            Phase::Handling | Phase::Answering => None,
            Phase::Closing => Some(LINGER),
        }
    }
}

/// The phase of a connection, and when it began.
#[derive(Debug)]
pub(super) struct ConnectionPhase {
    phase: watch::Sender<(Phase, Instant)>,
    /// Bytes a second that a client has to read; 0 is any.
    min_answer_rate: u64,
    /// Whether the last request has a body.
    sends_body: AtomicBool,
    /// Whether that body has not been read to its end.
    body_is_open: AtomicBool,
    /// Whether the last answer's body has not ended.
    answer_is_open: AtomicBool,
}

impl ConnectionPhase {
    /// A new connection, whose first request must come at once.
    pub(super) fn new(config: &Config) -> ConnectionPhase {
        ConnectionPhase {
            phase: watch::Sender::new((Phase::Head, Instant::now())),
            min_answer_rate: config.min_answer_rate,
            sends_body: AtomicBool::new(false),
            body_is_open: AtomicBool::new(false),
            answer_is_open: AtomicBool::new(false),
        }
    }

    /// A request's head has arrived.
    pub(super) fn begin_request(&self, has_body: bool) {
        self.sends_body.store(has_body, Ordering::Relaxed);
        self.body_is_open.store(has_body, Ordering::Relaxed);
        self.enter(Phase::Handling);
    }

    /// The request's body has been read to its end.
    pub(super) fn end_request_body(&self) {
        self.body_is_open.store(false, Ordering::Relaxed);
    }

    /// Whether some of the last request's body has not been read.
    pub(super) fn body_is_open(&self) -> bool {
        self.body_is_open.load(Ordering::Relaxed)
    }

    /// An answer begins.
    pub(super) fn begin_answer(&self) {
        self.answer_is_open.store(true, Ordering::Relaxed);
        self.enter(Phase::Answering);
    }

    /// The answer's body has ended. If the client has still to read some of it, the phase stays.
    pub(super) fn end_answer(&self) {
        self.answer_is_open.store(false, Ordering::Relaxed);
        self.pass(Phase::Answering, Phase::Idle);
    }

    /// The client does not take what is written.
    pub(super) fn write_blocked(&self) {
        self.pass(Phase::Idle, Phase::Unread);
        self.pass(Phase::Answering, Phase::Unread);
    }

    /// The client has taken everything that was written.
    pub(super) fn write_flushed(&self) {
        let next = if self.answer_is_open.load(Ordering::Relaxed) { Phase::Answering } else { Phase::Idle };
        self.pass(Phase::Unread, next);
    }

    /// Whether the client may still be sending the last request's body.
    pub(super) fn may_be_sending(&self) -> bool {
        self.sends_body.load(Ordering::Relaxed)
    }

    /// The phase now.
    pub(super) fn current(&self) -> Phase {
        self.phase.borrow().0
    }

    /// Begins `phase`.
    pub(super) fn enter(&self, phase: Phase) {
        self.phase.send_replace((phase, Instant::now()));
    }

    /// Begins the phase `to` if the phase is `from`.
    pub(super) fn pass(&self, from: Phase, to: Phase) {
        if self.current() == from {
            self.enter(to);
        }
    }

    /// The client has read `bytes` more of an answer that was blocked.
    pub(super) fn write_continued(&self, bytes: usize) {
        let (phase, since) = *self.phase.borrow();
        if phase == Phase::Unread {
            self.phase.send_replace((phase, credited(since, bytes, self.min_answer_rate, Instant::now())));
        }
    }

    /// Resolves when a phase has lasted too long, to that phase.
    pub(super) async fn expired(&self, config: &Config) -> Phase {
        let mut changes = self.phase.subscribe();
        loop {
            let (phase, since) = *changes.borrow_and_update();
            let timeout = async {
                match phase.limit(config) {
                    Some(limit) => tokio::time::sleep_until(since + limit).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                _ = changes.changed() => {}
                () = timeout => return phase,
            }
        }
    }
}

/// `since` plus the time that `bytes` take at `rate`, but not after `now`: a client that reads at that rate never runs
/// out of time, and one that reads faster saves none up.
fn credited(since: Instant, bytes: usize, rate: u64, now: Instant) -> Instant {
    if rate == 0 {
        return now;
    }
    let earned = Duration::from_secs_f64(bytes as f64 / rate as f64);
    (since + earned).min(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_client_gains_time_by_reading_and_saves_none_up() {
        let since = Instant::now();
        let now = since + 10 * SECOND;
        assert_eq!(credited(since, 0, 1000, now), since);
        assert_eq!(credited(since, 4000, 1000, now), since + 4 * SECOND);
        assert_eq!(credited(since, 1 << 30, 1000, now), now);
        assert_eq!(credited(since, 1, 0, now), now, "without a least rate every byte is enough");
    }
}
