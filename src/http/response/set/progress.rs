//! A set while its outputs come.

use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt;

use super::{OutputAnswer, SetAnswer};
use crate::engine::{Served, SetResults};
use crate::http::response::problem::Problem;
use crate::http::response::request_id::RequestId;
use crate::job::{Answer, Facts};
use crate::trace::TraceId;

/// What is known of a set before its outputs come.
pub(crate) struct SetHead {
    pub request_id: RequestId,
    /// The trace that the request belongs to.
    pub trace_id: Option<TraceId>,
    pub input: Facts,
    /// Bytes that all outputs may have together.
    pub budget: Option<u64>,
    /// When the last byte of the request was there.
    pub received: Instant,
}

/// A set whose outputs come one after the other.
pub(crate) struct SetInProgress {
    head: SetHead,
    names: Vec<String>,
    results: SetResults,
    /// What came so far, without the bytes of the images: an image stays in memory only until it is sent.
    done: Vec<Option<Done>>,
}

/// An output that is answered or failed, and when.
struct Done {
    result: Result<Served, Problem>,
    at: Instant,
}

impl Done {
    fn now(result: Result<Served, Problem>) -> Done {
        Done { result, at: Instant::now() }
    }
}

impl SetInProgress {
    /// A set with outputs of these names, of which `results` has the answers.
    pub(crate) fn new(head: SetHead, names: Vec<String>, results: SetResults) -> SetInProgress {
        let done = names.iter().map(|_| None).collect();
        SetInProgress { head, names, results, done }
    }

    /// The next output that is done: its index, and its image unless it failed.
    pub(crate) async fn next(&mut self) -> Option<(usize, Option<Served>)> {
        let (index, result) = self.results.next().await?;
        let result = result.map_err(Problem::from);
        if let Err(problem) = &result
            && let Some(cause) = problem.cause()
        {
            let trace_id = self.trace_id().map(tracing::field::display);
            tracing::error!(request_id = %self.head.request_id, trace_id, cause, output = self.names[index], "an output failed");
        }
        let image = result.as_ref().ok().cloned();
        self.done[index] = Some(Done::now(result.map(without_bytes)));
        Some((index, image))
    }

    /// Waits for the first output that has an image. Returns those that are done by then.
    pub(crate) async fn until_first_image(&mut self) -> Vec<(usize, Option<Served>)> {
        let mut done = Vec::new();
        while let Some((index, image)) = self.next().await {
            let has_image = image.is_some();
            done.push((index, image));
            if has_image {
                break;
            }
        }
        done
    }

    /// Says that the image of an output can't be sent.
    pub(crate) fn fail(&mut self, index: usize, problem: Problem) {
        self.done[index] = Some(Done::now(Err(problem)));
    }

    /// An output that is done: its name, and the problem with which it failed.
    pub(crate) fn output(&self, index: usize) -> (&str, Option<&Problem>) {
        let problem = self.done[index].as_ref().and_then(|done| done.result.as_ref().err());
        (&self.names[index], problem)
    }

    /// The name of the file of an output: its own, with the extension of its format unless it has that already.
    pub(crate) fn file_name(&self, index: usize, served: &Served) -> String {
        let format = served.answer.report.output.format;
        let own = &self.names[index];
        let has = |extension: &str| own.strip_suffix(extension).is_some_and(|stem| stem.ends_with('.'));
        let mut name = own.clone();
        if !has(format.extension()) && !has(format.name()) {
            // Another output may have this very name.
            while self.names.contains(&name) {
                name = format!("{name}.{}", format.extension());
            }
        }
        name
    }

    /// How many outputs the set has.
    pub(crate) fn outputs(&self) -> usize {
        self.names.len()
    }

    /// The trace that the request belongs to.
    pub(crate) fn trace_id(&self) -> Option<TraceId> {
        self.head.trace_id
    }

    /// The id of the request.
    pub(crate) fn request_id(&self) -> &RequestId {
        &self.head.request_id
    }

    /// What came so far, as the answer.
    pub(crate) fn answer(&self) -> SetAnswer {
        let outputs = self.names.iter().zip(&self.done);
        let outputs = outputs.filter_map(|(name, done)| {
            let Done { result, at } = done.as_ref()?;
            Some(OutputAnswer { name: name.clone(), result: result.clone(), at: *at })
        });
        let SetHead { input, budget, received, .. } = &self.head;
        SetAnswer {
            input: *input,
            budget: *budget,
            outputs: outputs.collect(),
            received: *received,
            took: received.elapsed(),
        }
    }
}

fn without_bytes(served: Served) -> Served {
    let report = served.answer.report.clone();
    Served { answer: Arc::new(Answer { bytes: Vec::new(), report }), ..served }
}
