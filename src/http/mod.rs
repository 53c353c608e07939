//! The edge: requests in, answers and problems out. The only room that knows HTTP.
//!
//! A request comes in through [`transport`] (its connection), passes [`middleware`] (its id, its line in the log), finds its
//! endpoint in [`routes`], which reads it by [`request`] and answers it by [`response`]. [`contract`] says all of that in
//! OpenAPI. Imports between these go one way: transport and router, middleware, routes, request, contract, response.

mod contract;
mod middleware;
mod redirect;
mod request;
pub mod response;
mod router;
mod routes;
mod transport;

pub use routes::labels;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;

use crate::engine::Engine;
use crate::metrics::Metrics;
use crate::params::Defaults;

/// Bytes of answers that the system takes for a client before it reads, as the listener is to be set (Linux doubles it):
/// most answers whole. Left to itself it grows to 4 MB each, for clients that read nothing too.
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

/// What the routes share.
#[derive(Clone)]
pub struct AppState {
    pub engine: Engine,
    pub metrics: Arc<Metrics>,
    pub defaults: Defaults,
    pub config: Config,
    /// When the service began.
    pub started: Instant,
}

/// Serves requests on `listener` until `shutdown` resolves, then drains: new work is refused and /health
/// says so at once, work at hand is finished, all within the configured drain timeout.
pub async fn serve(state: AppState, listener: TcpListener, shutdown: impl Future<Output = ()>) {
    let (engine, metrics, config) = (state.engine.clone(), state.metrics.clone(), state.config.clone());
    let router = router::router(Arc::new(state));
    let drain = async {
        shutdown.await;
        engine.drain();
    };
    transport::serve(listener, router, config, metrics, drain).await;
}
