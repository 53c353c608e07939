//! What is answered about a batch: its state, its items, their images, and all of them as an archive.

mod events;

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, ETAG, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::disposition::{content_disposition, file_name};
use super::problem::{Kind, Problem};
use super::reply::{LogFacts, facts, header};
use super::report;
use super::set::zip::{self, Archive, Piece};
use super::validator;
use crate::batch::{Batch, Batches, Counts, ItemState, Output, Snapshot};
use crate::metrics::BatchState;
pub(crate) use events::{LastEventId, events};

/// The last file of an archive.
const REPORT: &str = "report.json";

/// An answer never changes. Private, because only those who know the id may see the picture.
const CACHE_FOR_A_DAY: HeaderValue = HeaderValue::from_static("private, max-age=86400, immutable");

/// The path of a batch.
pub(crate) fn location(batch: &Batch) -> String {
    format!("/batches/{}", batch.id)
}

/// The answer to a batch that was taken.
pub(crate) fn submitted(batch: &Batch, is_durable: bool) -> Value {
    let url = location(batch);
    json!({
        "id": batch.id.as_str(),
        "state": batch.snapshot().state.name(),
        "durable": is_durable,
        "url": url,
        "events": format!("{url}/events"),
        "zip": format!("{url}/zip"),
        "expires_at": timestamp(batch.manifest.expires),
    })
}

/// How far a batch is, with up to `limit` of its items from `offset`.
pub(crate) fn status(batch: &Batch, offset: usize, limit: usize) -> Value {
    let mut status = progress(&batch.snapshot());
    let states = batch.items(offset, limit).into_iter().enumerate();
    let items: Vec<Value> = states.map(|(at, state)| item(batch, offset + at, &state)).collect();
    status["id"] = batch.id.as_str().into();
    status["created_at"] = timestamp(batch.manifest.created).into();
    status["expires_at"] = timestamp(batch.manifest.expires).into();
    if let Some(budget) = batch.manifest.total {
        status["total"] = json!({ "bytes": status["bytes"]["out"], "budget": budget });
    }
    status["items"] = items.into();
    status
}

/// How far a batch is, without its items.
fn progress(snapshot: &Snapshot) -> Value {
    let Counts { total, pending, running, done, failed, cancelled } = snapshot.counts;
    let (input, output) = (snapshot.input_bytes, snapshot.output_bytes);
    json!({
        "state": snapshot.state.name(),
        "counts": {
            "total": total, "pending": pending, "running": running,
            "done": done, "failed": failed, "cancelled": cancelled,
        },
        "bytes": { "in": input, "out": output, "saved": input.saturating_sub(output) },
        "eta_s": snapshot.eta.map(|eta| report::rounded(eta.as_secs_f64())),
    })
}

/// One item of a batch.
fn item(batch: &Batch, index: usize, state: &ItemState) -> Value {
    let mut item = json!({
        "index": index,
        "name": batch.manifest.items[index].name,
        "status": state.status().name(),
    });
    let ItemState::Ended(record) = state else { return item };
    match &record.result {
        Ok(output) => {
            let url = format!("{}/items/{index}", location(batch));
            let mut of_output = report::of(&output.report);
            if let Value::Object(members) = &mut of_output {
                members.remove("trace");
            }
            item["report"] = of_output;
            item["url"] = url.into();
        }
        Err(error) => item["problem"] = Problem::from(error).members().into(),
    }
    item
}

