//! Draining: which requests are still served, and for how long.

use std::time::Duration;

use crate::client::Request;
use crate::load::Latch;
use crate::picture::png;
use crate::server::TestServer;

const QUERY: &str = "target=9KB&format=jpeg";

#[tokio::test(flavor = "multi_thread")]
async fn running_work_is_finished_while_new_work_is_refused() {
    let latch = Latch::new();
    let mut server = latch.server(|_| {}).await;
    let mut idle = server.connect().await;
    assert_eq!(idle.ask(&Request::get("/health")).await.status, 200);
    let mut busy = server.connect().await;
    let request = Request::compress(QUERY, &png(8, 8));
    let answered = tokio::spawn(async move { (busy.ask(&request).await, busy) });
    server.wait_until(|health| health["in_flight"] == 1).await;
    server.stop();
    assert!(idle.read_to_end().await.is_empty(), "idle connections close at once");
    server.wait_until(|health| health["status"] == "draining").await;
    for path in ["/health", "/readyz"] {
        let health = server.get(path).await;
        assert_eq!(health.status, 503);
        assert_eq!(health.json(), serde_json::json!({ "status": "draining" }));
    }
    assert_eq!(server.get("/livez").await.status, 200);
    server.compress(QUERY, &png(9, 8)).await.problem(503, "shutting_down");
    latch.release();
    let (answer, mut busy) = answered.await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(busy.read_to_end().await.is_empty(), "no request follows on a connection that drains");
    server.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_outlasts_the_drain_timeout_is_dropped() {
    let latch = Latch::new();
    let mut server = latch.server(|config| config.http.drain_timeout = Duration::from_millis(100)).await;
    let mut busy = server.connect().await;
    busy.write(&Request::compress(QUERY, &png(8, 8)).head()).await;
    busy.write(&png(8, 8)).await;
    server.wait_until(|health| health["in_flight"] == 1).await;
    server.stop();
    server.stopped().await;
    assert!(busy.read_to_end().await.is_empty());
    latch.release();
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_clients_do_not_delay_the_end() {
    let mut server = TestServer::start().await;
    let mut silent = server.connect().await;
    let mut half = server.connect().await;
    half.write(b"GET /health HT").await;
    assert_eq!(server.get("/health").await.status, 200);
    server.stop();
    assert!(silent.read_to_end().await.is_empty());
    drop(half);
    server.stopped().await;
}
