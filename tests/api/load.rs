//! Overload and panics, on an engine whose jobs wait until the test releases them.

use std::sync::{Arc, Condvar, Mutex};

use bytefit::engine::{Bounds, Engine, Header, Work, WorkError};
use bytefit::job::{Answer, Job, JobError};
use serde_json::{Value, json};
use testkit::answers::echo;
use tokio::time::timeout;

use crate::client::{PATIENCE, Request};
use crate::picture::png;
use crate::server::{TestConfig, TestServer};

const QUERY: &str = "target=9KB&format=jpeg";

/// Jobs wait for this latch until the test releases it. Then every job answers with its input.
#[derive(Clone)]
pub(crate) struct Latch(Arc<(Mutex<bool>, Condvar)>);

impl Latch {
    pub(crate) fn new() -> Latch {
        Latch(Arc::default())
    }

    pub(crate) fn release(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn wait(&self) {
        let (released, condition) = &*self.0;
        drop(condition.wait_while(released.lock().unwrap(), |released| !*released).unwrap());
    }

    /// Starts a server whose jobs wait for this latch. A picture 13 pixels wide panics.
    pub(crate) async fn server(&self, change: impl FnOnce(&mut TestConfig)) -> TestServer {
        let work = Arc::new(self.clone());
        TestServer::start_engine(change, |config, metrics| Engine::with_work(config, metrics, work)).await
    }
}

/// Reading a header waits for the latch; jobs do not.
struct LongHeaders(Latch);

impl Work for LongHeaders {
    fn memory_needed(&self, _: &Job, _: &Header<'_>, _: u64) -> Result<u64, JobError> {
        self.0.wait();
        Ok(1)
    }

    fn run(&self, job: &Job, input: &[u8], _: &Bounds<'_>) -> Result<Answer, WorkError> {
        Ok(echo(job, input))
    }
}

impl Work for Latch {
    fn memory_needed(&self, _: &Job, header: &Header<'_>, _: u64) -> Result<u64, JobError> {
        Ok(header.input.len() as u64)
    }

