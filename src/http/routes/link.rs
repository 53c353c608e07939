//! `GET /fit/{signature}/{options}/{URL}`: the picture at a URL within a byte target, for browsers and CDNs.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, LAST_MODIFIED};
use serde_json::{Value, json};

use super::compress::{Wanted, read};
use crate::engine::Served;
use crate::http::AppState;
use crate::http::contract;
use crate::http::request::client::Client;
use crate::http::request::link::Link;
use crate::http::response::problem::Problem;
use crate::http::response::reply::Reply;
use crate::http::routes::Route;
use crate::job::Job;
use crate::metrics::RouteLabel;
use crate::source::Location;

/// The row of this endpoint.
pub(super) const LINK: Route = Route {
    path: "/fit/{signature}/{*link}",
    method: "get",
    handler: || get(link),
    label: RouteLabel { name: "link", computes: true },
    operation,
    is_text: false,
    is_probe: false,
    needs_key: false,
};

/// Signature, parameters, URL, and then the answer: from the cache while the picture counts as unchanged.
pub(super) async fn link(State(state): State<Arc<AppState>>, request: Request) -> Result<Response, Problem> {
    let received = Instant::now();
    state.source.check_enabled()?;
    let link = Link::read(request.uri().path(), &state.source, SystemTime::now())?;
    let client = Client::of(request.extensions());
    let Wanted { request: wanted, .. } = read(&link.pairs, &state.defaults, request.headers())?;
    let location = state.source.locate(&link.url, request.headers())?;
    let (served, fetch) = answer(&state, &client, &location, wanted.job).await?;
    let known = state.source.known(&location);
    let last_modified = known.as_ref().map(|known| known.last_modified);
    let (negotiated, filename) = (wanted.auto_format, wanted.filename.as_deref());
    let reply = Reply { served: &served, negotiated, filename, fetch, received, total: received.elapsed() };
    let mut response = reply.image_unless_known(request.headers(), last_modified, &state.engine)?;
    let fresh = known.and_then(|known| known.fresh_for()).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, cache_control(link.remaining.map_or(fresh, |remaining| remaining.min(fresh))));
    if let Some(time) = last_modified {
        let text = httpdate::fmt_http_date(time);
        headers.insert(LAST_MODIFIED, HeaderValue::try_from(text).expect("a date is visible ASCII"));
    }
    Ok(response)
}

/// The answer to `job` on the picture at `location`, and how long it took to fetch the picture.
async fn answer(
    state: &AppState,
    client: &Client,
    location: &Location,
    job: Job,
) -> Result<(Served, Option<Duration>), Problem> {
    let engine = &state.engine;
    let known = state.source.known(location);
    if let Some(known) = known.as_ref().filter(|known| known.fresh_for().is_some())
        && let Some(served) = engine.cached(&known.hash, &job).await
    {
        return Ok((served, None));
    }
    let admitted = engine.admit()?;
    let started = Instant::now();
    let is_cached = match &known {
        Some(known) => engine.has_cached(&known.hash, &job).await,
        None => false,
    };
    let fetched = match known.filter(|_| is_cached) {
        Some(known) => {
            let changed = state.source.fetch_changed(location, &known, admitted.lease.clone()).await?;
            match (changed, engine.cached(&known.hash, &job).await) {
                (Some(fetched), _) => fetched,
                (None, Some(served)) => return Ok((served, Some(started.elapsed()))),
                // The cache has dropped the answer in the meantime.
                (None, None) => state.source.fetch(location, admitted.lease.clone()).await?,
            }
        }
        None => state.source.fetch(location, admitted.lease.clone()).await?,
    };
    let fetch = started.elapsed();
    drop(admitted);
    let missing = async { usize::from(!engine.has_cached(&fetched.upload.hash, &job).await) };
    state.rates.charge(client, missing).await?;
    Ok((engine.run(fetched.upload, job).await?, Some(fetch)))
}

fn cache_control(max_age: Duration) -> HeaderValue {
    let text = format!("public, max-age={}", max_age.as_secs());
    HeaderValue::try_from(text).expect("a number is visible ASCII")
}

fn operation() -> Value {
    let mut responses = contract::image_responses();
    for (name, meaning) in [
        ("Cache-Control", "public, and the time for which the picture counts as unchanged"),
        ("Last-Modified", "When the picture at the URL was changed last"),
    ] {
        responses["200"]["headers"][name] = json!({ "description": meaning, "schema": { "type": "string" } });
    }
    responses["304"] = json!({
        "description": "If-None-Match names this answer, or the picture has not changed since If-Modified-Since",
        "headers": contract::header_refs(&["ETag", "X-Request-Id"]),
    });
    contract::add_problems(&mut responses, |_| true);
    let variable = |name: &str, meaning: &str| json!({ "name": name, "in": "path", "required": true, "description": meaning, "schema": { "type": "string" } });
    let signature = "Base64url without padding of HMAC-SHA256(key, salt + \"/\" + all that follows the signature)";
    let link = "Parameters as `name:value`, with slashes between them, then the URL: in base64url, or after `plain/` \
        percent-encoded. `expires` ends the link's validity, in seconds since 1970";
    json!({
        "operationId": "link",
        "summary": "The image at a URL within a byte target",
        "parameters": [
            variable("signature", signature),
            variable("link", link),
            contract::if_none_match(),
            contract::request_id(),
        ],
        "responses": responses,
    })
}
