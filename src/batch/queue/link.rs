//! The connections to Redis, while it works. When it fails, a task connects again, and nobody asks meanwhile.

use std::sync::Arc;
use std::time::Duration;

use redis::cmd;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::scripts::GROUP;
use super::{Failure, Keys, ask};
use crate::metrics::Metrics;
use crate::outbound::redis::{Connection, Connector};

/// The most that connecting takes, with encryption and login.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The time before the first attempt to connect anew, and between all others.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const RETRY: Duration = Duration::from_secs(1);

/// Connections, and the number that tells them from those before. Redis serves a connection that waits for items no
/// other command.
#[derive(Clone)]
pub(super) struct Link {
    pub commands: Connection,
    pub items: Connection,
    pub news: Connection,
    number: u64,
}

/// The place of the connections; `None` while Redis does not work.
pub(super) struct Slot {
    connector: Connector,
    link: watch::Sender<Option<Link>>,
    metrics: Arc<Metrics>,
}

impl Slot {
    pub(super) fn new(connector: Connector, metrics: Arc<Metrics>) -> Slot {
        Slot { connector, link: watch::Sender::new(None), metrics }
    }

    /// The connections now.
    pub(super) fn link(&self) -> Option<Link> {
        self.link.borrow().clone()
    }

    /// The connections once there are some.
    pub(super) async fn connected(&self) -> Link {
        let mut links = self.link.subscribe();
        let link = links.wait_for(Option::is_some).await;
        link.ok().and_then(|link| link.clone()).expect("the sender lives as long as this slot")
    }

    /// Gives up these connections, unless there are others already.
    pub(super) fn failed(&self, link: &Link, failure: &Failure) {
        let was_emptied = self.link.send_if_modified(|slot| {
            let is_same = slot.as_ref().is_some_and(|current| current.number == link.number);
            if is_same {
                *slot = None;
            }
            is_same
        });
        if was_emptied {
            self.metrics.set_batch_redis_open(true);
            let redis = self.connector.url();
            tracing::warn!(%redis, %failure, "the Redis of batches failed: tried again every second");
        }
    }

    /// Connects, and connects anew whenever Redis failed, for ever.
    pub(super) async fn keep(&self, keys: &Keys) {
        let mut links = self.link.subscribe();
        let mut was_warned = false;
        for number in 1.. {
            match timeout(CONNECT_TIMEOUT, self.connect(keys, number)).await.unwrap_or(Err(Failure::TimedOut)) {
                Ok(link) => {
                    was_warned = false;
                    tracing::info!(redis = %self.connector.url(), "instances share batches");
                    self.metrics.set_batch_redis_open(false);
                    self.link.send_replace(Some(link));
                    // The sender is this slot's own.
                    let _ = links.wait_for(Option::is_none).await;
                    sleep(FIRST_RETRY).await;
                }
                Err(failure) => {
                    self.metrics.set_batch_redis_open(true);
                    let redis = self.connector.url();
                    if !std::mem::replace(&mut was_warned, true) {
                        tracing::warn!(%redis, %failure, "no Redis for batches: what is received waits; tried again every second");
                    }
                    sleep(RETRY).await;
                }
            }
        }
    }

    async fn connect(&self, keys: &Keys, number: u64) -> Result<Link, Failure> {
        let commands = self.connector.connect().await?;
        let mut create = cmd("XGROUP");
        create.arg("CREATE").arg(&keys.items).arg(GROUP).arg(0).arg("MKSTREAM");
        match ask::<()>(&commands, &create, CONNECT_TIMEOUT).await {
            Err(Failure::Refused(error)) if error.code() == Some("BUSYGROUP") => {}
            created => created?,
        }
        let (items, news) = (self.connector.connect().await?, self.connector.connect().await?);
        Ok(Link { commands, items, news, number })
    }
}
