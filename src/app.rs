//! Builds the service from its settings and runs it on a listener.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use tokio::net::TcpListener;

use crate::engine::Engine;
use crate::http::{self, AppState};
use crate::metrics::Metrics;
use crate::settings::Settings;

/// Why the service can't start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("the engine can't start its threads: {0}")]
    Engine(#[source] io::Error),
}

/// Serves on `listener` until `shutdown` completes and open connections are drained.
///
/// # Errors
/// [`AppError`] before the first connection is accepted.
pub async fn serve(
    settings: Settings,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), AppError> {
    let started = Instant::now();
    let metrics = Arc::new(Metrics::with_routes(http::labels()));
    let engine = Engine::new(settings.engine_config(), metrics.clone()).map_err(AppError::Engine)?;
    let defaults = settings.defaults();
    let config = settings.server.http;
    http::serve(AppState { engine, metrics, defaults, config, started }, listener, shutdown).await;
    Ok(())
}
