//! More work than there is room for, and work that goes wrong: an engine whose jobs wait for the test.

use std::sync::{Arc, Condvar, Mutex};

use bytefit::codec::{Format, Limits};
use bytefit::engine::{Engine, Work};
use bytefit::job::{Answer, Facts, Job, JobError, Outcome, Report, Stop, Timings};

use crate::client::Request;
use crate::house::{House, Plan};
use crate::picture::png;

const QUERY: &str = "target=9KB&format=jpeg";

/// Jobs wait behind it until the test opens it; then each is answered with its input.
#[derive(Clone)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub fn new() -> Gate {
        Gate(Arc::default())
    }

    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn wait(&self) {
        let (opened, opens) = &*self.0;
        drop(opens.wait_while(opened.lock().unwrap(), |opened| !*opened).unwrap());
    }

    /// A house whose jobs wait here; a picture 13 pixels wide panics.
    pub async fn house(&self, change: impl FnOnce(&mut Plan)) -> House {
        let work = Arc::new(self.clone());
        House::build(change, |config, metrics| Engine::with_work(config, metrics, work)).await
    }
}

/// Headers wait behind the gate, and jobs do not.
struct LongHeaders(Gate);

impl Work for LongHeaders {
    fn memory_needed(&self, _: &Job, _: &[u8], _: &Limits, _: u64) -> Result<u64, JobError> {
        self.0.wait();
        Ok(1)
    }

    fn run(&self, job: &Job, input: &[u8], _: &Limits, _: &Stop) -> Result<Answer, JobError> {
        Ok(echo(job, input))
    }
}

impl Work for Gate {
    fn memory_needed(&self, _: &Job, input: &[u8], _: &Limits, _: u64) -> Result<u64, JobError> {
        Ok(input.len() as u64)
    }

    fn run(&self, job: &Job, input: &[u8], _: &Limits, _: &Stop) -> Result<Answer, JobError> {
        self.wait();
        assert_ne!(input, png(13, 8), "the codec trips");
        Ok(echo(job, input))
    }
}

fn echo(job: &Job, input: &[u8]) -> Answer {
    let facts = Facts { bytes: input.len() as u64, format: Format::Jpeg, width: 1, height: 1 };
    let report = Report {
        input: facts,
        output: facts,
        target: job.target,
        outcome: Outcome::Quality,
        cut_short: false,
        padded: false,
        quality: Some(71.4),
        score: None,
        encodes: 1,
        encodes_by_format: vec![(Format::Jpeg, 1)],
        trace: Vec::new(),
        timings: Timings::default(),
    };
    Answer { bytes: input.to_vec(), report }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_too_many_is_refused_before_its_body() {
    let gate = Gate::new();
    let house = gate
        .house(|plan| {
            plan.engine.threads = 1;
            plan.engine.queue_slots = 1;
        })
        .await;
    let (mut first, mut second) = (house.connect().await, house.connect().await);
    for (connection, body) in [(&mut first, png(8, 8)), (&mut second, png(9, 8))] {
        connection.write(&Request::compress(QUERY, &body).head()).await;
        connection.write(&body).await;
    }
    house.until(|health| health["in_flight"] == 1 && health["queued"] == 1).await;
    let mut third = house.connect().await;
    third.write(&Request::compress(QUERY, &[0; 1000]).head()).await;
    let answer = third.answer(false).await;
    answer.problem(503, "overloaded");
    assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(house.get("/health").await.status, 200, "health is never behind the queue");
    assert_eq!(house.series(r#"bytefit_shed_total{reason="queue_full"}"#).await, 1.0);
    gate.open();
    assert_eq!(first.answer(false).await.status, 200);
    assert_eq!(second.answer(false).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_is_told_while_twenty_headers_take_long() {
    let gate = Gate::new();
    let work = Arc::new(LongHeaders(gate.clone()));
    let house = House::build(|_| {}, |config, metrics| Engine::with_work(config, metrics, work)).await;
    let mut connections = Vec::new();
    for width in 0..20 {
        let (mut connection, body) = (house.connect().await, png(20 + width, 8));
        connection.write(&Request::compress(QUERY, &body).head()).await;
        connection.write(&body).await;
        connections.push(connection);
    }
    // Two are read at once, the others wait for their turn.
    house.until(|health| health["queued"] == 18).await;
    gate.open();
    for connection in &mut connections {
        assert_eq!(connection.answer(false).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_trickle_in_keep_nobody_out() {
    let house = House::with(|plan| {
        plan.engine.threads = 1;
        plan.engine.queue_slots = 1;
    })
    .await;
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut connection = house.connect().await;
        connection.write(&Request::compress(QUERY, &[0; 1000]).head()).await;
        connection.write(b"a byte or two").await;
        slow.push(connection);
    }
    while house.series("bytefit_memory_reserved_bytes").await < 50.0 * 65536.0 {}
    for _ in 0..3 {
        assert_eq!(house.compress(QUERY, &png(8, 8)).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn identical_requests_wait_for_one_computation() {
    let gate = Gate::new();
    let house = gate.house(|_| {}).await;
    let mut connections = [house.connect().await, house.connect().await, house.connect().await];
    let body = png(8, 8);
    for connection in &mut connections {
        connection.write(&Request::compress(QUERY, &body).head()).await;
        connection.write(&body).await;
    }
    house.until(|health| health["in_flight"] == 1).await;
    house.until_counted("bytefit_coalesced_total", 2.0).await;
    gate.open();
    let mut statuses = Vec::new();
    for connection in &mut connections {
        let answer = connection.answer(false).await;
        assert_eq!(answer.body, body);
        statuses.push(answer.header("cache-status").to_owned());
    }
    statuses.sort();
    let collapsed = "bytefit; fwd=miss; collapsed";
    assert_eq!(statuses, [collapsed, collapsed, "bytefit; fwd=miss; stored"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_codec_that_panics_costs_one_request() {
    let gate = Gate::new();
    gate.open();
    let house = gate.house(|_| {}).await;
    let problem = house.compress(QUERY, &png(13, 8)).await.problem(500, "internal");
    assert!(!problem["detail"].as_str().unwrap().contains("trips"), "what the panic said stays inside");
    for _ in 1..100 {
        house.compress(QUERY, &png(13, 8)).await.problem(500, "internal");
    }
    assert_eq!(house.compress(QUERY, &png(8, 8)).await.body, png(8, 8));
    assert_eq!(house.series("bytefit_panics_total").await, 100.0);
    assert_eq!(house.series("bytefit_memory_reserved_bytes").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_is_counted_and_leaks_nothing() {
    let gate = Gate::new();
    let house = gate.house(|_| {}).await;
    let mut connection = house.connect().await;
    connection.write(&Request::compress(QUERY, &png(8, 8)).head()).await;
    connection.write(&png(8, 8)).await;
    house.until(|health| health["in_flight"] == 1).await;
    drop(connection);
    let other = r#"bytefit_http_requests_total{method="POST",route="compress",status="other"}"#;
    house.until_counted(other, 1.0).await;
    gate.open();
    house.until(|health| health["in_flight"] == 0).await;
    assert_eq!(house.series("bytefit_jobs_in_flight").await, 0.0);
}
