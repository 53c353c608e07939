//! The HTTP service.
//!
//! `transport` accepts the connection, `middleware` gives the request an id and a line in the log, and the router calls
//! its endpoint in `routes`. The endpoint reads the request with `request` and answers with `response`; `contract`
//! describes it in OpenAPI. Imports go one way: transport and router, middleware, routes, request, contract, response.

mod config;
mod contract;
mod middleware;
mod pages;
mod redirect;
mod request;
pub(crate) mod response;
mod router;
mod routes;
mod transport;

pub use config::{ApiKey, AuthConfig, Config, CorsConfig, Origin, RateConfig, Secret};
pub(crate) use request::link::{PREFIX as LINK_PREFIX, check as check_link};
pub use request::rate::RateLimits;
pub use routes::{ALL as ROUTES, Route, labels};

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use tokio::net::TcpListener;

use crate::batch::Batches;
use crate::engine::Engine;
use crate::metrics::Metrics;
use crate::params::Defaults;
use crate::source::UrlSource;
use crate::trace::Tracer;

/// Send buffer of a connection in bytes, to be set on the listener (Linux doubles it): most answers fit whole. By
/// default Linux lets it grow to 4 MB, even for clients that read nothing.
pub const SEND_BUFFER: usize = 256 << 10;

/// The state that the routes share.
#[derive(Clone)]
pub struct AppState {
    /// Computes the answers.
    pub engine: Engine,
    /// Fetches pictures by URL.
    pub url_source: UrlSource,
    /// Pictures that are worked on in the background.
    pub batches: Batches,
    /// Makes traces of requests.
    pub tracer: Tracer,
    /// The metrics that the engine counts in too.
    pub metrics: Arc<Metrics>,
    /// Values of parameters that a request leaves out, and their bounds.
    pub defaults: Defaults,
    /// The keys that requests have to bring.
    pub auth: AuthConfig,
    /// The sites whose pages may ask.
    pub cors: CorsConfig,
    /// How much clients may have computed.
    pub rates: Arc<RateLimits>,
    /// Limits on clients, from the section `[server]`.
    pub config: Config,
    /// When the service started.
    pub started: Instant,
}

/// Serves requests on `listener` until `shutdown` resolves, then drains: new work is refused at once, /health says so,
/// and running work is finished within the drain timeout.
pub async fn serve(state: AppState, listener: TcpListener, shutdown: impl Future<Output = ()>) {
    let engine = state.engine.clone();
    let batches = state.batches.clone();
    let metrics = state.metrics.clone();
    let config = state.config.clone();
    let router = router::router(Arc::new(state));
    let drain = async {
        shutdown.await;
        engine.drain();
        batches.drain();
    };
    transport::serve(listener, router, config, metrics, drain).await;
    batches.stop().await;
}
