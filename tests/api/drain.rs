//! The farewell: who is still served, who is not, and for how long.

use std::time::Duration;

use crate::client::Request;
use crate::house::House;
use crate::load::Gate;
use crate::picture::png;

const QUERY: &str = "target=9KB&format=jpeg";

#[tokio::test(flavor = "multi_thread")]
async fn work_at_hand_is_finished_while_new_work_is_refused() {
    let gate = Gate::new();
    let mut house = gate.house(|_| {}).await;
    let mut idle = house.connect().await;
    assert_eq!(idle.ask(&Request::get("/health")).await.status, 200);
    let mut busy = house.connect().await;
    let request = Request::compress(QUERY, &png(8, 8));
    let asked = tokio::spawn(async move { (busy.ask(&request).await, busy) });
    house.until(|health| health["in_flight"] == 1).await;
    house.stop();
    assert!(idle.ended().await.is_empty(), "idle connections close at once");
    house.until(|health| health["status"] == "draining").await;
    for path in ["/health", "/readyz"] {
        let health = house.get(path).await;
        assert_eq!(health.status, 503);
        assert_eq!(health.json(), serde_json::json!({ "status": "draining" }));
    }
    assert_eq!(house.get("/livez").await.status, 200);
    house.compress(QUERY, &png(9, 8)).await.problem(503, "shutting_down");
    gate.open();
    let (answer, mut busy) = asked.await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(busy.ended().await.is_empty(), "no request follows on a connection that drains");
    house.closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_outlasts_the_drain_timeout_is_dropped() {
    let gate = Gate::new();
    let mut house = gate.house(|plan| plan.http.drain_timeout = Duration::from_millis(100)).await;
    let mut busy = house.connect().await;
    busy.write(&Request::compress(QUERY, &png(8, 8)).head()).await;
    busy.write(&png(8, 8)).await;
    house.until(|health| health["in_flight"] == 1).await;
    house.stop();
    house.closed().await;
    assert!(busy.ended().await.is_empty());
    gate.open();
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_say_nothing_do_not_hold_the_door() {
    let mut house = House::open().await;
    let mut silent = house.connect().await;
    let mut half = house.connect().await;
    half.write(b"GET /health HT").await;
    assert_eq!(house.get("/health").await.status, 200);
    house.stop();
    assert!(silent.ended().await.is_empty());
    drop(half);
    house.closed().await;
}