    fn run(&self, job: &Job, input: &[u8], _: &Bounds<'_>) -> Result<Answer, WorkError> {
        self.wait();
        assert_ne!(input, png(13, 8), "the codec panics");
        Ok(echo(job, input))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_over_the_limit_is_refused_before_its_body() {
    let latch = Latch::new();
    let server = latch
        .server(|config| {
            config.engine.threads = 1;
            config.engine.queue_slots = 1;
        })
        .await;
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    for (connection, body) in [(&mut first, png(8, 8)), (&mut second, png(9, 8))] {
        connection.write(&Request::compress(QUERY, &body).head()).await;
        connection.write(&body).await;
    }
    server.wait_until(|health| health["in_flight"] == 1 && health["queued"] == 1).await;
    let mut third = server.connect().await;
    third.write(&Request::compress(QUERY, &[0; 1000]).head()).await;
    let answer = third.answer().await;
    answer.problem(503, "overloaded");
    assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(server.get("/health").await.status, 200, "health never waits in the queue");
    assert_eq!(server.series(r#"bytefit_shed_total{reason="queue_full"}"#).await, 1.0);
    latch.release();
    assert_eq!(first.answer().await.status, 200);
    assert_eq!(second.answer().await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_take_fewer_pictures_at_once_while_requests_wait() {
    let latch = Latch::new();
    let server = latch
        .server(|config| {
            config.engine.threads = 1;
            config.engine.queue_slots = 1;
        })
        .await;
    let pace = async |expected: Value| {
        let is_so = async { while server.get("/status").await.json()["batches"]["pace"] != expected {} };
        timeout(PATIENCE, is_so).await.expect("the pace follows the load");
    };
    pace(json!({"at_once": 2, "most": 2, "held_back_by": null})).await;
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    for (connection, body) in [(&mut first, png(8, 8)), (&mut second, png(9, 8))] {
        connection.write(&Request::compress(QUERY, &body).head()).await;
        connection.write(&body).await;
    }
    pace(json!({"at_once": 1, "most": 2, "held_back_by": "queue"})).await;
    latch.release();
    assert_eq!((first.answer().await.status, second.answer().await.status), (200, 200));
    pace(json!({"at_once": 2, "most": 2, "held_back_by": null})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_answers_while_twenty_headers_take_long() {
    let latch = Latch::new();
    let work = Arc::new(LongHeaders(latch.clone()));
    let server = TestServer::start_engine(|_| {}, |config, metrics| Engine::with_work(config, metrics, work)).await;
    let mut connections = Vec::new();
    for width in 0..20 {
        let mut connection = server.connect().await;
        let body = png(20 + width, 8);
        connection.write(&Request::compress(QUERY, &body).head()).await;
        connection.write(&body).await;
        connections.push(connection);
    }
    // Two are read at once, and the others wait.
    server.wait_until(|health| health["queued"] == 18).await;
    latch.release();
    for connection in &mut connections {
        assert_eq!(connection.answer().await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_uploads_keep_nobody_out() {
    let server = TestServer::start_with(|config| {
        config.engine.threads = 1;
        config.engine.queue_slots = 1;
    })
    .await;
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut connection = server.connect().await;
        connection.write(&Request::compress(QUERY, &[0; 1000]).head()).await;
        connection.write(b"a byte or two").await;
        slow.push(connection);
    }
    while server.series("bytefit_memory_reserved_bytes").await < 50.0 * 65536.0 {}
    for _ in 0..3 {
        assert_eq!(server.compress(QUERY, &png(8, 8)).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn identical_requests_wait_for_one_computation() {
    let latch = Latch::new();
    let server = latch.server(|_| {}).await;
    let mut connections = [server.connect().await, server.connect().await, server.connect().await];
    let body = png(8, 8);
    for connection in &mut connections {
        connection.write(&Request::compress(QUERY, &body).head()).await;
        connection.write(&body).await;
    }
    server.wait_until(|health| health["in_flight"] == 1).await;
    server.wait_until_counted("bytefit_coalesced_total", 2.0).await;
    latch.release();
    let mut statuses = Vec::new();
    for connection in &mut connections {
        let answer = connection.answer().await;
        assert_eq!(answer.body, body);
        statuses.push(answer.header("cache-status").to_owned());
    }
    statuses.sort();
    let collapsed = "bytefit; fwd=miss; collapsed";
    assert_eq!(statuses, [collapsed, collapsed, "bytefit; fwd=miss; stored"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_codec_that_panics_costs_one_request() {
    let latch = Latch::new();
    latch.release();
    let server = latch.server(|_| {}).await;
    let problem = server.compress(QUERY, &png(13, 8)).await.problem(500, "internal");
    assert!(!problem["detail"].as_str().unwrap().contains("panics"), "the panic's message is not sent");
    for _ in 1..100 {
        server.compress(QUERY, &png(13, 8)).await.problem(500, "internal");
    }
    assert_eq!(server.compress(QUERY, &png(8, 8)).await.body, png(8, 8));
    assert_eq!(server.series("bytefit_panics_total").await, 100.0);
    assert_eq!(server.series("bytefit_memory_reserved_bytes").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_disconnects_is_counted_and_leaks_nothing() {
    let latch = Latch::new();
    let server = latch.server(|_| {}).await;
    let mut connection = server.connect().await;
    connection.write(&Request::compress(QUERY, &png(8, 8)).head()).await;
    connection.write(&png(8, 8)).await;
    server.wait_until(|health| health["in_flight"] == 1).await;
    drop(connection);
    let other = r#"bytefit_http_requests_total{method="POST",route="compress",status="other"}"#;
    server.wait_until_counted(other, 1.0).await;
    latch.release();
    server.wait_until(|health| health["in_flight"] == 0).await;
    assert_eq!(server.series("bytefit_jobs_in_flight").await, 0.0);
}
