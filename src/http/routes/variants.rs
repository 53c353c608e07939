//! `POST /variants`: several answers from one image.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use http::Extensions;
use http::request::Parts;
use serde_json::{Value, json};

use crate::engine::{Engine, JobSet};
use crate::http::AppState;
use crate::http::contract;
use crate::http::request::accept::{Accept, SetForm};
use crate::http::request::admitted::Admitted;
use crate::http::request::client::Client;
use crate::http::request::json::JsonShape;
use crate::http::request::set_spec;
use crate::http::request::upload::{self, Order};
use crate::http::response::problem::{Kind, Problem};
use crate::http::response::reply::in_transit;
use crate::http::response::request_id::RequestId;
use crate::http::response::set::{self, PartForm, SetHead, SetInProgress};
use crate::http::routes::Route;
use crate::metrics::RouteLabel;
use crate::params::{OnError, Set};
use crate::trace::TraceContext;

/// The row of this endpoint.
pub(super) const VARIANTS: Route = Route {
    path: "/variants",
    method: "post",
    handler: || post(variants),
    label: RouteLabel { name: "variants", computes: true },
    operation,
    is_text: false,
    is_probe: false,
    needs_key: true,
};

/// Admission, description of the set, body, engine, answer. Each of them may refuse the request; the cheap ones come
/// first.
pub(super) async fn variants(
    Admitted(admitted): Admitted,
    State(state): State<Arc<AppState>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    upload::check_declared(&body, &state.config)?;
    let form = form(&parts)?;
    let read = |pairs: &[(String, String)]| set_spec::read(pairs, &state.defaults);
    let order = upload::receive_with(&parts, body, &state, admitted, JsonShape::Set, read).await?;
    let on_error = order.wanted.on_error;
    let progress = start(&state, &parts.extensions, order).await?;
    match form {
        SetForm::Json => json_answer(progress, on_error).await,
        SetForm::Zip => zip_answer(progress, on_error, &state.engine).await,
        SetForm::Mixed => parts_answer(PartForm::Mixed, progress, on_error, &state.engine).await,
        SetForm::FormData => parts_answer(PartForm::FormData, progress, on_error, &state.engine).await,
    }
}

fn form(parts: &Parts) -> Result<SetForm, Problem> {
    Accept::of(&parts.headers).set_form().ok_or_else(|| {
        let detail = "Accept names none of the forms that an answer with several outputs has";
        Problem::new(Kind::NotAcceptable, detail).with("types", &SetForm::TYPES[..])
    })
}

/// Starts the work on a set.
async fn start(state: &AppState, request: &Extensions, order: Order<Set>) -> Result<SetInProgress, Problem> {
    let Order { upload, wanted: mut set, received, .. } = order;
    let engine = &state.engine;
    let request_id = request.get::<RequestId>().cloned().unwrap_or_else(RequestId::generate);
    let trace_id = request.get::<TraceContext>().map(TraceContext::trace_id);
    let input = engine.facts(received, upload.clone(), set.deadline).await?;
    set.collapse_widths(input.width, input.height);
    let (names, jobs) = set.outputs.into_iter().map(|output| (output.name, output.request.job)).unzip();
    let budget = set.total;
    let jobs = JobSet { jobs, total: budget, deadline: set.deadline };
    state.rates.charge(&Client::of(request), engine.missing(&upload.hash, &jobs)).await?;
    let results = engine.run_set(received, upload, jobs).await;
    Ok(SetInProgress::new(SetHead { request_id, trace_id, input, budget, received }, names, results))
}

async fn json_answer(mut progress: SetInProgress, on_error: OnError) -> Result<Response, Problem> {
    while progress.next().await.is_some() {}
    match failure(&progress, on_error)? {
        Some(failure) => Ok(failure),
        None => Ok(progress.answer().json(false)),
    }
}

