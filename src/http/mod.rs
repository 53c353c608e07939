//! The HTTP service.
//!
//! [`transport`] accepts the connection, [`middleware`] gives the request an id and a line in the log, and the router calls
//! its endpoint in [`routes`]. The endpoint reads the request with [`request`] and answers with [`response`]; [`contract`]
//! describes it in OpenAPI. Imports go one way: transport and router, middleware, routes, request, contract, response.

mod contract;
mod middleware;
mod redirect;
mod request;
pub mod response;
mod router;
mod routes;
mod transport;

pub use routes::{ALL as ROUTES, Route, labels};

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;

use crate::engine::Engine;
use crate::metrics::Metrics;
use crate::params::Defaults;

/// Send buffer of a connection in bytes, to be set on the listener (Linux doubles it): most answers fit whole. By default
/// Linux lets it grow to 4 MB, even for clients that read nothing.
pub const SEND_BUFFER: usize = 256 << 10;

/// Bounds on clients; see config/default.toml for what each buys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Connections open at once; one more is told 503 and closed.
    pub max_connections: usize,
    /// From the first moment a request may come to its last header line.
    pub header_timeout: Duration,
    /// From the first byte of a body to its last: a deadline, not a pause.
    pub upload_timeout: Duration,
    /// How long a connection may idle between requests, and how far a client may fall behind `min_answer_rate`.
    pub keep_alive_timeout: Duration,
    /// Bytes a second that a client has to read of an answer, once the system takes no more of it; 0 is none.
    pub min_answer_rate: u64,
    /// From the call to stop to the moment that what is still open is dropped.
    pub drain_timeout: Duration,
    /// Bytes a request's body may have, multipart framing included.
    pub max_body_bytes: u64,
}

/// The state that the routes share.
#[derive(Clone)]
pub struct AppState {
    pub engine: Engine,
    pub metrics: Arc<Metrics>,
    pub defaults: Defaults,
    pub config: Config,
    /// When the service started.
    pub started: Instant,
}

/// Serves requests on `listener` until `shutdown` resolves, then drains: new work is refused at once, /health says so, and
/// running work is finished within the drain timeout.
pub async fn serve(state: AppState, listener: TcpListener, shutdown: impl Future<Output = ()>) {
    let engine = state.engine.clone();
    let metrics = state.metrics.clone();
    let config = state.config.clone();
    let router = router::router(Arc::new(state));
    let drain = async {
        shutdown.await;
        engine.drain();
    };
    transport::serve(listener, router, config, metrics, drain).await;
}
