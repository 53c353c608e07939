//! What is to be done, in a Redis that instances share: who works on which item, and what changed. It has no state that
//! the store has not: what is lost here is added again from there.

mod link;
mod scripts;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, FromRedisValue, RedisError, cmd};
use tokio::time::timeout;

use super::manifest::BatchId;
use crate::metrics::Metrics;
use crate::outbound::redis::{Connection, Connector, RedisUrl};
use link::{Link, Slot};
use scripts::{ADD, FINISH, GIVE_BACK, GROUP, KEPT_NEWS, RENEW};

/// The most that a command waits. No request waits for one, and a machine that is short of CPU time may be late.
const TIMEOUT: Duration = Duration::from_secs(3);

/// How long Redis waits for items or news before it says that there are none.
const BLOCK: Duration = Duration::from_secs(1);

/// An item whose instance has given no sign for this time is done by another. Signs come every
/// [`super::instances::RENEW_EVERY`].
const ABANDONED_AFTER: Duration = Duration::from_secs(12);

/// An instance that has done nothing for this time has ended, and its name is forgotten.
const GONE_AFTER: Duration = Duration::from_secs(3600);

/// Entries that are read at once where all are read.
const PAGE: usize = 1000;

/// The work that instances share.
pub(super) struct Queue {
    keys: Keys,
    /// The name of this instance.
    instance: String,
    slot: Slot,
}

/// The names of what is in Redis. Instances with another directory have other names.
struct Keys {
    items: String,
    news: String,
    lock: String,
    prefix: String,
}

/// An item that this instance has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub id: String,
    pub batch: BatchId,
    pub index: usize,
    /// How often it was taken, this time included.
    pub deliveries: u64,
}

/// What another instance says of a batch: an item was begun, or something else changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct News {
    pub batch: BatchId,
    pub begun: Option<usize>,
}

/// Why Redis did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("no answer in time")]
    TimedOut,
    #[error("{0}")]
    Refused(#[from] RedisError),
    #[error("no connection")]
    Off,
}

/// Entries of a stream: their ids and their fields.
type Entries = Vec<(String, Vec<String>)>;

/// What follows when an item has ended.
#[derive(Clone, Copy)]
pub(super) enum Follow {
    /// The next item of the batch follows.
    Next,
    /// No item of the batch follows.
    Nothing,
}

impl Keys {
    fn new(directory: &str) -> Keys {
        let prefix = format!("bytefit:batches:{directory}");
        let name = |part: &str| format!("{prefix}:{part}");
        Keys { items: name("items"), news: name("news"), lock: name("lock"), prefix }
    }

    fn waiting(&self, batch: &BatchId) -> String {
        format!("{}:waiting:{batch}", self.prefix)
    }

    /// A script with its keys.
    fn script(&self, script: &str, batch: &BatchId) -> Cmd {
        let mut command = cmd("EVAL");
        command.arg(script).arg(3).arg(&self.items).arg(self.waiting(batch)).arg(&self.news);
        command
    }
}

impl Queue {
    /// The work at `url` of the instances that have the directory with this identity. `writer` tells this one from
    /// them.
    pub(super) fn new(url: RedisUrl, directory: &str, writer: u64, metrics: Arc<Metrics>) -> Queue {
        Queue {
            keys: Keys::new(directory),
            instance: format!("{writer:016x}"),
            slot: Slot::new(Connector::new(url), metrics),
        }
    }

    /// Keeps the connection, for ever.
    pub(super) async fn keep(&self) {
        self.slot.keep(&self.keys).await;
    }