async fn zip_answer(mut progress: SetInProgress, on_error: OnError, engine: &Engine) -> Result<Response, Problem> {
    let mut images = Vec::new();
    while let Some((index, served)) = progress.next().await {
        let Some(served) = served else { continue };
        match in_transit(&served, engine) {
            Ok(image) => images.push((progress.file_name(index, &served), image)),
            Err(problem) => progress.fail(index, problem),
        }
    }
    match failure(&progress, on_error)? {
        Some(failure) => Ok(failure),
        None => set::archive(&progress.answer(), images),
    }
}

/// Parts are sent as they come, after the first image: until then all may fail.
async fn parts_answer(
    form: PartForm,
    mut progress: SetInProgress,
    on_error: OnError,
    engine: &Engine,
) -> Result<Response, Problem> {
    let mut done = progress.until_first_image().await;
    if on_error == OnError::Fail {
        while let Some(next) = progress.next().await {
            done.push(next);
        }
    }
    match failure(&progress, on_error)? {
        Some(failure) => Ok(failure),
        None => Ok(set::stream(form, progress, done, engine.clone())),
    }
}

/// The answer to a set that failed with what is done of it. Returns `None` when it has not failed.
///
/// # Errors
/// When all outputs failed for a reason that is in none of their parameters.
fn failure(progress: &SetInProgress, on_error: OnError) -> Result<Option<Response>, Problem> {
    let answer = progress.answer();
    if let Some(problem) = answer.refusal() {
        return Err(problem);
    }
    let failed = answer.failed();
    let has_failed = failed == answer.outputs.len() || (on_error == OnError::Fail && failed > 0);
    Ok(has_failed.then(|| answer.json(true)))
}

fn operation() -> Value {
    let parts = json!({ "schema": { "type": "string", "contentMediaType": "application/octet-stream" } });
    let mut headers = contract::header_refs(&["X-Request-Id"]);
    headers["Bytefit-Failed"] = json!({
        "description": "How many outputs failed, where some did; not in streamed forms",
        "schema": { "type": "integer", "minimum": 1 },
    });
    let set = json!({ "schema": contract::schema("SetReport") });
    let mut responses = json!({
        "200": {
            "description": "The report, or every image: the smallest first and the report as the last part or file",
            "headers": headers,
            "content": {
                "application/json": set,
                "multipart/mixed": parts,
                "multipart/form-data": parts,
                "application/zip": parts,
            },
        },
    });
    contract::add_problems(&mut responses, |_| true);
    let preset = json!({
        "name": "preset",
        "in": "query",
        "required": false,
        "description": "A set of the configuration, or a preset of parameters, which is a set of one output",
        "schema": contract::name(),
    });
    let body = json!({
        "type": "object",
        "properties": {
            "url": { "type": "string", "format": "uri" },
            "file": { "type": "string", "contentMediaType": "application/octet-stream" },
            "spec": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": contract::schema("Set"),
            },
            "preset": contract::name(),
        },
        "additionalProperties": false,
        "allOf": [
            { "oneOf": contract::one_of_keys(&["url", "file"]) },
            { "oneOf": contract::one_of_keys(&["spec", "preset"]) },
        ],
    });
    let by_url = json!({
        "type": "object",
        "description": "The keys of a set (the schema Set), or preset, beside the URL of the image",
        "required": ["url"],
        "properties": { "url": { "type": "string", "format": "uri" }, "preset": contract::name() },
    });
    json!({
        "operationId": "variants",
        "summary": "Several answers from one image",
        "description": "A form has the image or its `url`, and `spec` or `preset`; an image as the body needs `preset` in the query. \
            All outputs failed, or one with `on_error=fail`: 422 with the report.",
        "parameters": [preset, contract::request_id()],
        "requestBody": {
            "required": true,
            "content": {
                "multipart/form-data": { "schema": body },
                "application/json": { "schema": by_url },
                "image/*": { "schema": {} },
                "application/octet-stream": { "schema": {} },
            },
        },
        "responses": responses,
    })
}
