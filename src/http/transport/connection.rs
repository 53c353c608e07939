//! One connection: HTTP/1.1 on a socket, watched so that no client holds it without progress.
//! Must not know routes or what a request asks for.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::Request;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::sleep;
use tower::ServiceExt;

use super::connection_phase::{ConnectionPhase, Phase};
use super::watched_stream::WatchedStream;
use crate::http::Config;
use crate::http::response::problem::Problem;
use crate::http::response::request_id::RequestId;

/// Bytes that a connection reads ahead, and so the longest head. Nobody counts them, and an idle connection keeps them:
/// with hyper's own 400 KiB a thousand uploads would take 400 MB. An idle one holds some 18 KiB besides.
const READ_AHEAD: usize = 32 << 10;

/// From the call to drain to the moment that a connection is closed once it is idle: a request that was sent before that
/// call may still be on its way, and closing at once would lose it.
const PARTING: Duration = Duration::from_millis(500);

/// Serves requests on `stream` until the client leaves, stands still for too long, or `draining` turns
/// true and the request at hand is answered.
pub async fn serve<S>(stream: S, router: Router, config: &Config, mut draining: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let phase_clock = Arc::new(ConnectionPhase::new(config));
    let io = TokioIo::new(WatchedStream::new(stream, phase_clock.clone()));
    let service = service_fn(|request| answer(router.clone(), phase_clock.clone(), request));
    let newcomer = *draining.borrow_and_update();
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // The watchdog below is stricter; this bound holds should it ever miss a phase.
        .header_read_timeout(config.keep_alive_timeout + config.header_timeout)
        .max_buf_size(READ_AHEAD)
        .keep_alive(!newcomer)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    let mut expired = pin!(phase_clock.expired(config));
    let mut told = newcomer;
    let mut parting = pin!(async {
        // An error means that the server is gone: that ends the connection in the same way.
        let _ = draining.changed().await;
        sleep(PARTING).await;
    });
    loop {
        tokio::select! {
            result = connection.as_mut() => return note_end(result),
            phase = expired.as_mut() => return tracing::debug!(?phase, "connection dropped: the client stands still"),
            () = parting.as_mut(), if !told => {
                told = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

fn note_end(result: hyper::Result<()>) {
    if let Err(error) = result {
        tracing::debug!(%error, "connection ended");
    }
}

async fn answer(
    router: Router,
    phase_clock: Arc<ConnectionPhase>,
    request: Request<Incoming>,
) -> Result<Response, Infallible> {
    phase_clock.begin(!request.body().is_end_stream());
    let response = router.oneshot(request.map(Body::new)).await;
    phase_clock.enter(Phase::Idle);
    response
}

/// A problem as a whole HTTP/1.1 answer after which the connection closes, for clients that no router sees.
pub fn wire(problem: Problem) -> Vec<u8> {
    let response = problem.render(&RequestId::generate());
    let status = response.status();
    let mut head = format!("HTTP/1.1 {} {}\r\n", status.as_str(), status.canonical_reason().unwrap_or_default());
    for (name, value) in response.headers() {
        head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap_or_default()));
    }
    head.push_str(&format!("content-length: {}\r\nconnection: close\r\n\r\n", response.body().len()));
    [head.as_bytes(), response.body()].concat()
}
