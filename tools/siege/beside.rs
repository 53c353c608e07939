//! A client beside batches. Promised: who waits for an answer hardly notices a batch of a thousand pictures.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use testkit::http::Answer;
use tokio::time::sleep;

use crate::batch::{submit, until};
use crate::client::{Connection, post};
use crate::picture;
use crate::server::Server;
use crate::table::{Row, Scale};
use crate::times::Times;

/// Time between two requests of a client that looks at what it got.
const THINKING: Duration = Duration::from_millis(300);

/// Requests of a client without a batch beside it.
const ALONE: usize = 60;

pub(crate) async fn rows(scale: Scale) -> Vec<Row> {
    vec![beside(scale).await]
}

/// A client alone, and beside a batch of pictures of 2 megapixels, in turns.
async fn beside(scale: Scale) -> Row {
    const BATCHES: usize = 10;
    let items = scale.count(100);
    let (base, picture) = (picture::jpeg(1414, 5), picture::jpeg(800, 7));
    let folder = TempDir::new().expect("a directory");
    let server = Server::open(&[("BATCH__DIR", &folder.path().to_string_lossy())]).await;
    let (mut alone, mut during, mut shares, mut done) = (Answers::default(), Answers::default(), Vec::new(), 0);
    for round in 0..BATCHES {
        let mut client = Client { address: server.address, picture, number: round << 20 };
        let before = client.ask_often(scale.count(ALONE)).await;
        let pictures: Vec<Vec<u8>> =
            (0..items).map(|item| picture::marked(base, round << 10 | item | 1 << 40)).collect();
        let url = submit(server.address, r#"{"target":"100KB","format":"webp","deadline":"60s"}"#, &pictures).await;
        let while_it_runs = client.ask_while(&url).await;
        shares.push(while_it_runs.taken.at(0.95) / before.taken.at(0.95));
        done += until(server.address, &url, |status| status.is_over).await.done;
        alone.extend(before);
        during.extend(while_it_runs);
    }
    shares.sort_by(f64::total_cmp);
    let share = during.taken.at(0.95) / alone.taken.at(0.95);
    Row::new(
        "1,000 pictures of 2 megapixels in batches beside a client",
        "its p95 at most 1.5 times that alone",
        format!(
            "{share:.2} of all, {:.2} to {:.2} in {BATCHES} pairs; alone {alone}; beside {during}; {done} done",
            shares[0],
            shares[BATCHES - 1]
        ),
        share <= 1.5 && alone.taken.failed + during.taken.failed == 0 && done == (BATCHES * items) as u64,
    )
}

/// Someone who sends pictures, each new to the cache, and waits for each answer.
struct Client {
    address: SocketAddr,
    picture: &'static [u8],
    number: usize,
}

/// Times of answers, and how long requests waited for a thread, which is not the fault of other programs.
#[derive(Default)]
struct Answers {
    taken: Times,
    queued: Times,
}

impl Answers {
    fn extend(&mut self, others: Answers) {
        self.taken.extend(others.taken);
        self.queued.extend(others.queued);
    }
}

impl fmt::Display for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, of which in the queue p95 {:.1}", self.taken, self.queued.at(0.95))
    }
}

impl Client {
    async fn ask_often(&mut self, count: usize) -> Answers {
        let mut answers = Answers::default();
        for _ in 0..count {
            self.ask(&mut answers).await;
        }
        answers
    }

    async fn ask_while(&mut self, url: &str) -> Answers {
        let mut answers = Answers::default();
        while !until(self.address, url, |_| true).await.is_over {
            self.ask(&mut answers).await;
        }
        answers
    }

    async fn ask(&mut self, answers: &mut Answers) {
        self.number += 1;
        let request = post("target=40KB&format=webp", &picture::marked(self.picture, self.number));
        let mut connection = Connection::open(self.address).await.expect("a connection");
        let asked = Instant::now();
        let answer = connection.ask(&request).await.ok().filter(|answer| answer.status == 200);
        answers.taken.add(answer.is_some().then(|| asked.elapsed()));
        answers.queued.add(answer.as_ref().and_then(queued));
        sleep(THINKING).await;
    }
}

/// How long a request waited for a thread.
fn queued(answer: &Answer) -> Option<Duration> {
    let (_, rest) = answer.header("server-timing").split_once("queue;dur=")?;
    let millis: f64 = rest.split(',').next()?.parse().ok()?;
    Some(Duration::from_secs_f64(millis / 1e3))
}
