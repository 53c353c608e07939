//! `POST /compress`: fits an image into a byte target.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use http::HeaderMap;
use serde_json::{Value, json};

use crate::codec::Format;
use crate::http::AppState;
use crate::http::contract;
use crate::http::request::accept::Accept;
use crate::http::request::admitted::Admitted;
use crate::http::request::client::Client;
use crate::http::request::json::JsonShape;
use crate::http::request::upload::{self, Order};
use crate::http::response::problem::{Kind, Problem};
use crate::http::response::reply::Reply;
use crate::http::routes::Route;
use crate::job::Formats;
use crate::metrics::RouteLabel;
use crate::params::{self, Defaults};

/// The row of this endpoint.
pub(super) const COMPRESS: Route = Route {
    path: "/compress",
    method: "post",
    handler: || post(compress),
    label: RouteLabel { name: "compress", computes: true },
    operation,
    is_text: false,
    is_probe: false,
    needs_key: true,
};

/// Admission, parameters, body, engine, reply. Each of them may refuse the request; the cheap ones come first.
pub(super) async fn compress(
    Admitted(admitted): Admitted,
    State(state): State<Arc<AppState>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    upload::check_declared(&body, &state.config)?;
    let read = |pairs: &[(String, String)]| read(pairs, &state.defaults, &parts.headers);
    let order = upload::receive_with(&parts, body, &state, admitted, JsonShape::Parameters, read).await?;
    let Order { upload, wanted, received, fetch } = order;
    let params::Request { job, auto_format, filename } = wanted.request;
    let client = Client::of(&parts.extensions);
    let missing = async { usize::from(!state.engine.has_cached(&upload.hash, &job).await) };
    state.rates.charge(&client, missing).await?;
    let served = state.engine.run_since(received, upload, job).await?;
    let total = received.elapsed();
    let reply =
        Reply { served: &served, negotiated: auto_format, filename: filename.as_deref(), fetch, received, total };
    // If-None-Match is not read here: it is about a representation of /compress itself (RFC 9110 s13.1.2), which has
    // none.
    if wanted.report { Ok(reply.json(&state.engine).await) } else { reply.image(&state.engine) }
}

/// A valid request, and whether the client wants the report instead of the image.
pub(super) struct Wanted {
    pub request: params::Request,
    pub report: bool,
}

impl upload::Wanted for Wanted {
    fn deadline(&self) -> Duration {
        self.request.job.deadline
    }
}

/// Reads the parameters, and the formats of an automatic choice from Accept.
///
/// # Errors
/// A parameter that can't be used, and `not_acceptable`.
pub(super) fn read(pairs: &[(String, String)], defaults: &Defaults, headers: &HeaderMap) -> Result<Wanted, Problem> {
    let mut request = params::parse(pairs, defaults)?;
    let accept = Accept::of(headers);
    if request.auto_format {
        let formats = accept.formats(&defaults.formats);
        if formats.is_empty() {
            let detail = "Accept names no image type that is written, nor application/json for the report";
            let written = Format::OUTPUT.map(Format::media_type);
            return Err(Problem::new(Kind::NotAcceptable, detail).with("types", &written[..]));
        }
        request.job.formats = Formats::Among(formats);
    }
    Ok(Wanted { request, report: accept.wants_report() })
}

fn operation() -> Value {
    let mut responses = contract::image_responses();
    responses["200"]["content"]["application/json"] = json!({ "schema": contract::schema("Report") });
    contract::add_problems(&mut responses, |_| true);
    json!({
        "operationId": "compress",
        "summary": "Fit an image into a byte target",
        "description": "Parameters stand in the query, in the form or in JSON, under the same names; `target` is required in \
            one of them. A form or JSON may name the `url` of the image instead of carrying it, where the service fetches images.",
        "parameters": contract::query_parameters().chain([contract::request_id()]).collect::<Vec<Value>>(),
        "requestBody": {
            "required": true,
            "content": {
                "image/*": { "schema": {} },
                "application/octet-stream": { "schema": {} },
                "multipart/form-data": { "schema": contract::form() },
                "application/json": { "schema": contract::url_and_parameters() },
            },
        },
        "responses": responses,
    })
}
