//! The spans of a request: itself, and the stages of its answer, by the times that the answer tells.

use std::time::{Duration, Instant, SystemTime};

use super::access_log::RequestRecord;
use crate::engine::ServedFrom;
use crate::http::response::reply::{LogFacts, OutputWork, WorkFacts};
use crate::http::response::report::cache_result;
use crate::metrics::{Method, Stage};
use crate::trace::{KeyValue, RequestTrace, Span};

/// The spans of a request that took so long.
pub(super) fn of(record: &RequestRecord, elapsed: Duration) -> RequestTrace {
    let wall = WallClock { now: SystemTime::now(), reading: record.started + elapsed };
    let end = &record.end;
    let failed = end.status >= 500;
    let request = Span {
        name: format!("{} {}", method(record), record.template()).into(),
        start: wall.time(record.started),
        end: wall.now,
        attributes: attributes(record),
    };
    let work = end.facts.and_then(|facts| facts.work);
    let mut parts = work.map(|work| parts(record.started, &work, &wall)).unwrap_or_default();
    parts.extend(end.outputs.iter().filter_map(|output| output_span(output, &wall)));
    RequestTrace { request, error: end.code.filter(|_| failed), parts }
}

/// Names of OpenTelemetry's conventions for HTTP servers where it has one. The path is not among them: it may be a link
/// with its signature.
fn attributes(record: &RequestRecord) -> Vec<KeyValue> {
    let end = &record.end;
    let mut attributes = vec![
        KeyValue::new("http.request.method", method(record)),
        KeyValue::new("http.route", record.template()),
        KeyValue::new("http.response.status_code", i64::from(end.status)),
        KeyValue::new("http.response.body.size", whole(end.out_bytes)),
        KeyValue::new("bytefit.request_id", record.id.as_str().to_owned()),
        KeyValue::new("bytefit.outcome", record.outcome()),
    ];
    attributes.extend(record.declared_bytes.map(|bytes| KeyValue::new("http.request.body.size", whole(bytes))));
    attributes.extend(end.code.map(|code| KeyValue::new("error.type", code)));
    attributes.extend(end.facts.iter().flat_map(of_answer));
    attributes
}

/// The method, where it is one that is answered: a client may send any word.
fn method(record: &RequestRecord) -> &'static str {
    Method::from_name(record.method.as_str()).map_or("_OTHER", Method::name)
}

fn of_answer(facts: &LogFacts) -> impl Iterator<Item = KeyValue> {
    let LogFacts { input, output, target, quality, encodes, work, .. } = *facts;
    let known = [
        KeyValue::new("bytefit.input.format", input.format.name()),
        KeyValue::new("bytefit.input.width", i64::from(input.width)),
        KeyValue::new("bytefit.input.height", i64::from(input.height)),
        KeyValue::new("bytefit.output.format", output.format.name()),
        KeyValue::new("bytefit.output.width", i64::from(output.width)),
        KeyValue::new("bytefit.output.height", i64::from(output.height)),
        KeyValue::new("bytefit.target", whole(target)),
        KeyValue::new("bytefit.encodes", i64::from(encodes)),
    ];
    let cache = work.map(|work| KeyValue::new("bytefit.cache", cache_result(work.served_from).name()));
    let quality = quality.map(|quality| KeyValue::new("bytefit.quality", quality));
    known.into_iter().chain(cache).chain(quality)
}

/// An output of a set: from the begin of its work to when it was there. Its stages are not told apart, as those of one
/// size are resized once.
fn output_span(output: &OutputWork, wall: &WallClock) -> Option<Span> {
    let WorkFacts { served_from, received, answered, stages, .. } = output.facts.work?;
    let took = match served_from {
        ServedFrom::Miss { .. } => stages.decode + stages.transform + stages.search,
        ServedFrom::Hit { .. } | ServedFrom::Collapsed { .. } => Duration::ZERO,
    };
    let start = answered.checked_sub(took).map_or(received, |start| start.max(received));
    let mut span = wall.span("output", start, answered);
    span.attributes.push(KeyValue::new("bytefit.output.name", output.name.clone()));
    span.attributes.push(KeyValue::new("bytefit.outcome", output.facts.outcome.name()));
    span.attributes.extend(of_answer(&output.facts));
    Some(span)
}

/// The stages of an answer. The report says how long each took and not when it began: they follow each other, and the
/// last one ends with the answer.
fn parts(started: Instant, work: &WorkFacts, wall: &WallClock) -> Vec<Span> {
    let WorkFacts { served_from, received, answered, fetch, queued, stages } = *work;
    let ready = received + fetch.unwrap_or_default();
    let mut parts = vec![wall.span("receive", started, received)];
    parts.extend(fetch.map(|_| wall.span("fetch", received, ready)));
    match served_from {
        ServedFrom::Hit { .. } => {}
        // The work was another request's, and may have begun before this one.
        ServedFrom::Collapsed { .. } => parts.push(wall.span("wait", ready, answered)),
        ServedFrom::Miss { .. } => {
            let mut end = answered;
            for (stage, took) in [
                (Stage::Search, stages.search),
                (Stage::Transform, stages.transform),
                (Stage::Decode, stages.decode),
                (Stage::Queue, queued),
            ] {
                let start = end.checked_sub(took).map_or(ready, |start| start.max(ready));
                parts.push(wall.span(stage.name(), start, end));
                end = start;
            }
        }
    }
    parts
}

/// Turns readings of the monotonic clock into times of day.
struct WallClock {
    now: SystemTime,
    /// The reading at `now`.
    reading: Instant,
}

impl WallClock {
    fn time(&self, at: Instant) -> SystemTime {
        self.now - self.reading.saturating_duration_since(at)
    }

    fn span(&self, name: &'static str, start: Instant, end: Instant) -> Span {
        Span { name: name.into(), start: self.time(start), end: self.time(end), attributes: Vec::new() }
    }
}

fn whole(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
