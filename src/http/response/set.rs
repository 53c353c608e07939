//! The answer to a set of outputs: its report, and the forms that carry the images too.

mod html;
mod parts;
mod progress;
pub(super) mod zip;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::CACHE_CONTROL;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use super::problem::{Deliberate, Problem};
use super::reply::{LogFacts, OutputWork, SetLogFacts};
use super::report;
use crate::engine::Served;
use crate::job::Facts;
pub(crate) use parts::{PartForm, stream};
pub(crate) use progress::{SetHead, SetInProgress};
pub(crate) use zip::archive;

/// How many outputs failed, where some did.
const BYTEFIT_FAILED: HeaderName = HeaderName::from_static("bytefit-failed");

/// One output of a set, answered or failed.
#[derive(Clone, Debug)]
pub(crate) struct OutputAnswer {
    pub name: String,
    /// Without the image's bytes.
    pub result: Result<Served, Problem>,
    /// When it was answered or failed.
    pub at: Instant,
}

/// A set whose outputs are all answered or failed.
#[derive(Debug)]
pub(crate) struct SetAnswer {
    pub input: Facts,
    /// Bytes that all outputs may have together.
    pub budget: Option<u64>,
    /// In the order of the request.
    pub outputs: Vec<OutputAnswer>,
    /// When the last byte of the request was there.
    pub received: Instant,
    /// Time from then to the last output.
    pub took: Duration,
}

impl SetAnswer {
    /// The outputs that have an image, with their names.
    pub(crate) fn served(&self) -> impl Iterator<Item = (&str, &Served)> {
        self.outputs.iter().filter_map(|output| Some((output.name.as_str(), output.result.as_ref().ok()?)))
    }

    /// How many outputs failed.
    pub(crate) fn failed(&self) -> usize {
        self.outputs.len() - self.served().count()
    }

    /// The problem of all outputs, when each failed by no fault of its own: the image can't be decoded, there is too
    /// much load, or a mistake of ours.
    pub(crate) fn refusal(&self) -> Option<Problem> {
        let is_shared = |output: &OutputAnswer| output.result.as_ref().is_err_and(Problem::concerns_whole_request);
        if self.outputs.iter().all(is_shared) { self.outputs.first()?.result.as_ref().err().cloned() } else { None }
    }

    /// The report, with 422 when the set failed.
    pub(crate) fn json(&self, has_failed: bool) -> Response {
        let status = if has_failed { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        let mut response = (status, Json(self.report())).into_response();
        self.add_headers(&mut response);
        if has_failed {
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        response.extensions_mut().insert(Deliberate);
        response
    }

    /// The facts of outputs that are all done.
    pub(crate) fn log_facts(&self) -> SetLogFacts {
        let (outputs, failed) = (self.outputs.len() as u64, self.failed() as u64);
        SetLogFacts { outputs, failed: Some(failed), image_bytes: Some(self.image_bytes()) }
    }

    /// The work on each output.
    fn work(&self) -> Arc<[OutputWork]> {
        let of_output = |output: &OutputAnswer| {
            let served = output.result.as_ref().ok()?;
            let facts = LogFacts::of_served(served, None, [self.received, output.at]);
            Some(OutputWork { name: output.name.clone(), facts })
        };
        self.outputs.iter().filter_map(of_output).collect()
    }

    fn image_bytes(&self) -> u64 {
        self.served().map(|(_, served)| served.answer.report.output.bytes).sum()
    }

    /// Adds the headers that every whole answer to a set has, and its facts for the access log.
    pub(crate) fn add_headers(&self, response: &mut Response) {
        response.extensions_mut().insert(self.log_facts());
        response.extensions_mut().insert(self.work());
        if self.failed() > 0 {
            response.headers_mut().insert(BYTEFIT_FAILED, HeaderValue::from(self.failed()));
        }
    }

    /// The report on all outputs.
    pub(crate) fn report(&self) -> Value {
        let Facts { bytes, format, width, height } = self.input;
        let images = html::images(self.served().map(|(_, served)| served));
        json!({
            "input": { "bytes": bytes, "type": format.media_type(), "width": width, "height": height },
            "outputs": self.outputs.iter().map(output).collect::<Vec<Value>>(),
            "total": { "bytes": self.image_bytes(), "budget": self.budget },
            "srcset": images.iter().map(|set| (set.media_type(), set.srcset())).collect::<BTreeMap<_, _>>(),
            "html": html::picture(&images),
            "timings_ms": report::timings_of_all(self.served().map(|(_, served)| served), self.took),
        })
    }
}

fn output(output: &OutputAnswer) -> Value {
    let members = match &output.result {
        Ok(served) => report::of_output(served),
        Err(problem) => json!({ "problem": problem.members() }),
    };
    let status = if output.result.is_ok() { "ok" } else { "error" };
    let mut named = Map::from_iter([("name".to_owned(), output.name.clone().into())]);
    named.insert("status".to_owned(), status.into());
    named.extend(members.as_object().cloned().unwrap_or_default());
    Value::Object(named)
}
