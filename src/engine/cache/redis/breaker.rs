//! Leaves Redis alone while it fails. It is open while there is no connection in its slot.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::{Value, cmd};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::{Failure, RESPONSE_TIMEOUT, answer};
use crate::metrics::{CacheTier, Metrics};
use crate::outbound::redis::{Connection, Connector};

/// So many answers in a row may be late. One may be by chance.
const LATE: u32 = 3;

/// The most that a connection takes, with its encryption and login.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The time before the first attempt to connect anew, and between all others.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const RETRY: Duration = Duration::from_secs(1);

/// How often Redis is asked how much memory it uses.
const ASK_SIZE: Duration = Duration::from_secs(10);

/// How long nothing is written to a Redis that refuses to: it is full, or a replica.
const WRITE_PAUSE: Duration = Duration::from_secs(2);

/// A Redis that fails again and again is in the log once in this time.
const QUIET: Duration = Duration::from_secs(600);

/// The connection to Redis, if it works.
pub(super) struct Breaker {
    connector: Connector,
    slot: Mutex<Option<Link>>,
    /// Answers in a row that were late.
    late: AtomicU32,
    opened: Notify,
    pause: Mutex<Pause>,
    metrics: Arc<Metrics>,
}

#[derive(Default)]
struct Pause {
    /// Until when nothing is written.
    writes_until: Option<Instant>,
    /// When it was last in the log that nothing is asked, or written.
    warned: [Option<Instant>; 2],
}

/// What is warned of.
#[derive(Clone, Copy)]
enum Warning {
    Open = 0,
    NoWrites = 1,
}

/// A connection, and the number that tells it from those before it.
#[derive(Clone)]
pub(super) struct Link {
    pub connection: Connection,
    number: u64,
}

impl Breaker {
    pub(super) fn new(connector: Connector, metrics: Arc<Metrics>) -> Breaker {
        Breaker {
            connector,
            slot: Mutex::default(),
            late: AtomicU32::new(0),
            opened: Notify::new(),
            pause: Mutex::default(),
            metrics,
        }
    }

    /// The connection. Returns `None` while the breaker is open.
    pub(super) fn link(&self) -> Option<Link> {
        self.slot().clone()
    }

    /// Whether answers can be written.
    pub(super) fn takes_writes(&self) -> bool {
        self.slot().is_some() && self.pause().writes_until.is_none_or(|until| until <= Instant::now())
    }

    fn slot(&self) -> MutexGuard<'_, Option<Link>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pause(&self) -> MutexGuard<'_, Pause> {
        self.pause.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Redis answered in time.
    pub(super) fn answered(&self) {
        self.late.store(0, Ordering::Relaxed);
    }

    /// Opens the breaker, unless it was one late answer among others, or of a connection that is gone.
    pub(super) fn failed(&self, link: &Link, failure: &Failure) {
        if matches!(failure, Failure::TimedOut) && self.late.fetch_add(1, Ordering::Relaxed) + 1 < LATE {
            return;
        }
        {
            let mut slot = self.slot();
            if slot.as_ref().is_none_or(|current| current.number != link.number) {
                return;
            }
            *slot = None;
        }
        self.is_open(failure);
        self.opened.notify_one();
    }

    /// A write failed. When Redis refuses it, nothing is written for a while, and everything can still be read.
    pub(super) fn write_failed(&self, link: &Link, failure: &Failure) {
        let Failure::Refused(error) = failure else { return self.failed(link, failure) };
        if error.code().is_none() {
            return self.failed(link, failure);
        }
        self.pause().writes_until = Some(Instant::now() + WRITE_PAUSE);
        self.warn(Warning::NoWrites, failure);
    }

    fn is_open(&self, failure: &Failure) {
        self.metrics.set_breaker_open(CacheTier::Redis, true);
        self.warn(Warning::Open, failure);
    }

    fn warn(&self, about: Warning, failure: &Failure) {
        let mut pause = self.pause();
        let warned = &mut pause.warned[about as usize];
        let is_news = warned.is_none_or(|at| at.elapsed() > QUIET);
        let redis = self.connector.url();
        match (is_news, about) {
            (true, Warning::Open) => tracing::warn!(%redis, %failure, "Redis cache off: tried again every second"),
            (true, Warning::NoWrites) => tracing::warn!(%redis, %failure, "Redis takes no answers"),
            (false, _) => tracing::debug!(%redis, %failure, "Redis cache off again"),
        }
        if is_news {
            *warned = Some(Instant::now());
        }
    }

    /// Connects, and connects anew whenever the breaker opens, for ever.
    pub(super) async fn keep(&self) {
        let mut number = 0;
        loop {
            match timeout(CONNECT_TIMEOUT, self.connect()).await.unwrap_or(Err(Failure::TimedOut)) {
                Ok(connection) => {
                    number += 1;
                    let link = Link { connection, number };
                    self.close(link.clone());
                    self.until_open(&link).await;
                    sleep(FIRST_RETRY).await;
                }
                Err(failure) => {
                    self.is_open(&failure);
                    sleep(RETRY).await;
                }
            }
        }
    }

    /// Asks for the size now and then, until the breaker opens.
    async fn until_open(&self, link: &Link) {
        loop {
            self.ask_size(link).await;
            if timeout(ASK_SIZE, self.opened.notified()).await.is_ok() {
                return;
            }
        }
    }

    /// Sets the size of the tier. Not everyone may ask for it, so that an error is none.
    async fn ask_size(&self, link: &Link) {
        let info = answer(link, cmd("INFO").arg("memory"), RESPONSE_TIMEOUT).await;
        if let Some(bytes) = info.ok().as_ref().and_then(used_memory) {
            self.metrics.set_cache_bytes(CacheTier::Redis, bytes);
        }
    }

    fn close(&self, link: Link) {
        self.answered();
        if link.number > 1 {
            tracing::info!(redis = %self.connector.url(), "Redis cache on again");
        }
        *self.slot() = Some(link);
        self.metrics.set_breaker_open(CacheTier::Redis, false);
    }

    /// A connection on which a value could be asked for in time.
    async fn connect(&self) -> Result<Connection, Failure> {
        let connection = self.connector.connect().await?;
        let link = Link { connection, number: 0 };
        answer(&link, cmd("GET").arg("bytefit:check"), RESPONSE_TIMEOUT).await?;
        Ok(link.connection)
    }
}

/// The bytes in an answer to `INFO memory`.
fn used_memory(info: &Value) -> Option<u64> {
    let Value::BulkString(text) = info else { return None };
    let text = std::str::from_utf8(text).ok()?;
    text.lines().find_map(|line| line.strip_prefix("used_memory:"))?.trim().parse().ok()
}
