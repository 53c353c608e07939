//! The phase of a connection: what it waits for and since when, so that none waits for ever.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::http::Config;

/// How long a connection stays open after its last answer while the client is still sending. Closing at once would reset
/// the connection, and the client would lose the answer (RFC 9112 s9.6).
const LINGER: Duration = Duration::from_secs(5);

/// What a connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The next request, or the kernel, which takes an answer as fast as we write it.
    Idle,
    /// The rest of a request's head.
    Head,
    /// Us, or a body that has a deadline of its own.
    Handling,
    /// The client, to read its answer; began when it last was up to the least rate.
    Unread,
    /// The client, to close after its last answer.
    Closing,
}

impl Phase {
    fn limit(self, config: &Config) -> Option<Duration> {
        match self {
            Phase::Idle | Phase::Unread => Some(config.keep_alive_timeout),
            Phase::Head => Some(config.header_timeout),
            Phase::Handling => None,
            Phase::Closing => Some(LINGER),
        }
    }
}

/// The phase of a connection and when it began.
#[derive(Debug)]
pub struct ConnectionPhase {
    phase: watch::Sender<(Phase, Instant)>,
    /// Bytes a second that a client has to read; 0 is none.
    min_answer_rate: u64,
    /// Whether the last request came with a body.
    sends_body: AtomicBool,
}

impl ConnectionPhase {
    /// A new connection owes us a head at once.
    pub fn new(config: &Config) -> ConnectionPhase {
        ConnectionPhase {
            phase: watch::Sender::new((Phase::Head, Instant::now())),
            min_answer_rate: config.min_answer_rate,
            sends_body: AtomicBool::new(false),
        }
    }

    /// A request has come, with a body or without.
    pub fn begin(&self, has_body: bool) {
        self.sends_body.store(has_body, Ordering::Relaxed);
        self.enter(Phase::Handling);
    }

    /// Whether the client may still be sending the last request's body.
    pub fn may_be_sending(&self) -> bool {
        self.sends_body.load(Ordering::Relaxed)
    }

    /// The phase now.
    pub fn phase(&self) -> Phase {
        self.phase.borrow().0
    }

    /// A phase begins.
    pub fn enter(&self, phase: Phase) {
        self.phase.send_replace((phase, Instant::now()));
    }

    /// The phase `to` begins if `from` lasts.
    pub fn pass(&self, from: Phase, to: Phase) {
        if self.phase() == from {
            self.enter(to);
        }
    }

    /// The client has read so many bytes more of the answer that it had left unread.
    pub fn read_on(&self, bytes: usize) {
        let (phase, since) = *self.phase.borrow();
        if phase == Phase::Unread {
            self.phase.send_replace((phase, credited(since, bytes, self.min_answer_rate, Instant::now())));
        }
    }

    /// Resolves to the phase that lasted too long.
    pub async fn expired(&self, config: &Config) -> Phase {
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

/// `since`, put off by the time that `bytes` take at `rate`: whoever reads at that rate never runs out of time, whoever
/// reads faster saves up none.
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
    fn a_client_earns_time_by_what_it_reads_and_saves_up_none() {
        let since = Instant::now();
        let now = since + 10 * SECOND;
        assert_eq!(credited(since, 0, 1000, now), since);
        assert_eq!(credited(since, 4000, 1000, now), since + 4 * SECOND);
        assert_eq!(credited(since, 1 << 30, 1000, now), now);
        assert_eq!(credited(since, 1, 0, now), now, "without a least rate every byte is enough");
    }
}
