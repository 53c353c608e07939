//! `GET /fit/{signature}/{options}/{URL}`: the picture at a URL within a byte target, for browsers and CDNs.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;
use http::header::{CACHE_CONTROL, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::compress::{Wanted, read};
use crate::engine::{MemoryLease, Served};
use crate::http::AppState;
use crate::http::contract;
use crate::http::request::client::Client;
use crate::http::request::link::Link;
use crate::http::request::upload::within;
use crate::http::response::problem::Problem;
use crate::http::response::reply::{CACHE_STATUS, Reply};
use crate::http::routes::Route;
use crate::job::Job;
use crate::metrics::RouteLabel;
use crate::source::{Fetched, Freshness, Location};

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
    state.url_source.check_enabled()?;
    let link = Link::read(request.uri().path(), &state.url_source, SystemTime::now())?;
    let client = Client::of(request.extensions());
    let Wanted { request: wanted, .. } = read(&link.pairs, &state.defaults, request.headers())?;
    let location = state.url_source.locate(&link.url, request.headers())?;
    let Answered { served, fetch } = answer(&state, &client, &location, wanted.job).await?;
    let known = state.url_source.known(&location);
    let last_modified = known.as_ref().map(|known| known.last_modified);
    let (negotiated, filename) = (wanted.auto_format, wanted.filename.as_deref());
    let reply = Reply { served: &served, negotiated, filename, fetch, received, total: received.elapsed() };
    let mut response = reply.image_unless_known(request.headers(), last_modified, &state.engine)?;
    let headers = response.headers_mut();
    let max_age = match known.map(|known| known.freshness()) {
        Some(Freshness::Fresh(left)) => left,
        Some(Freshness::Excused { ask_again_in, stale_for }) => {
            state.url_source.served_stale();
            mark_stale(headers, stale_for);
            ask_again_in
        }
        Some(Freshness::Stale) | None => Duration::ZERO,
    };
    // What needed a key is for whoever has one.
    let is_public = link.is_signed || state.auth.keys.is_empty();
    let max_age = link.remaining.map_or(max_age, |remaining| remaining.min(max_age));
    headers.insert(CACHE_CONTROL, cache_control(is_public, max_age));
    if let Some(time) = last_modified {
        let text = httpdate::fmt_http_date(time);
        headers.insert(LAST_MODIFIED, HeaderValue::try_from(text).expect("a date is visible ASCII"));
    }
    Ok(response)
}

/// An answer, and how long it took to ask the host of the picture.
struct Answered {
    served: Served,
    fetch: Option<Duration>,
}

/// The answer to `job` on the picture at `location`: from the cache as long as the picture counts as unchanged, and for
/// a while after that where its host can't be asked.
async fn answer(state: &AppState, client: &Client, location: &Location, job: Job) -> Result<Answered, Problem> {
    if let Some(served) = cached(state, location, &job).await {
        return Ok(Answered { served, fetch: None });
    }
    let asked = Instant::now();
    let problem = match asked_for(state, client, location, &job).await {
        Ok(found) => return Ok(found),
        Err(problem) => problem,
    };
    let stale = cached(state, location, &job).await;
    stale.map(|served| Answered { served, fetch: Some(asked.elapsed()) }).ok_or(problem)
}

/// The answer in the cache, where the host of the picture need not be asked.
async fn cached(state: &AppState, location: &Location, job: &Job) -> Option<Served> {
    let known = state.url_source.known(location).filter(|known| known.freshness() != Freshness::Stale)?;
    state.engine.cached(&known.hash, job).await
}

/// The answer to `job` on the picture as it is now.
async fn asked_for(state: &AppState, client: &Client, location: &Location, job: &Job) -> Result<Answered, Problem> {
    let engine = &state.engine;
    let admitted = engine.admit()?;
    let started = Instant::now();
    let asked = ask_host(state, location, job, &admitted.lease).await?;
    let fetch = started.elapsed();
    let fetched = match asked {
        OfHost::Picture(fetched) => fetched,
        OfHost::Unchanged(served) => return Ok(Answered { served, fetch: Some(fetch) }),
    };
    drop(admitted);
    let missing = async { usize::from(!engine.has_cached(&fetched.upload.hash, job).await) };
    state.rates.charge(client, missing).await?;
    Ok(Answered { served: engine.run_since(started, fetched.upload, job.clone()).await?, fetch: Some(fetch) })
}

/// What comes of asking a host.
enum OfHost {
    Picture(Fetched),
    /// The picture is what it was, and the cache has the answer.
    Unchanged(Served),
}

/// Asks for the picture: for changes only, where the cache has the answer to `job` for what was fetched before. Then the
/// host has its own time, after which that answer is served; otherwise the job's deadline covers the fetch.
async fn ask_host(state: &AppState, location: &Location, job: &Job, lease: &MemoryLease) -> Result<OfHost, Problem> {
    let AppState { engine, url_source, .. } = state;
    if let Some(known) = url_source.known(location)
        && engine.has_cached(&known.hash, job).await
    {
        if let Some(changed) = url_source.fetch_changed(location, &known, lease.clone()).await? {
            return Ok(OfHost::Picture(changed));
        }
        if let Some(served) = engine.cached(&known.hash, job).await {
            return Ok(OfHost::Unchanged(served));
        }
        // The cache has dropped the answer in the meantime.
    }
    let fetched = within(job.deadline, url_source.fetch(location, lease.clone())).await?;
    Ok(OfHost::Picture(fetched))
}

/// Says in Cache-Status how long ago the answer was fresh (RFC 9211 s2.4).
fn mark_stale(headers: &mut HeaderMap, stale_for: Duration) {
    let Some(status) = headers.get(CACHE_STATUS).and_then(|value| value.to_str().ok()) else { return };
    let status = format!("{status}; ttl=-{}", stale_for.as_secs().max(1));
    headers.insert(CACHE_STATUS, HeaderValue::try_from(status).expect("names and numbers are visible ASCII"));
}

fn cache_control(is_public: bool, max_age: Duration) -> HeaderValue {
    let text = format!("{}, max-age={}", if is_public { "public" } else { "private" }, max_age.as_secs());
    HeaderValue::try_from(text).expect("a number is visible ASCII")
}

fn operation() -> Value {
    let mut responses = contract::image_responses();
    for (name, meaning) in [
        (
            "Cache-Control",
            "public (private where it took a key), and the time for which the picture counts as unchanged",
        ),
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
