//! Builds the service from its settings and runs it on a listener.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use tokio::net::TcpListener;

use crate::engine::Engine;
use crate::http::{self, AppState};
use crate::metrics::Metrics;
use crate::settings::{Server, Settings};

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
    let (defaults, config) = (settings.defaults(), http_config(&settings.server));
    http::serve(AppState { engine, metrics, defaults, config, started }, listener, shutdown).await;
    Ok(())
}

fn http_config(server: &Server) -> http::Config {
    http::Config {
        max_connections: server.max_connections,
        header_timeout: server.header_timeout,
        upload_timeout: server.upload_timeout,
        keep_alive_timeout: server.keep_alive_timeout,
        min_answer_rate: server.min_answer_rate,
        drain_timeout: server.drain_timeout,
        max_body_bytes: server.max_body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine;

    #[test]
    fn the_defaults_of_modules_are_those_of_the_default_file() {
        let settings = Settings::default();
        assert_eq!(settings.engine_config(), engine::Config::default());
        assert_eq!(http_config(&settings.server), http::Config::default());
        assert_eq!(toml::from_str(""), Ok(engine::Config::default()));
        let engine: engine::Config = toml::from_str("memory = \"1GiB\"").unwrap();
        assert_eq!(engine, engine::Config { memory_bytes: 1 << 30, ..engine::Config::default() });
        let http: http::Config = toml::from_str("max_body = 5\ndrain_timeout = \"3s\"").unwrap();
        assert_eq!((http.max_body_bytes, http.drain_timeout.as_secs()), (5, 3));
    }
}
