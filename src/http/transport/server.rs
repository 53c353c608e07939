//! The accept loop: a bounded number of connections, and a drain of bounded length at the end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::connection;
use crate::http::Config;
use crate::http::request::client::Peer;
use crate::http::response::problem::{Kind, Problem};
use crate::metrics::{Metrics, Shed};

/// Pause after an accept that failed for lack of file descriptors or memory: long enough that the loop does not spin,
/// short enough that nobody notices when there are some again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections over the limit that may be answered with 503 at once. Any more are closed without an answer.
const MAX_REFUSALS: usize = 64;

/// How long a refused client may take to read its answer.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// The Retry-After of a refused connection: nothing says when one becomes free.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Serves `router` on `listener` until `shutdown` resolves. Then idle connections are closed, running requests are
/// answered and new ones are still refused with an answer, until no connection is left or `config.drain_timeout` is
/// over. What is open then is dropped.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    config: Config,
    metrics: Arc<Metrics>,
    shutdown: impl Future<Output = ()>,
) {
    let mut server = Server {
        listener,
        router,
        metrics,
        permits: Arc::new(Semaphore::new(config.max_connections)),
        refusals: Arc::new(Semaphore::new(MAX_REFUSALS)),
        connections: JoinSet::new(),
        draining: watch::Sender::new(false),
        config: Arc::new(config),
    };
    tokio::select! {
        () = server.accept_forever() => {}
        () = shutdown => {}
    }
    server.drain().await;
}

struct Server {
    listener: TcpListener,
    router: Router,
    config: Arc<Config>,
    metrics: Arc<Metrics>,
    permits: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    connections: JoinSet<()>,
    draining: watch::Sender<bool>,
}

impl Server {
    async fn accept_forever(&mut self) {
        loop {
            self.accept_or_join().await;
        }
    }

    async fn drain(&mut self) {
        self.draining.send_replace(true);
        let limit = self.config.drain_timeout;
        if timeout(limit, self.finish()).await.is_err() {
            tracing::warn!(connections = self.connections.len(), "drain timeout: dropping what is still open");
        }
        self.connections.shutdown().await;
    }

    async fn finish(&mut self) {
        while !self.connections.is_empty() {
            self.accept_or_join().await;
        }
    }

    /// Waits until one connection is accepted or has ended.
    async fn accept_or_join(&mut self) {
        tokio::select! {
            (stream, peer) = accept(&self.listener) => self.admit(stream, Peer(peer.ip())),
            Some(_) = self.connections.join_next() => {}
        }
    }

    fn admit(&mut self, stream: TcpStream, peer: Peer) {
        // Answers are written whole, so waiting for more data would only delay their last segment.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY not set");
        }
        match self.permits.clone().try_acquire_owned() {
            Ok(permit) => {
                let router = self.router.clone();
                let config = self.config.clone();
                let draining = self.draining.subscribe();
                self.connections.spawn(async move {
                    connection::serve(stream, peer, router, &config, draining).await;
                    drop(permit);
                });
            }
            Err(_) => self.refuse(stream),
        }
    }

    fn refuse(&mut self, stream: TcpStream) {
        self.metrics.shed(Shed::Connections);
        if let Ok(permit) = self.refusals.clone().try_acquire_owned() {
            self.connections.spawn(async move {
                let _ = timeout(REFUSAL_TIMEOUT, answer_overloaded(stream)).await;
                drop(permit);
            });
        }
    }
}

/// Waits for a connection. Errors never end the loop: some are the fault of one client, and the others (no file
/// descriptors, no memory) pass.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_client_error(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "can't accept connections");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_client_error(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Answers at once, then reads until the client closes: closing with data unread would reset the connection, and the
/// client would lose the answer.
async fn answer_overloaded(mut stream: TcpStream) -> io::Result<()> {
    let problem = Problem::new(Kind::Overloaded, "too many connections are open").retry_after(RETRY_AFTER);
    stream.write_all(&connection::to_http1(problem)).await?;
    stream.shutdown().await?;
    let mut scratch = [0; 8 << 10];
    while stream.read(&mut scratch).await? > 0 {}
    Ok(())
}
