//! Starts a whole service on a free port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytefit::batch::{self, Batches};
use bytefit::codec::{Format, Limits};
use bytefit::engine::{self, CacheConfig, Engine, WorkersMode};
use bytefit::http::{self, AppState, AuthConfig, CorsConfig, RateConfig, RateLimits};
use bytefit::metrics::Metrics;
use bytefit::params::Defaults;
use bytefit::source::{self, Lookup, Names, Network, UrlSource};
use bytefit::trace::{self, Tracer};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::client::{Answer, Connection, PATIENCE, Request};

/// The configuration of a test server.
pub(crate) struct TestConfig {
    pub engine: engine::Config,
    pub http: http::Config,
    pub source: source::Config,
    pub batch: batch::Config,
    pub auth: AuthConfig,
    pub cors: CorsConfig,
    pub rate: RateConfig,
    pub trace: trace::Config,
    /// The addresses of names, for pictures by URL.
    pub names: Arc<dyn Names>,
    /// Certificates of authorities that are trusted beside the public ones.
    pub authorities: Vec<Vec<u8>>,
    pub defaults: Defaults,
}

/// Knows no name.
struct NoNames;

impl Names for NoNames {
    fn lookup(&self, name: String) -> Lookup {
        Box::pin(async { Err(std::io::Error::other(name)) })
    }
}

impl Default for TestConfig {
    fn default() -> TestConfig {
        TestConfig {
            engine: engine::Config {
                threads: 2,
                workers: WorkersMode::Threads,
                queue_slots: 64,
                memory_bytes: 1 << 30,
                max_body_bytes: 8 << 20,
                cache: CacheConfig {
                    capacity_bytes: 64 << 20,
                    ttl: Duration::from_secs(600),
                    ..CacheConfig::default()
                },
                limits: Limits::default(),
            },
            http: http::Config {
                max_connections: 256,
                header_timeout: Duration::from_secs(10),
                upload_timeout: Duration::from_secs(30),
                keep_alive_timeout: Duration::from_secs(30),
                min_answer_rate: 32_000,
                drain_timeout: Duration::from_secs(10),
                max_body_bytes: 8 << 20,
                trusted_proxies: 0,
            },
            source: source::Config::default(),
            batch: batch::Config::default(),
            auth: AuthConfig::default(),
            cors: CorsConfig::default(),
            rate: RateConfig::default(),
            trace: trace::Config::default(),
            names: Arc::new(NoNames),
            authorities: Vec::new(),
            defaults: Defaults {
                max_target: 1 << 30,
                deadline: Duration::from_secs(60),
                max_deadline: Duration::from_secs(120),
                formats: vec![Format::Webp, Format::Jpeg, Format::Png],
                ..Defaults::default()
            },
        }
    }
}

/// A running service. It ends with the test's runtime, or by [`TestServer::stop`].
pub(crate) struct TestServer {
    pub address: SocketAddr,
    pub service_metrics: Arc<Metrics>,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
}

impl TestServer {
    /// Starts the service with the default configuration.
    pub(crate) async fn start() -> TestServer {
        TestServer::start_with(|_| {}).await
    }

    /// Starts the service with a changed configuration.
    pub(crate) async fn start_with(change: impl FnOnce(&mut TestConfig)) -> TestServer {
        TestServer::start_engine(change, Engine::new).await
    }

    /// Starts the service on the engine that `engine` makes.
    pub(crate) async fn start_engine(
        change: impl FnOnce(&mut TestConfig),
        engine: impl FnOnce(engine::Config, Arc<Metrics>) -> std::io::Result<Engine>,
    ) -> TestServer {
        let mut config = TestConfig::default();
        change(&mut config);
        let metrics = Arc::new(Metrics::with_routes(http::labels()));
        let max_body = config.http.max_body_bytes;
        let engine = engine(config.engine, metrics.clone()).unwrap();
        let network = Network { names: config.names, authorities: config.authorities };
        let url_source = match config.source.enabled {
            true => UrlSource::in_network(config.source, max_body, metrics.clone(), network).unwrap(),
            false => UrlSource::new(config.source, max_body, metrics.clone()).unwrap(),
        };
        let (tracer, exporter) = Tracer::new(&config.trace, metrics.clone()).unwrap();
        exporter.map(|exporter| tokio::spawn(exporter.run(std::future::pending())));
        let max_items = config.batch.max_items;
        let state = AppState {
            batches: Batches::open(config.batch, engine.clone(), url_source.clone(), metrics.clone()).await.unwrap(),
            engine,
            url_source,
            tracer,
            rates: Arc::new(RateLimits::new(config.rate, &config.auth, max_items, metrics.clone())),
            metrics: metrics.clone(),
            defaults: config.defaults,
            auth: config.auth,
            cors: config.cors,
            config: config.http,
            started: Instant::now(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            // Dropping the sender does not stop the service.
            if stopped.await.is_err() {
                std::future::pending().await
            }
        };
        let served = tokio::spawn(http::serve(state, listener, shutdown));
        TestServer { address, service_metrics: metrics, stop: Some(stop), served }
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection::open(self.address).await
    }

    /// Sends a request on a new connection, and returns the answer.
    pub(crate) async fn ask(&self, request: Request) -> Answer {
        self.connect().await.ask(&request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path)).await
    }

    pub(crate) async fn compress(&self, query: &str, body: &[u8]) -> Answer {
        self.ask(Request::compress(query, body)).await
    }

    /// The value of a series in /metrics.
    pub(crate) async fn series(&self, name: &str) -> f64 {
        let text = self.metrics().await;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
    }

    /// The text of /metrics.
    pub(crate) async fn metrics(&self) -> String {
        String::from_utf8(self.get("/metrics").await.body).unwrap()
    }

    /// Waits until `condition` holds for the body of /livez.
    pub(crate) async fn wait_until(&self, condition: impl Fn(&Value) -> bool) {
        let reached = async {
            while !condition(&self.get("/livez").await.json()) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(PATIENCE, reached).await.expect("the condition comes true");
    }

    /// Waits until one more connection is accepted.
    pub(crate) async fn wait_until_admitted(&self) {
        let admitted = async { while self.get("/health").await.status != 200 {} };
        timeout(PATIENCE, admitted).await.expect("a connection comes free");
    }

    /// Waits until a series in /metrics has reached `count`.
    pub(crate) async fn wait_until_counted(&self, series: &str, count: f64) {
        let counted = async { while self.series(series).await < count {} };
        if timeout(PATIENCE, counted).await.is_err() {
            panic!("{series} does not reach {count}:\n{}", self.metrics().await);
        }
    }

    /// Starts to drain; [`TestServer::stopped`] waits for the end.
    pub(crate) fn stop(&mut self) {
        self.stop.take().expect("stopped once").send(()).expect("the service listens");
    }

    pub(crate) async fn stopped(self) {
        timeout(PATIENCE, self.served).await.expect("the service ends").unwrap();
    }
}
