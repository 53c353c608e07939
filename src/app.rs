//! Builds the service from its settings and runs it on a listener.

use std::future::{self, Future};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, timeout};

use crate::batch::Batches;
use crate::engine::{Codecs, Engine, Work};
use crate::http::{self, AppState, RateLimits};
use crate::metrics::{self, Metrics};
use crate::settings::Settings;
use crate::source::UrlSource;
use crate::trace::{Exporter, TraceError, Tracer};
use crate::workers::{Spawner, Workers};

/// Time for the collector to take the last spans.
const LAST_EXPORT: Duration = Duration::from_secs(2);

/// Why the service can't start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The system refused a thread or another resource that the engine needs.
    #[error("the engine can't start its threads: {0}")]
    Engine(#[source] io::Error),
    /// Pictures are to be fetched by URL, which this system can't do.
    #[error("pictures can't be fetched by URL: {0}")]
    Source(#[source] io::Error),
    /// The store of batches can't be used.
    #[error("batches can't be kept: {0}")]
    Batches(#[source] io::Error),
    /// Traces can't be sent as the configuration says.
    #[error("traces can't be sent: {0}")]
    Trace(#[source] TraceError),
    /// The service has drained, because it can't start workers any more.
    #[error("the process that starts the workers is gone")]
    SpawnerGone,
}

/// Serves on `listener` until `shutdown` completes and open connections are drained. Jobs run in the workers of
/// `spawner`, or on threads without one.
///
/// # Errors
/// [`AppError::Engine`], [`AppError::Source`], [`AppError::Batches`] and [`AppError::Trace`] before the first
/// connection is accepted; [`AppError::SpawnerGone`] when the spawner ended before `shutdown`, after draining.
pub async fn serve(
    settings: Settings,
    listener: TcpListener,
    spawner: Option<Spawner>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), AppError> {
    let started = Instant::now();
    let metrics = Arc::new(Metrics::with_routes(http::labels()));
    let workers = spawner.map(|spawner| Workers::new(spawner, metrics.clone())).transpose();
    let workers = workers.map_err(AppError::Engine)?.map(Arc::new);
    let work: Arc<dyn Work> = match &workers {
        Some(workers) => workers.clone(),
        None => Arc::new(Codecs),
    };
    let engine = Engine::with_work(settings.engine_config(), metrics.clone(), work).map_err(AppError::Engine)?;
    let defaults = settings.defaults();
    let config = settings.server.http;
    let rates =
        Arc::new(RateLimits::new(settings.limits.rate, &settings.auth, settings.batch.max_items, metrics.clone()));
    let (auth, cors) = (settings.auth, settings.cors);
    let url_source =
        UrlSource::new(settings.source, config.max_body_bytes, metrics.clone()).map_err(AppError::Source)?;
    let batches = Batches::open(settings.batch, engine.clone(), url_source.clone(), metrics.clone());
    let batches = batches.await.map_err(AppError::Batches)?;
    let (tracer, exporter) = Tracer::new(&settings.trace, metrics.clone()).map_err(AppError::Trace)?;
    let exports = exporter.map(Exports::start);
    let (lost, was_lost) = oneshot::channel();
    let stop = async move {
        tokio::select! {
            () = shutdown => {}
            () = spawner_gone(workers) => {
                tracing::error!("the process that starts the workers is gone: draining");
                // The receiver lives until the service has ended.
                let _ = lost.send(());
            }
        }
    };
    let history = record_history(metrics.clone(), batches.clone());
    let idle = engine.clone();
    let state = AppState { engine, url_source, batches, tracer, metrics, defaults, auth, cors, rates, config, started };
    tokio::select! {
        () = http::serve(state, listener, stop) => {}
        () = history => {}
        () = idle.release_memory_when_idle() => {}
    }
    if let Some(exports) = exports {
        exports.finish().await;
    }
    match was_lost.await {
        Ok(()) => Err(AppError::SpawnerGone),
        Err(_) => Ok(()),
    }
}

/// The task that sends spans.
struct Exports {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Exports {
    fn start(exporter: Exporter) -> Exports {
        let (stop, stopped) = oneshot::channel();
        let run = exporter.run(async { drop(stopped.await) });
        Exports { stop, task: tokio::spawn(run) }
    }

    /// Sends the last spans, if the collector takes them at once.
    async fn finish(self) {
        let _ = self.stop.send(());
        // A collector that hangs must not keep the process.
        let _ = timeout(LAST_EXPORT, self.task).await;
    }
}

/// Ends an interval of the history at a time, for ever.
async fn record_history(metrics: Arc<Metrics>, batches: Batches) {
    let mut ticks = tokio::time::interval(metrics::INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        batches.measure();
        metrics.end_interval();
    }
}

/// Completes when the spawner of `workers` is gone; never without workers.
async fn spawner_gone(workers: Option<Arc<Workers>>) {
    match workers {
        Some(workers) => workers.spawner_gone().await,
        None => future::pending().await,
    }
}
