//! Serves HTTP/1.1 on one connection, and closes it when the client makes no progress.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::sleep;
use tower::ServiceExt;

use super::answer_body::AnswerBody;
use super::connection_phase::ConnectionPhase;
use super::request_body::RequestBody;
use super::watched_stream::WatchedStream;
use crate::http::Config;
use crate::http::request::client::Peer;
use crate::http::response::problem::Problem;
use crate::http::response::request_id::RequestId;

/// Size of a connection's read buffer, and so the longest head. It is not counted as reserved memory, and idle
/// connections keep it: with hyper's default of 400 KiB, a thousand uploads would take 400 MB.
const READ_BUFFER_BYTES: usize = 24 << 10;

/// How long a connection stays open after draining began, even if idle: a request that was sent before may still be on
/// its way, and closing at once would lose it.
const DRAIN_DELAY: Duration = Duration::from_millis(500);

/// Serves requests on `stream` until the client disconnects or makes no progress for too long, or until `draining`
/// turns true and the current request is answered.
pub(super) async fn serve<S>(
    stream: S,
    peer: Peer,
    router: Router,
    config: &Config,
    mut draining: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let phase = Arc::new(ConnectionPhase::new(config));
    let io = TokioIo::new(WatchedStream::new(stream, phase.clone()));
    // In a box, so that an idle connection does not keep the space of a request.
    let service = service_fn(|request| Box::pin(answer(router.clone(), phase.clone(), peer, request)));
    let already_draining = *draining.borrow_and_update();
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // `expired` below is stricter. This bound is a second guard.
        .header_read_timeout(config.keep_alive_timeout + config.header_timeout)
        .max_buf_size(READ_BUFFER_BYTES)
        .keep_alive(!already_draining)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    let mut expired = pin!(phase.expired(config));
    let mut closing = already_draining;
    let mut drain_delay = pin!(async {
        // An error means that the server is gone, which ends the connection in the same way.
        let _ = draining.changed().await;
        sleep(DRAIN_DELAY).await;
    });
    loop {
        tokio::select! {
            result = connection.as_mut() => return note_end(result),
            phase = expired.as_mut() => return tracing::debug!(?phase, "connection dropped: the client makes no progress"),
            () = drain_delay.as_mut(), if !closing => {
                closing = true;
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
    phase: Arc<ConnectionPhase>,
    peer: Peer,
    mut request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Infallible> {
    request.extensions_mut().insert(peer);
    // hyper reads on to the end of a body that is no longer than its buffer, and keeps the connection.
    let is_short = request.body().size_hint().upper().is_some_and(|bytes| bytes <= READ_BUFFER_BYTES as u64);
    let request = request.map(|body| Body::new(RequestBody::new(body, phase.clone())));
    let mut response = router.oneshot(request).await?;
    if phase.body_is_open() && !is_short && is_refusal(response.status()) {
        // Otherwise a client that has sent the rest meanwhile would send its next request on a connection that is being
        // closed.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response.map(|body| AnswerBody::new(body, phase)))
}

fn is_refusal(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

/// Writes a problem as a whole HTTP/1.1 answer that closes the connection, for requests that never reach the router.
pub(super) fn to_http1(problem: Problem) -> Vec<u8> {
    let response = problem.render(&RequestId::generate(), None);
    let status = response.status();
    let mut head = format!("HTTP/1.1 {} {}\r\n", status.as_str(), status.canonical_reason().unwrap_or_default());
    for (name, value) in response.headers() {
        head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap_or_default()));
    }
    head.push_str(&format!("content-length: {}\r\nconnection: close\r\n\r\n", response.body().len()));
    [head.as_bytes(), response.body()].concat()
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use bytes::Bytes;
    use futures_util::{Stream, stream};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::task::JoinHandle;
    use tokio::time::timeout;

    use super::*;

    const HERE: Peer = Peer(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));
    const KEEP_ALIVE: Duration = Duration::from_millis(100);
    const PATIENCE: Duration = Duration::from_secs(30);

    fn config() -> Config {
        Config { keep_alive_timeout: KEEP_ALIVE, ..Config::default() }
    }

    /// Serves a body of `chunks` on a connection, and requests it. The client's system buffers `buffer` bytes.
    async fn requested<S>(chunks: impl Fn() -> S + Clone + Send + Sync + 'static, buffer: usize) -> Requested
    where
        S: Stream<Item = Result<Bytes, Infallible>> + Send + 'static,
    {
        let router = Router::new().route("/", get(async move || Body::from_stream(chunks())));
        let (mut client, server) = duplex(buffer);
        let (draining, drains) = watch::channel(false);
        let served = tokio::spawn(async move { serve(server, HERE, router, &config(), drains).await });
        client.write_all(b"GET / HTTP/1.1\r\nhost: b\r\n\r\n").await.unwrap();
        Requested { client, served, _draining: draining }
    }

    struct Requested {
        client: DuplexStream,
        served: JoinHandle<()>,
        _draining: watch::Sender<bool>,
    }

    /// Three chunks, each of which takes longer than an idle connection may last.
    fn slow_chunks() -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
        stream::unfold(0, async |sent| {
            if sent == 3 {
                return None;
            }
            sleep(2 * KEEP_ALIVE).await;
            Some((Ok(Bytes::from_static(b"tick")), sent + 1))
        })
    }

    #[tokio::test]
    async fn an_answer_that_is_slow_by_our_fault_is_sent_whole_and_then_the_connection_is_idle() {
        let Requested { mut client, served, .. } = requested(slow_chunks, 64 << 10).await;
        let mut answer = Vec::new();
        // Reads until the connection is closed as idle.
        timeout(PATIENCE, client.read_to_end(&mut answer)).await.unwrap().unwrap();
        let text = String::from_utf8(answer).unwrap();
        assert_eq!(text.matches("tick").count(), 3, "{text}");
        assert!(text.ends_with("0\r\n\r\n"), "{text}");
        served.await.unwrap();
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_an_endless_answer_is_dropped() {
        let endless = || stream::repeat_with(|| Ok(Bytes::from_static(&[b'x'; 1000])));
        let Requested { client, served, .. } = requested(endless, 4000).await;
        timeout(PATIENCE, served).await.expect("the connection is dropped").unwrap();
        drop(client);
    }
}
