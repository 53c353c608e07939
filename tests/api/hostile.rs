//! Sends hostile files over HTTP with good ones between them. Every hostile file must get a picture within its target
//! or a client error, in time, and the answers to good files must not change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytefit::codec::{self, Limits};
use testkit::fixtures;
use testkit::mutation::mutated;

use crate::client::{Answer, Request};
use crate::picture::png;
use crate::server::TestServer;

const QUERY: &str = "target=20KB&format=jpeg&effort=fast&deadline=60s";
const TARGET: usize = 20_000;

/// No answer takes longer: the deadline, and time to notice it on a busy machine.
const LATEST: Duration = Duration::from_millis(60_250);

/// Number of clients.
const CLIENTS: usize = 4;

/// A good file is sent after this many hostile ones.
const GOOD_EVERY: usize = 10;

/// Mutated files for each format that is read.
const MUTATIONS: usize = 500;

#[tokio::test(flavor = "multi_thread")]
async fn mutated_files_are_answered_and_good_ones_as_before() {
    let fixtures = fixtures::all();
    let files = fixtures.iter().flat_map(|fixture| {
        let siblings = fixtures.iter().filter(|other| other.format == fixture.format).count();
        let seeds = 0..MUTATIONS.div_ceil(siblings) as u64;
        seeds.map(|seed| (format!("{} {seed}", fixture.name), mutated(&fixture.file, seed)))
    });
    send_and_check(files.collect()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn corpus_hostile_files_are_answered_and_good_ones_as_before() {
    let Some(corpus) = std::env::var_os("BYTEFIT_CORPUS").map(PathBuf::from) else {
        println!("BYTEFIT_CORPUS is not set: no files");
        return;
    };
    let mut paths = Vec::new();
    collect(&corpus.join("hostile"), &mut paths);
    println!("corpus: {} files over HTTP", paths.len());
    assert!(!paths.is_empty(), "{} has no hostile files", corpus.display());
    let file = |path: PathBuf| (path.display().to_string(), std::fs::read(path).unwrap());
    send_and_check(paths.into_iter().map(file).collect()).await;
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { collect(&path, paths) } else { paths.push(path) }
    }
}

/// Sends all `files` with good ones between them, and checks every answer.
async fn send_and_check(files: Vec<(String, Vec<u8>)>) {
    let server = Arc::new(
        TestServer::start_with(|config| {
            // Without a cache every answer is computed.
            config.engine.cache.capacity_bytes = 0;
            config.http.max_body_bytes = 64 << 20;
        })
        .await,
    );
    let good = Arc::new(png(200, 150));
    let expected = Arc::new(server.compress(QUERY, &good).await.body);
    let files = Arc::new(files);
    let next = Arc::new(AtomicUsize::new(0));
    let clients = (0..CLIENTS).map(|_| {
        let server = Arc::clone(&server);
        let good = Arc::clone(&good);
        let expected = Arc::clone(&expected);
        let files = Arc::clone(&files);
        let next = Arc::clone(&next);
        tokio::spawn(async move {
            let mut connection = server.connect().await;
            while let Some((name, file)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                let started = Instant::now();
                let answer = connection.ask(&Request::compress(QUERY, file)).await;
                assert!(started.elapsed() <= LATEST, "{name} took {:?}", started.elapsed());
                check(name, &answer);
                if answer.find("connection").is_some_and(|value| value == "close") {
                    connection = server.connect().await;
                }
                if next.load(Ordering::Relaxed).is_multiple_of(GOOD_EVERY) {
                    let answer = connection.ask(&Request::compress(QUERY, &good)).await;
                    assert!(answer.body == *expected, "the answer to a good picture changed after {name}");
                }
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    assert_eq!(server.series("bytefit_panics_total").await, 0.0);
    assert_eq!(server.series("bytefit_jobs_in_flight").await, 0.0);
    assert_eq!(server.series("bytefit_memory_reserved_bytes").await, 0.0);
}

/// Checks that `answer` is a picture within the target or a client error.
fn check(name: &str, answer: &Answer) {
    if answer.status == 200 {
        assert!(answer.body.len() <= TARGET, "{name}: {} bytes", answer.body.len());
        codec::decode(&answer.body, &Limits::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        return;
    }
    let problem = answer.json();
    let known = [(415, "unsupported_format"), (422, "undecodable"), (422, "too_many_pixels"), (400, "empty_body")];
    let is_known = known.iter().any(|(status, code)| answer.status == *status && problem["code"] == *code);
    assert!(is_known, "{name}: {problem}");
    assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{name}");
}
