//! The report of an answer, as JSON and as Server-Timing.

use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::{Served, ServedFrom};
use crate::job::{Facts, Report, Step, Timings};
use crate::metrics::CacheResult;

/// The report for `Accept: application/json`. `total` is the time that this request took.
pub(crate) fn json(served: &Served, fetch: Option<Duration>, total: Duration) -> Value {
    let timings = timings(served);
    let mut report = of(&served.answer.report);
    report["output"]["url"] = url(served).into();
    report["cache"] = cache_result(served.served_from).name().into();
    report["timings_ms"] = json!({
        "queue": millis(served.queued),
        "decode": millis(timings.decode),
        "transform": millis(timings.transform),
        "search": millis(timings.search),
        "total": millis(total),
    });
    if let Some(fetch) = fetch {
        report["timings_ms"]["fetch"] = millis(fetch).into();
    }
    report
}

/// The report of one output among others: without what all of them share, and without its trace.
pub(crate) fn of_output(served: &Served) -> Value {
    let mut report = json(served, None, Duration::ZERO);
    if let Value::Object(members) = &mut report {
        for shared in ["input", "trace", "timings_ms"] {
            members.remove(shared);
        }
    }
    report
}

/// The times of several outputs, each of which was computed after the other.
pub(crate) fn timings_of_all<'a>(served: impl Iterator<Item = &'a Served>, total: Duration) -> Value {
    let (mut queued, mut sum) = (Duration::ZERO, Timings::default());
    for served in served {
        let timings = timings(served);
        queued = queued.max(served.queued);
        sum.decode += timings.decode;
        sum.transform += timings.transform;
        sum.search += timings.search;
    }
    json!({
        "queue": millis(queued),
        "decode": millis(sum.decode),
        "transform": millis(sum.transform),
        "search": millis(sum.search),
        "total": millis(total),
    })
}

/// The part of a report that does not depend on the request.
pub(crate) fn of(report: &Report) -> Value {
    let mut output = facts(&report.output);
    output["quality"] = report.quality.map(rounded).into();
    output["score"] = report.score.map(rounded).into();
    json!({
        "input": facts(&report.input),
        "output": output,
        "target": report.target,
        "outcome": report.outcome.name(),
        "padded": report.padded,
        "damaged": report.damaged,
        "encodes": report.encodes,
        "trace": report.steps.iter().map(step).collect::<Vec<Value>>(),
    })
}

/// The times of a report as a Server-Timing header.
pub(crate) fn server_timing(served: &Served, fetch: Option<Duration>, total: Duration) -> String {
    let timings = timings(served);
    let stages = [
        ("queue", Some(served.queued)),
        ("fetch", fetch),
        ("decode", Some(timings.decode)),
        ("transform", Some(timings.transform)),
        ("search", Some(timings.search)),
        ("total", Some(total)),
    ];
    let entry = |(name, elapsed): (&str, Option<Duration>)| Some(format!("{name};dur={}", millis(elapsed?)));
    stages.into_iter().filter_map(entry).collect::<Vec<String>>().join(", ")
}

/// Rounds to two decimals: smaller differences do not matter to a reader.
pub(crate) fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// The path of the image. Returns `None` when the cache did not keep it.
pub(crate) fn url(served: &Served) -> Option<String> {
    served.is_kept().then(|| format!("/results/{}", served.id))
}

fn facts(facts: &Facts) -> Value {
    json!({
        "bytes": facts.bytes,
        "type": facts.format.media_type(),
        "width": facts.width,
        "height": facts.height,
    })
}

fn step(step: &Step) -> Value {
    json!({
        "quality": step.quality.map(rounded),
        "bytes": step.bytes,
        "kind": step.kind.name(),
        "format": step.format.name(),
        "width": step.width,
        "height": step.height,
    })
}

/// Whether the answer was in the cache.
pub(crate) fn cache_result(served_from: ServedFrom) -> CacheResult {
    match served_from {
        ServedFrom::Hit { .. } => CacheResult::Hit,
        ServedFrom::Miss { .. } => CacheResult::Miss,
        ServedFrom::Collapsed { .. } => CacheResult::Collapsed,
    }
}

/// The times of the stages that ran for this request: zero for an answer from the cache.
fn timings(served: &Served) -> Timings {
    match served.served_from {
        ServedFrom::Hit { .. } => Timings::default(),
        ServedFrom::Miss { .. } | ServedFrom::Collapsed { .. } => served.answer.report.timings,
    }
}

fn millis(elapsed: Duration) -> f64 {
    rounded(elapsed.as_secs_f64() * 1e3)
}