fn timestamp(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

/// The image of an item, or 304 where the request names it.
///
/// # Errors
/// 404 without such an item, 409 while it has not ended, and the problem of an item that failed.
pub(crate) fn image(
    batches: &Batches,
    batch: &Arc<Batch>,
    index: usize,
    request: &HeaderMap,
) -> Result<Response, Problem> {
    let output = ended(batch, index)?;
    let format = output.report.output.format;
    let mut headers = facts(&output.report);
    headers.insert(ETAG, header(&output.etag));
    headers.insert(CACHE_CONTROL, CACHE_FOR_A_DAY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(output.report.output.bytes));
    let mut response = if validator::is_known(request, &output.etag) {
        (StatusCode::NOT_MODIFIED, headers).into_response()
    } else {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
        headers.insert(CONTENT_DISPOSITION, content_disposition(&batch.manifest.items[index].name, format));
        (headers, Body::from_stream(chunks(batches.clone(), Arc::clone(batch), index))).into_response()
    };
    response.extensions_mut().insert(LogFacts::of(&output.report));
    Ok(response)
}

/// The answer to an item.
fn ended(batch: &Batch, index: usize) -> Result<Output, Problem> {
    let not_found = || Problem::new(Kind::NotFound, "no such item");
    match batch.item(index).ok_or_else(not_found)? {
        ItemState::Pending | ItemState::Running => Err(Problem::new(Kind::BatchUnfinished, "the item has not ended")),
        ItemState::Cancelled => Err(Problem::new(Kind::NotFound, "the item was cancelled")),
        ItemState::Ended(record) => record.result.clone().map_err(|error| Problem::from(&error)),
    }
}

/// The bytes of an answer, read as they are sent.
fn chunks(batches: Batches, batch: Arc<Batch>, index: usize) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::try_unfold(0, move |offset| {
        let (batches, batch) = (batches.clone(), Arc::clone(&batch));
        async move {
            let chunk = batches.output(&batch, index, offset).await?;
            let next = offset + chunk.len() as u64;
            Ok((!chunk.is_empty()).then_some((chunk, next)))
        }
    })
}

/// The answers of a batch and its report as an archive.
///
/// # Errors
/// 409 while the batch has not ended, unless the request asks for a part of it. An archive of 4 GB and more is refused.
pub(crate) fn archive(batches: &Batches, batch: &Arc<Batch>, is_partial: bool) -> Result<Response, Problem> {
    let snapshot = batch.snapshot();
    if snapshot.counts.unfinished() > 0 && !is_partial {
        let Counts { total, pending, running, .. } = snapshot.counts;
        return Err(Problem::new(Kind::BatchUnfinished, "the batch has not ended; partial=true gives what is done")
            .with("total", total)
            .with("unfinished", pending + running));
    }
    let (pieces, length) = pieces(batch)?;
    let (batches, batch) = (batches.clone(), Arc::clone(batch));
    let filename = format!("batch-{}.zip", &batch.id.as_str()[..8]);
    let body = stream::iter(pieces).flat_map(move |piece| match piece {
        Piece::Framing(bytes) | Piece::Content(FileContent::Report(bytes)) => {
            stream::once(async { Ok::<Bytes, io::Error>(bytes) }).boxed()
        }
        Piece::Content(FileContent::Answer(index)) => {
            chunks(batches.clone(), Arc::clone(&batch), index).into_stream().boxed()
        }
    });
    Ok((zip::headers(&filename, length), Body::from_stream(body)).into_response())
}

/// A file of an archive.
enum FileContent {
    /// The answer to the item at this place.
    Answer(usize),
    Report(Bytes),
}

fn pieces(batch: &Batch) -> Result<(Vec<Piece<FileContent>>, u64), Problem> {
    let mut archive = Archive::new();
    let mut names = std::collections::HashSet::from([REPORT.to_owned()]);
    let total = batch.manifest.items.len();
    for (index, state) in batch.items(0, total).into_iter().enumerate() {
        let ItemState::Ended(record) = state else { continue };
        let Ok(output) = &record.result else { continue };
        let mut name = file_name(&batch.manifest.items[index].name, output.report.output.format);
        // Two files of one name would be unpacked over each other.
        while !names.insert(name.clone()) {
            name = format!("{index}-{name}");
        }
        archive.add(&name, output.crc32, output.report.output.bytes, FileContent::Answer(index))?;
    }
    let report = Bytes::from(status(batch, 0, total).to_string());
    archive.add(REPORT, crc32fast::hash(&report), report.len() as u64, FileContent::Report(report))?;
    archive.finish()
}

/// Whether nothing of the batch will change any more.
fn is_over(snapshot: &Snapshot) -> bool {
    snapshot.counts.unfinished() == 0 || snapshot.state == BatchState::Cancelled
}