    /// Completes when Redis works.
    pub(super) async fn works(&self) {
        self.slot.connected().await;
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Failure> {
        let link = self.slot.link().ok_or(Failure::Off)?;
        let answer = ask(&link.commands, command, TIMEOUT).await;
        self.note(&link, answer)
    }

    fn note<T>(&self, link: &Link, answer: Result<T, Failure>) -> Result<T, Failure> {
        answer.inspect_err(|failure| self.slot.failed(link, failure))
    }

    /// Adds items of a batch, `at_once` of which may be taken already.
    pub(super) async fn add(
        &self,
        batch: &BatchId,
        items: &[usize],
        at_once: usize,
        kept_for: Duration,
    ) -> Result<(), Failure> {
        let mut command = self.keys.script(ADD, batch);
        command.arg(batch.as_str()).arg(at_once).arg(kept_for.as_secs() + 1).arg(items);
        self.ask(&command).await
    }

    /// Up to `count` items that nobody has taken, once there are some or a second is over.
    pub(super) async fn take(&self, count: usize) -> Result<Vec<Entry>, Failure> {
        let link = self.slot.connected().await;
        let mut command = cmd("XREADGROUP");
        command.arg("GROUP").arg(GROUP).arg(&self.instance).arg("COUNT").arg(count);
        command.arg("BLOCK").arg(BLOCK.as_millis() as u64).arg("STREAMS").arg(&self.keys.items).arg(">");
        let read = ask::<Option<Vec<(String, Entries)>>>(&link.items, &command, BLOCK + TIMEOUT).await;
        let entries = self.note(&link, read)?.into_iter().flatten().flat_map(|(_, entries)| entries);
        self.understood(entries.collect(), |_| 1).await
    }

    /// Up to `count` items whose instances give no sign any more.
    pub(super) async fn take_over(&self, count: usize) -> Result<Vec<Entry>, Failure> {
        let abandoned = ABANDONED_AFTER.as_millis() as u64;
        let mut command = cmd("XPENDING");
        command.arg(&self.keys.items).arg(GROUP).arg("IDLE").arg(abandoned).arg("-").arg("+").arg(count);
        let pending: Vec<(String, String, u64, u64)> = self.ask(&command).await?;
        if pending.is_empty() {
            return Ok(Vec::new());
        }
        let deliveries: HashMap<String, u64> = pending.into_iter().map(|(id, _, _, count)| (id, count + 1)).collect();
        let mut command = cmd("XCLAIM");
        command.arg(&self.keys.items).arg(GROUP).arg(&self.instance).arg(abandoned);
        deliveries.keys().for_each(|id| {
            command.arg(id);
        });
        let claimed: Vec<Option<(String, Vec<String>)>> = self.ask(&command).await?;
        self.understood(claimed.into_iter().flatten().collect(), |id| deliveries.get(id).copied().unwrap_or(1)).await
    }

    /// Entries that were written by an instance. Others are removed.
    async fn understood(&self, entries: Entries, deliveries: impl Fn(&str) -> u64) -> Result<Vec<Entry>, Failure> {
        let mut understood = Vec::new();
        for (id, fields) in entries {
            match News::read(&fields) {
                Some(News { batch, begun: Some(index) }) => {
                    understood.push(Entry { deliveries: deliveries(&id), id, batch, index });
                }
                _ => {
                    self.ask::<()>(cmd("XACK").arg(&self.keys.items).arg(GROUP).arg(&id)).await?;
                    self.ask::<()>(cmd("XDEL").arg(&self.keys.items).arg(&id)).await?;
                }
            }
        }
        Ok(understood)
    }

    /// Says that these entries are worked on. Returns those that others have taken over.
    pub(super) async fn renew(&self, entries: &[String]) -> Result<Vec<String>, Failure> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let mut command = cmd("EVAL");
        command.arg(RENEW).arg(1).arg(&self.keys.items).arg(GROUP).arg(&self.instance).arg(entries);
        self.ask(&command).await
    }

    /// Ends an entry.
    pub(super) async fn finish(&self, entry: &Entry, follow: Follow) -> Result<(), Failure> {
        let mut command = self.keys.script(FINISH, &entry.batch);
        command.arg(entry.batch.as_str()).arg(GROUP).arg(&entry.id).arg(u8::from(matches!(follow, Follow::Next)));
        self.ask(&command).await
    }

    /// Gives an entry back that was not ended.
    pub(super) async fn give_back(&self, entry: &Entry) -> Result<(), Failure> {
        let mut command = self.keys.script(GIVE_BACK, &entry.batch);
        command.arg(entry.batch.as_str()).arg(GROUP).arg(&entry.id).arg(entry.index);
        self.ask(&command).await
    }

    /// Tells the others that an item was begun, or that something else changed.
    pub(super) async fn tell(&self, batch: &BatchId, begun: Option<usize>) -> Result<(), Failure> {
        let mut command = cmd("XADD");
        command.arg(&self.keys.news).arg("MAXLEN").arg("~").arg(KEPT_NEWS).arg("*").arg("batch").arg(batch.as_str());
        if let Some(index) = begun {
            command.arg("index").arg(index);
        }
        self.ask(&command).await
    }

    /// Forgets a batch that was removed, and tells the others.
    pub(super) async fn forget(&self, batch: &BatchId) -> Result<(), Failure> {
        self.ask::<()>(cmd("DEL").arg(self.keys.waiting(batch))).await?;
        self.tell(batch, None).await
    }

