//! A client of batches, and what the store has of one.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::client::{Connection, ask, get, request};
use crate::server::Server;

/// The bytes of answers, in the order of the batch.
pub(crate) type Answers = Vec<Vec<u8>>;

/// How far a batch is.
pub(crate) struct Status {
    pub done: u64,
    pub is_over: bool,
}

/// What a store has of a batch.
pub(crate) struct Kept {
    /// Items with a record.
    pub records: usize,
    /// Items that have a place in the order, where instances share the store.
    pub places: usize,
    /// Different numbers in the records: each item that ended has its own.
    pub numbers: usize,
}

/// Sends a batch with these defaults, and returns its URL.
pub(crate) async fn submit(address: SocketAddr, defaults: &str, pictures: &[Vec<u8>]) -> String {
    let spec = format!(r#"{{"defaults":{defaults},"max_concurrent":10}}"#);
    let mut body = part("spec", None, spec.as_bytes());
    for (number, picture) in pictures.iter().enumerate() {
        body.extend(part("file", Some(&format!("{number}.jpg")), picture));
    }
    body.extend(b"--siege--\r\n");
    let head = "content-type: multipart/form-data; boundary=siege\r\n";
    let mut connection = Connection::open(address).await.expect("a connection");
    let answer = connection.ask(&request("POST /batches", head, &body)).await.expect("an answer");
    assert_eq!(answer.status, 202, "{}", String::from_utf8_lossy(&answer.body));
    answer.header("location").to_owned()
}

fn part(name: &str, file: Option<&str>, content: &[u8]) -> Vec<u8> {
    let file = file.map(|file| format!("; filename=\"{file}\"")).unwrap_or_default();
    let head = format!("--siege\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
    [head.as_bytes(), content, b"\r\n"].concat()
}

/// How far a batch is now; `None` where nobody says.
pub(crate) async fn read(address: SocketAddr, url: &str) -> Option<Status> {
    let answer = ask(address, &get(&format!("{url}?limit=0"))).await.ok()?;
    if answer.status != 200 {
        return None;
    }
    let status = answer.json();
    let is_over = ["done", "failed", "cancelled"].contains(&status["state"].as_str()?);
    Some(Status { done: status["counts"]["done"].as_u64()?, is_over })
}

/// Waits until a batch is so far.
pub(crate) async fn until(address: SocketAddr, url: &str, is_so: impl Fn(&Status) -> bool) -> Status {
    loop {
        if let Some(status) = read(address, url).await.filter(&is_so) {
            return status;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Removes a batch, and returns the status of the answer.
pub(crate) async fn remove(address: SocketAddr, url: &str) -> u16 {
    let request = request(&format!("DELETE {url}"), "connection: close\r\n", b"");
    ask(address, &request).await.map_or(0, |answer| answer.status)
}

/// How long after `since` jobs still ran, seen until none did for a while.
pub(crate) async fn busy_after(since: Instant, servers: &[Server]) -> Duration {
    let (mut last, mut idle) = (Duration::ZERO, 0);
    while idle < 10 {
        let mut jobs = 0.0;
        for server in servers {
            jobs += server.series(&["bytefit_jobs_in_flight"]).await;
        }
        if jobs > 0.0 {
            (last, idle) = (since.elapsed(), 0);
        } else {
            idle += 1;
        }
        sleep(Duration::from_millis(20)).await;
    }
    last
}

/// Whether a batch is known.
pub(crate) async fn is_there(address: SocketAddr, url: &str) -> bool {
    ask(address, &get(&format!("{url}?limit=0"))).await.is_ok_and(|answer| answer.status != 404)
}

/// The answers to all items; empty where there is none.
pub(crate) async fn answers(address: SocketAddr, url: &str, items: usize) -> Answers {
    let mut answers = Vec::new();
    for index in 0..items {
        let answer = ask(address, &get(&format!("{url}/items/{index}"))).await;
        answers.push(answer.map(|answer| answer.body).unwrap_or_default());
    }
    answers
}

/// What the store in `folder` has of a batch.
pub(crate) fn kept(folder: &Path, url: &str) -> Kept {
    let batch = folder.join(url.trim_start_matches("/batches/"));
    let texts = |name: &str| -> Vec<(String, String)> {
        let files = fs::read_dir(batch.join(name)).into_iter().flatten().flatten();
        files.map(|file| (file.file_name().to_string_lossy().into_owned(), text(&file.path()))).collect()
    };
    let records: Vec<String> =
        texts("out").into_iter().filter(|(name, _)| name.ends_with(".json")).map(|(_, text)| text).collect();
    let numbers: BTreeSet<&str> = records.iter().filter_map(|text| number(text)).collect();
    let places: BTreeSet<String> = texts("order").into_iter().map(|(_, item)| item).collect();
    Kept { records: records.len(), places: places.len(), numbers: numbers.len() }
}

fn text(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// The number of a record, by which records are in order.
fn number(record: &str) -> Option<&str> {
    let (_, rest) = record.split_once("\"sequence\":")?;
    rest.split([',', '}']).next()
}

/// The files of a batch that are left in `folder`.
pub(crate) fn files_left(folder: &Path, url: &str) -> usize {
    count(&folder.join(url.trim_start_matches("/batches/")))
}

fn count(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { count(&entry.path()) } else { 1 }).sum()
}
