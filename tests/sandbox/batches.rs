//! Batches of the service itself in its sandbox, killed at any moment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::service::Service;

const ITEMS: usize = 30;

#[test]
fn a_batch_survives_being_killed_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [("BYTEFIT_BATCH__DIR", folder.path().to_str().unwrap())];
    let mut service = Service::start_with(&variables);
    let (head, body) = form();
    let mut connection = service.send_head("POST", "/batches", &body, &head);
    std::io::Write::write_all(&mut connection, &body).unwrap();
    let submitted = json(&crate::service::rest(connection));
    assert_eq!(submitted["durable"], true, "{submitted}");
    let url = submitted["url"].as_str().unwrap();
    let batch = folder.path().join(submitted["id"].as_str().unwrap());
    let mut done = BTreeMap::new();
    let mut kills = 0;
    let status = loop {
        let status = json(&service.ask("GET", url, b""));
        let now = records(&batch);
        for (name, record) in &done {
            assert_eq!(now.get(name), Some(record), "what was done is not done again");
        }
        assert!(status["counts"]["done"].as_u64().unwrap() as usize >= done.len(), "{status}");
        done = now;
        if status["state"] == "done" {
            break status;
        }
        // Moments that differ each time, and later and later, so that the batch goes on.
        thread::sleep(Duration::from_millis(kills * 37 % 60 + kills * 10));
        service.signal(libc::SIGKILL);
        service.process.wait().unwrap();
        kills += 1;
        service = Service::start_with(&variables);
    };
    assert!(kills >= 3, "{kills}");
    assert_eq!((&status["counts"]["done"], &status["counts"]["total"]), (&ITEMS.into(), &ITEMS.into()));
    let sequences: Vec<&Value> = done.values().map(|record| &record["sequence"]).collect();
    assert_eq!((done.len(), sequences.iter().collect::<std::collections::HashSet<_>>().len()), (ITEMS, ITEMS));
    assert_eq!(fs::read_dir(batch.join("in")).unwrap().count(), 0);
    let removed = service.ask("DELETE", url, b"");
    assert!(removed.starts_with(b"HTTP/1.1 204"), "{}", String::from_utf8_lossy(&removed));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "the sandbox lets it be removed");
}

#[test]
fn items_of_an_instance_that_is_killed_are_done_by_another_within_30_s() {
    let (folder, of_redis) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(redis) = testkit::redis::RedisServer::start(of_redis.path()) else {
        assert!(std::env::var_os("BYTEFIT_TOOLS").is_none(), "redis-server is not installed");
        return;
    };
    // A name, which is looked up inside the sandbox.
    let url = redis.url().replace("127.0.0.1", "localhost");
    let variables = [("BYTEFIT_BATCH__DIR", folder.path().to_str().unwrap()), ("BYTEFIT_BATCH__REDIS_URL", &*url)];
    let mut dying = Service::start_with(&variables);
    let living = Service::start_with(&variables);
    let (head, body) = form();
    let mut connection = dying.send_head("POST", "/batches", &body, &head);
    std::io::Write::write_all(&mut connection, &body).unwrap();
    let submitted = json(&crate::service::rest(connection));
    let url = submitted["url"].as_str().unwrap();
    let batch = folder.path().join(submitted["id"].as_str().unwrap());
    while json(&living.ask("GET", url, b""))["counts"]["done"].as_u64() < Some(5) {}
    let before = records(&batch);
    dying.signal(libc::SIGKILL);
    dying.process.wait().unwrap();
    let killed = Instant::now();
    let status = loop {
        let status = json(&living.ask("GET", url, b""));
        if status["state"] == "done" {
            break status;
        }
        assert!(killed.elapsed() < Duration::from_secs(30), "{status}");
        thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(status["counts"]["done"], ITEMS);
    let now = records(&batch);
    assert_eq!(now.len(), ITEMS);
    assert!(before.iter().all(|(name, record)| now[name] == *record), "what was done is not done again");
    // What the killed instance was about to write may lie beside them, under another name.
    let names = fs::read_dir(batch.join("order")).unwrap().map(|entry| entry.unwrap().file_name());
    let places: BTreeSet<u64> = names.filter_map(|name| name.to_str()?.parse().ok()).collect();
    assert!(places.into_iter().eq(1..=ITEMS as u64), "each item has one place");
    let removed = living.ask("DELETE", url, b"");
    assert!(removed.starts_with(b"HTTP/1.1 204"), "{}", String::from_utf8_lossy(&removed));
    assert!(!batch.exists(), "the sandbox lets it be removed");
}

#[test]
fn a_batch_in_an_object_store_survives_being_killed_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let s3 = runtime.block_on(testkit::s3::S3Server::start(folder.path()));
    let url = s3.url("batches").replace("127.0.0.1", "localhost");
    let variables = [("BYTEFIT_BATCH__STORE_URL", &*url)];
    let mut service = Service::start_with(&variables);
    let (head, body) = form();
    let mut connection = service.send_head("POST", "/batches", &body, &head);
    std::io::Write::write_all(&mut connection, &body).unwrap();
    let submitted = json(&crate::service::rest(connection));
    let url = submitted["url"].as_str().unwrap();
    let mut kills = 0;
    let mut done = 0;
    loop {
        let status = json(&service.ask("GET", url, b""));
        let now = status["counts"]["done"].as_u64().unwrap();
        assert!(now >= done, "{status}");
        done = now;
        if status["state"] == "done" {
            break;
        }
        thread::sleep(Duration::from_millis(kills * 37 % 60 + kills * 30));
        service.signal(libc::SIGKILL);
        service.process.wait().unwrap();
        kills += 1;
        service = Service::start_with(&variables);
    }
    assert!(kills >= 2 && done == ITEMS as u64, "{kills} {done}");
    let removed = service.ask("DELETE", url, b"");
    assert!(removed.starts_with(b"HTTP/1.1 204"), "{}", String::from_utf8_lossy(&removed));
    assert_eq!(s3.objects("batches"), [""; 0], "nothing is left");
}

/// The records of the items that are done, by their names.
fn records(batch: &Path) -> BTreeMap<String, Value> {
    let files = fs::read_dir(batch.join("out")).unwrap().map(|entry| entry.unwrap().path());
    let records = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let record = |path: std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, serde_json::from_slice(&fs::read(path).unwrap()).expect("a record is whole or not there"))
    };
    records.map(record).collect()
}

/// A form of pictures that differ, with its header.
fn form() -> (String, Vec<u8>) {
    let spec = r#"{"defaults":{"target":"4KB","format":"webp","effort":"best"},"max_concurrent":3}"#;
    let mut body = format!("--seam\r\nContent-Disposition: form-data; name=\"spec\"\r\n\r\n{spec}\r\n").into_bytes();
    for seed in 0..ITEMS as u64 {
        let head = format!("--seam\r\nContent-Disposition: form-data; name=\"f\"; filename=\"{seed}.png\"\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend(testkit::drawing::noisy_png(160, 120, seed));
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--seam--\r\n");
    ("Content-Type: multipart/form-data; boundary=seam\r\n".to_owned(), body)
}

/// The JSON of an answer.
fn json(answer: &[u8]) -> Value {
    let body = answer.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |at| at + 4);
    serde_json::from_slice(&answer[body..])
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(answer)))
}
