//! The tier in a Redis (or Valkey) that machines share.
//!
//! A request asks it before it computes, for 20 ms at most. When Redis fails, the breaker opens: nothing is sent any
//! more, and a task in the background connects and asks again every second. Answers are written in the background, from
//! a bounded queue.

mod breaker;

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{Cmd, RedisError, Value, cmd};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::waiting::{QUEUE_ENTRIES, QueuedAnswer, QueuedBytes};
use super::{CachedAnswer, TierAnswer, TierStats, stored};
use crate::engine::key::Key;
use crate::metrics::Metrics;
use crate::outbound::redis::{Connector, RedisUrl};
use breaker::{Breaker, Link};

/// The most that a request waits for Redis. In a data centre an answer takes less than a millisecond.
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(20);

/// The most that a write in the background waits.
const WRITE_TIMEOUT: Duration = Duration::from_millis(500);

/// The largest value: 1 MiB takes 8 ms of a gigabit link, so that it arrives in time.
const MAX_VALUE: usize = 1 << 20;

/// The tier. Dropping it ends its tasks.
pub(super) struct Redis {
    shared: Arc<Shared>,
    writes: mpsc::Sender<(Key, CachedAnswer, QueuedAnswer)>,
    waiting: QueuedBytes,
    _tasks: JoinSet<()>,
}

/// What requests and the tasks share.
struct Shared {
    breaker: Breaker,
    ttl_seconds: u64,
}

/// Why Redis did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("no answer in time")]
    TimedOut,
    #[error("{0}")]
    Refused(#[from] RedisError),
    #[error("an answer that makes no sense")]
    Senseless,
}

impl Redis {
    /// The tier at `url`, where answers are kept for `ttl`. Must be called inside a tokio runtime.
    pub(super) fn new(url: RedisUrl, ttl: Duration, metrics: Arc<Metrics>) -> Redis {
        let shared =
            Arc::new(Shared { breaker: Breaker::new(Connector::new(url), metrics), ttl_seconds: ttl.as_secs().max(1) });
        let (writes, queue) = mpsc::channel(QUEUE_ENTRIES);
        let mut tasks = JoinSet::new();
        let keeping = shared.clone();
        tasks.spawn(async move { keeping.breaker.keep().await });
        tasks.spawn(shared.clone().write_queued(queue));
        Redis { shared, writes, waiting: QueuedBytes::default(), _tasks: tasks }
    }

    /// What the tier has under `key`.
    pub(super) async fn get(&self, key: &Key) -> TierAnswer {
        let Some(link) = self.shared.breaker.link() else { return TierAnswer::Off };
        match self.shared.ask(&link, cmd("GET").arg(name(key)), RESPONSE_TIMEOUT).await {
            Some(Value::Nil) => TierAnswer::Nothing,
            // A value that is not understood is another version's, or damaged: it is written anew, once it was
            // computed.
            Some(Value::BulkString(value)) => stored::decode(key, value).map_or(TierAnswer::Failed, TierAnswer::Answer),
            Some(_) => {
                self.shared.breaker.failed(&link, &Failure::Senseless);
                TierAnswer::Failed
            }
            None => TierAnswer::Failed,
        }
    }

    /// Whether the tier has an answer under `key`. It has none while it does not answer.
    pub(super) async fn has(&self, key: &Key) -> bool {
        let Some(link) = self.shared.breaker.link() else { return false };
        let exists = self.shared.ask(&link, cmd("EXISTS").arg(name(key)), RESPONSE_TIMEOUT).await;
        exists == Some(Value::Int(1))
    }

    /// Has `cached` written later. Returns false when it is too large, too much waits already, or Redis does not
    /// answer.
    pub(super) fn offer(&self, key: Key, cached: &CachedAnswer) -> bool {
        let bytes = cached.answer.bytes.len() as u64;
        if bytes > MAX_VALUE as u64 || !self.shared.breaker.takes_writes() {
            return false;
        }
        let Some(waits) = self.waiting.add(bytes) else { return false };
        self.writes.try_send((key, cached.clone(), waits)).is_ok()
    }

    /// Makes sure that Redis has `cached` under `key`, as far as that takes no longer than a lookup.
    pub(super) async fn publish(&self, key: &Key, cached: &CachedAnswer) {
        if cached.answer.bytes.len() > MAX_VALUE || !self.shared.breaker.takes_writes() {
            return;
        }
        self.shared.publish(key, cached).await;
    }

    pub(super) fn stats(&self) -> TierStats {
        TierStats { off: self.shared.breaker.link().is_none(), ..TierStats::default() }
    }
}

impl Shared {
    /// What Redis answers to `command`. Returns `None` when it failed, which the breaker is told.
    async fn ask(&self, link: &Link, command: &Cmd, within: Duration) -> Option<Value> {
        match answer(link, command, within).await {
            Ok(answer) => {
                self.breaker.answered();
                Some(answer)
            }
            Err(failure) => {
                self.breaker.failed(link, &failure);
                None
            }
        }
    }

    async fn write_queued(self: Arc<Shared>, mut queue: mpsc::Receiver<(Key, CachedAnswer, QueuedAnswer)>) {
        while let Some((key, cached, waits)) = queue.recv().await {
            drop(waits);
            self.write(&key, &cached, WRITE_TIMEOUT).await;
        }
    }

    /// An answer that is there has its time begin anew. Any other is written.
    async fn publish(&self, key: &Key, cached: &CachedAnswer) {
        let Some(link) = self.breaker.link() else { return };
        let started = Instant::now();
        match answer(&link, cmd("EXPIRE").arg(name(key)).arg(self.ttl_seconds), RESPONSE_TIMEOUT).await {
            Ok(Value::Int(1)) => self.breaker.answered(),
            Ok(_) => self.write(key, cached, RESPONSE_TIMEOUT.saturating_sub(started.elapsed())).await,
            Err(failure) => self.breaker.write_failed(&link, &failure),
        }
    }

    async fn write(&self, key: &Key, cached: &CachedAnswer, within: Duration) {
        let Some(link) = self.breaker.link().filter(|_| self.breaker.takes_writes()) else { return };
        let Some(value) = stored::encode(key, cached) else { return };
        let written = answer(&link, cmd("SET").arg(name(key)).arg(value).arg("EX").arg(self.ttl_seconds), within).await;
        match written {
            Ok(_) => self.breaker.answered(),
            Err(failure) => self.breaker.write_failed(&link, &failure),
        }
    }
}

/// What Redis answers to `command`.
async fn answer(link: &Link, command: &Cmd, within: Duration) -> Result<Value, Failure> {
    let mut commands = link.connection.commands.clone();
    match timeout(within, commands.send_packed_command(command)).await {
        Ok(Ok(Value::ServerError(error))) => Err(Failure::Refused(error.into())),
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Failure::TimedOut),
    }
}

/// The name of the value of `key`.
fn name(key: &Key) -> String {
    format!("bytefit:answer:{}", key.to_hex())
}

#[cfg(test)]
mod tests;
