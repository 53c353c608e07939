//! The images of a set as the parts of a multipart body (RFC 2046 s5.1, RFC 7578), each sent as soon as it is done. The
//! report is the last part.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue};
use serde_json::Value;

use super::SetInProgress;
use crate::engine::{Engine, Served};
use crate::http::response::problem::{PROBLEM_JSON, Problem};
use crate::http::response::reply::{Reply, SetLogFacts, in_transit};
use crate::http::response::request_id::RequestId;

/// The name of the last part.
const REPORT: &str = "report";

/// The kind of a multipart body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartForm {
    /// multipart/mixed.
    Mixed,
    /// multipart/form-data, which a browser reads with `formData()`.
    FormData,
}

/// The parts of `set`: of the outputs that are `done`, then of all others as they come, then the report.
pub(crate) fn stream(
    form: PartForm,
    set: SetInProgress,
    done: Vec<(usize, Option<Served>)>,
    engine: Engine,
) -> Response {
    // Random, so that no image has it within.
    let boundary = format!("bytefit-{}", RequestId::generate());
    let kind = match form {
        PartForm::Mixed => "mixed",
        PartForm::FormData => "form-data",
    };
    let content_type = HeaderValue::try_from(format!("multipart/{kind}; boundary={boundary}"));
    let content_type = content_type.expect("a boundary is hex digits");
    let facts = SetLogFacts { outputs: set.outputs() as u64, failed: None, image_bytes: None };
    let parts = Parts { form, boundary, set, done: done.into(), engine, ended: false };
    let pieces = stream::unfold(parts, async |mut parts| {
        let pieces = parts.next().await?;
        Some((stream::iter(pieces.into_iter().map(Ok::<Bytes, Infallible>)), parts))
    });
    let headers = [(CONTENT_TYPE, content_type), (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))];
    let mut response = (headers, Body::from_stream(pieces.flatten())).into_response();
    response.extensions_mut().insert(facts);
    response
}

struct Parts {
    form: PartForm,
    boundary: String,
    set: SetInProgress,
    done: VecDeque<(usize, Option<Served>)>,
    engine: Engine,
    ended: bool,
}

/// The line of the request was written with the head. This one says how the parts ended.
impl Drop for Parts {
    fn drop(&mut self) {
        let facts = self.set.answer().log_facts();
        let outcome = if self.ended { facts.outcome() } else { "client_gone" };
        let outputs = self.set.outputs();
        tracing::info!(
            request_id = %self.set.request_id(),
            trace_id = self.set.trace_id().map(tracing::field::display),
            outputs,
            done = facts.outputs,
            failed = facts.failed,
            image_bytes = facts.image_bytes,
            outcome,
            "parts ended: {} of {outputs} outputs, {outcome}",
            facts.outputs,
        );
    }
}

impl Parts {
    /// The bytes of the next part.
    async fn next(&mut self) -> Option<Vec<Bytes>> {
        if self.ended {
            return None;
        }
        let next = match self.done.pop_front() {
            Some(done) => Some(done),
            None => self.set.next().await,
        };
        match next {
            Some((index, Some(served))) => Some(self.image(index, &served)),
            Some((index, None)) => Some(self.problem(index)),
            None => {
                self.ended = true;
                let report = self.json(REPORT, "application/json", &self.set.answer().report());
                Some(vec![report, Bytes::from(format!("--{}--\r\n", self.boundary))])
            }
        }
    }

    fn image(&mut self, index: usize, served: &Served) -> Vec<Bytes> {
        let image = match in_transit(served, &self.engine) {
            Ok(image) => image,
            Err(problem) => {
                self.set.fail(index, problem);
                return self.problem(index);
            }
        };
        let output = &served.answer.report.output;
        let (received, total) = (Instant::now(), Duration::ZERO);
        let reply = Reply { served, negotiated: false, filename: None, fetch: None, received, total };
        let (name, _) = self.set.output(index);
        let file = format!("; filename=\"{}\"", self.set.file_name(index, served));
        let head = self.head(name, &file, output.format.media_type(), image.len(), &reply.image_headers());
        vec![head, image, Bytes::from_static(b"\r\n")]
    }

    fn problem(&self, index: usize) -> Vec<Bytes> {
        let (name, problem) = self.set.output(index);
        let members = problem.map(Problem::members).unwrap_or_default();
        vec![self.json(name, PROBLEM_JSON, &Value::Object(members))]
    }

    fn json(&self, name: &str, media_type: &str, value: &Value) -> Bytes {
        let text = value.to_string();
        let head = self.head(name, "", media_type, text.len(), &HeaderMap::new());
        Bytes::from([&head, text.as_bytes(), b"\r\n"].concat())
    }

    /// The boundary and the head of a part, which ends with a line break: `formData()` of browsers takes nothing in
    /// front of the first boundary. Names of outputs need no escape.
    fn head(&self, name: &str, file: &str, media_type: &str, length: usize, headers: &HeaderMap) -> Bytes {
        let disposition = match self.form {
            PartForm::Mixed => "attachment",
            PartForm::FormData => "form-data",
        };
        let mut head = format!(
            "--{}\r\ncontent-disposition: {disposition}; name=\"{name}\"{file}\r\n\
             content-type: {media_type}\r\ncontent-length: {length}\r\n",
            self.boundary
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap_or_default()));
        }
        head.push_str("\r\n");
        Bytes::from(head)
    }
}
