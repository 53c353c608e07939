//! A whole service on a port of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytefit::codec::{Format, Limits};
use bytefit::engine::{self, Engine};
use bytefit::http::{self, AppState};
use bytefit::metrics::Metrics;
use bytefit::params::Defaults;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::client::{Answer, Connection, PATIENCE, Request};

/// What a house is built from.
pub struct Plan {
    pub engine: engine::Config,
    pub http: http::Config,
    pub defaults: Defaults,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            engine: engine::Config {
                threads: 2,
                queue_slots: 64,
                memory_mib: 1024,
                max_body_bytes: 8 << 20,
                cache_bytes: 64 << 20,
                cache_ttl: Duration::from_secs(600),
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
            },
            defaults: Defaults {
                max_target: 1 << 30,
                deadline: Duration::from_secs(60),
                max_deadline: Duration::from_secs(120),
                formats: vec![Format::Webp, Format::Jpeg, Format::Png],
            },
        }
    }
}

/// A running service; dropping it leaves it to the end of the test's runtime.
pub struct House {
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
}

impl House {
    /// The real thing.
    pub async fn open() -> House {
        House::with(|_| {}).await
    }

    /// The real thing under other settings.
    pub async fn with(change: impl FnOnce(&mut Plan)) -> House {
        House::build(change, Engine::new).await
    }

    /// A house whose engine is made by `engine`.
    pub async fn build(
        change: impl FnOnce(&mut Plan),
        engine: impl FnOnce(engine::Config, Arc<Metrics>) -> std::io::Result<Engine>,
    ) -> House {
        let mut plan = Plan::default();
        change(&mut plan);
        let metrics = Arc::new(Metrics::new());
        let edge = AppState {
            engine: engine(plan.engine, metrics.clone()).unwrap(),
            metrics,
            defaults: plan.defaults,
            config: plan.http,
            started: Instant::now(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            // A dropped sender is no call to stop.
            if stopped.await.is_err() {
                std::future::pending().await
            }
        };
        let served = tokio::spawn(http::serve(edge, listener, shutdown));
        House { address, stop: Some(stop), served }
    }

    pub async fn connect(&self) -> Connection {
        Connection::open(self.address).await
    }

    /// Asks on a connection of its own.
    pub async fn ask(&self, request: Request) -> Answer {
        self.connect().await.ask(&request).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path)).await
    }

    pub async fn compress(&self, query: &str, body: &[u8]) -> Answer {
        self.ask(Request::compress(query, body)).await
    }

    /// The value of a series in /metrics.
    #[track_caller]
    pub fn series(&self, name: &str) -> impl Future<Output = f64> {
        let (name, text) = (name.to_owned(), self.get("/metrics"));
        async move {
            let text = String::from_utf8(text.await.body).unwrap();
            let line = text.lines().find_map(|line| line.strip_prefix(&name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
        }
    }

    /// Waits until /livez shows what `condition` wants.
    pub async fn until(&self, condition: impl Fn(&Value) -> bool) {
        let reached = async {
            while !condition(&self.get("/livez").await.json()) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(PATIENCE, reached).await.expect("the condition comes true");
    }

    /// Waits until there is room for one more connection.
    pub async fn until_admitted(&self) {
        let admitted = async { while self.get("/health").await.status != 200 {} };
        timeout(PATIENCE, admitted).await.expect("a connection comes free");
    }

    /// Waits until a series in /metrics has reached `count`.
    pub async fn until_counted(&self, series: &str, count: f64) {
        let counted = async { while self.series(series).await < count {} };
        timeout(PATIENCE, counted).await.expect("the count is reached");
    }

    /// Calls for an end; [`House::closed`] waits for it.
    pub fn stop(&mut self) {
        self.stop.take().expect("stopped once").send(()).expect("the service listens");
    }

    pub async fn closed(self) {
        timeout(PATIENCE, self.served).await.expect("the service ends").unwrap();
    }
}