    /// The news after those up to `last`, which is moved on, once there are some or a second is over. `None` begins
    /// with those that come from now on.
    pub(super) async fn news(&self, last: &mut Option<String>) -> Result<Vec<News>, Failure> {
        let link = self.slot.connected().await;
        let after = match last {
            Some(last) => last.clone(),
            None => {
                let mut command = cmd("XREVRANGE");
                command.arg(&self.keys.news).arg("+").arg("-").arg("COUNT").arg(1);
                let newest: Entries = self.ask(&command).await?;
                newest.into_iter().next().map_or_else(|| "0-0".to_owned(), |(id, _)| id)
            }
        };
        *last = Some(after.clone());
        let mut command = cmd("XREAD");
        command.arg("COUNT").arg(PAGE).arg("BLOCK").arg(BLOCK.as_millis() as u64);
        command.arg("STREAMS").arg(&self.keys.news).arg(after);
        let read = ask::<Option<Vec<(String, Entries)>>>(&link.news, &command, BLOCK + TIMEOUT).await;
        let entries: Entries = self.note(&link, read)?.into_iter().flatten().flat_map(|(_, entries)| entries).collect();
        if let Some((id, _)) = entries.last() {
            *last = Some(id.clone());
        }
        Ok(entries.iter().filter_map(|(_, fields)| News::read(fields)).collect())
    }

    /// Whether this instance is to look after what is in Redis now: one does at a time.
    pub(super) async fn is_in_charge(&self, for_at_least: Duration) -> Result<bool, Failure> {
        let mut command = cmd("SET");
        command.arg(&self.keys.lock).arg(&self.instance).arg("NX").arg("PX").arg(for_at_least.as_millis() as u64);
        Ok(self.ask::<Option<String>>(&command).await?.is_some())
    }

    /// The items of a batch that wait for their turn.
    pub(super) async fn waiting(&self, batch: &BatchId) -> Result<HashSet<usize>, Failure> {
        self.ask(cmd("LRANGE").arg(self.keys.waiting(batch)).arg(0).arg(-1)).await
    }

    /// The items that may be taken, or are.
    pub(super) async fn queued(&self) -> Result<HashMap<BatchId, HashSet<usize>>, Failure> {
        let mut queued: HashMap<BatchId, HashSet<usize>> = HashMap::new();
        let mut from = "-".to_owned();
        loop {
            let mut command = cmd("XRANGE");
            command.arg(&self.keys.items).arg(&from).arg("+").arg("COUNT").arg(PAGE);
            let entries: Entries = self.ask(&command).await?;
            for News { batch, begun } in entries.iter().filter_map(|(_, fields)| News::read(fields)) {
                queued.entry(batch).or_default().extend(begun);
            }
            match entries.last() {
                Some((id, _)) if entries.len() == PAGE => from = format!("({id}"),
                _ => return Ok(queued),
            }
        }
    }

    /// Forgets the names of instances that have ended.
    pub(super) async fn forget_the_gone(&self) -> Result<(), Failure> {
        let consumers: Vec<HashMap<String, redis::Value>> =
            self.ask(cmd("XINFO").arg("CONSUMERS").arg(&self.keys.items).arg(GROUP)).await?;
        for consumer in consumers {
            let text = |field: &str| consumer.get(field).and_then(|value| redis::from_redis_value_ref(value).ok());
            let number = |field: &str| text(field).and_then(|text: String| text.parse::<u64>().ok());
            let is_gone = number("pending") == Some(0) && number("idle") > Some(GONE_AFTER.as_millis() as u64);
            if let Some(name) = text("name").filter(|name| is_gone && *name != self.instance) {
                self.ask::<()>(cmd("XGROUP").arg("DELCONSUMER").arg(&self.keys.items).arg(GROUP).arg(name)).await?;
            }
        }
        Ok(())
    }
}

impl News {
    fn read(fields: &[String]) -> Option<News> {
        match fields {
            [_, batch] => Some(News { batch: BatchId::parse(batch)?, begun: None }),
            [_, batch, _, index] => Some(News { batch: BatchId::parse(batch)?, begun: Some(index.parse().ok()?) }),
            _ => None,
        }
    }
}

/// What Redis answers to `command`.
async fn ask<T: FromRedisValue>(connection: &Connection, command: &Cmd, within: Duration) -> Result<T, Failure> {
    let mut commands = connection.commands.clone();
    timeout(within, command.query_async(&mut commands)).await.map_err(|_| Failure::TimedOut)?.map_err(Failure::Refused)
}

#[cfg(test)]
mod tests;
