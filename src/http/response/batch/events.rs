//! The events of a batch as a stream (the HTML standard, "Server-sent events").
//!
//! An item that ends has an event, whose id is the number of its record times 1,000. The ids of other events lie
//! between those. So an id says which items the client knows of, also after a restart.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::{is_over, item, progress};
use crate::batch::{Batch, EndedItem, ItemState};

/// The header that names the last event that a client knows of.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Ids between two items.
const IDS_PER_ITEM: u64 = 1000;

/// Time between two events on progress: at most four a second.
const PROGRESS_PAUSE: Duration = Duration::from_millis(250);

/// Time without an event after which a comment keeps the connection open.
const QUIET: Duration = Duration::from_secs(15);

/// The last event that a client knows of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastEventId(u64);

impl LastEventId {
    /// The id in the headers of a request. One that is not ours counts as none.
    pub(crate) fn of(headers: &HeaderMap) -> Option<LastEventId> {
        headers.get(LAST_EVENT_ID)?.to_str().ok()?.parse().ok().map(LastEventId)
    }
}

/// The events of `batch` after the `last` one, until it has ended or the service drains.
pub(crate) fn events(batch: Arc<Batch>, draining: watch::Receiver<bool>, last: Option<LastEventId>) -> Response {
    let events = Events::new(batch, draining, last);
    let body = stream::unfold(events, |mut events| async move {
        let text = events.next().await?;
        Some((Ok::<Bytes, std::convert::Infallible>(text.into()), events))
    });
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        // nginx would hold events back (ngx_http_proxy_module, proxy_buffering).
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (headers, Body::from_stream(body)).into_response()
}

/// What one client has still to be told.
struct Events {
    batch: Arc<Batch>,
    changes: watch::Receiver<u64>,
    draining: watch::Receiver<bool>,
    /// The number of the last item that the client knows of.
    sequence: u64,
    /// Events since that item.
    since: u64,
    /// Whether the snapshot is still to come.
    is_new: bool,
    /// Whether something changed that the client was not told.
    has_changed: bool,
    next_progress: Instant,
    is_over: bool,
}

impl Events {
    fn new(batch: Arc<Batch>, draining: watch::Receiver<bool>, last: Option<LastEventId>) -> Events {
        let now = batch.snapshot().sequence;
        let (sequence, since) = match last {
            Some(LastEventId(id)) if id / IDS_PER_ITEM <= now => (id / IDS_PER_ITEM, id % IDS_PER_ITEM),
            _ => (now, 0),
        };
        let changes = batch.changes();
        let next_progress = Instant::now() + PROGRESS_PAUSE;
        Events {
            batch,
            changes,
            draining,
            sequence,
            since,
            is_new: true,
            has_changed: false,
            next_progress,
            is_over: false,
        }
    }

    /// The next piece of the stream.
    async fn next(&mut self) -> Option<String> {
        if self.is_over {
            return None;
        }
        loop {
            let text = self.news();
            if !text.is_empty() {
                return Some(text);
            }
            let quiet_until = Instant::now() + QUIET;
            let progress = async {
                match self.has_changed {
                    true => sleep_until(self.next_progress).await,
                    false => std::future::pending().await,
                }
            };
            tokio::select! {
                // The batch lives as long as this stream, and the service as long as its connections.
                _ = self.changes.changed() => self.has_changed = true,
                _ = self.draining.changed() => {}
                () = progress => {}
                () = sleep_until(quiet_until) => return Some(": still here\n\n".to_owned()),
            }
        }
    }

    /// The events that are due now.
    fn news(&mut self) -> String {
        let mut text = String::new();
        if std::mem::take(&mut self.is_new) {
            let snapshot = self.batch.snapshot_at(self.sequence);
            self.add_between(&mut text, "snapshot", &progress(&snapshot));
        }
        if self.changes.has_changed().unwrap_or(false) {
            self.has_changed = true;
        }
        self.changes.mark_unchanged();
        // What ends from here on is a change.
        let now = self.batch.snapshot();
        for EndedItem { sequence, index, record } in self.batch.ended_after(self.sequence) {
            (self.sequence, self.since) = (sequence, 0);
            add(&mut text, "item", Some(sequence * IDS_PER_ITEM), &item(&self.batch, index, &ItemState::Ended(record)));
        }
        if is_over(&now) {
            let end = self.batch.snapshot();
            self.add_between(&mut text, "end", &progress(&end));
            self.is_over = true;
        } else if *self.draining.borrow() {
            self.add_between(&mut text, "bye", &Value::Object(serde_json::Map::new()));
            self.is_over = true;
        } else if self.has_changed && Instant::now() >= self.next_progress {
            self.add_between(&mut text, "progress", &progress(&now));
            self.has_changed = false;
            self.next_progress = Instant::now() + PROGRESS_PAUSE;
        }
        text
    }

    /// Adds an event that is not of an item.
    fn add_between(&mut self, text: &mut String, event: &str, data: &Value) {
        self.since += 1;
        let id = (self.since < IDS_PER_ITEM).then_some(self.sequence * IDS_PER_ITEM + self.since);
        add(text, event, id, data);
    }
}

fn add(text: &mut String, event: &str, id: Option<u64>, data: &Value) {
    let written = match id {
        Some(id) => write!(text, "id: {id}\nevent: {event}\ndata: {data}\n\n"),
        None => write!(text, "event: {event}\ndata: {data}\n\n"),
    };
    written.expect("a String takes every write");
}
