//! `POST /batches`: many pictures in one request, worked on in the background.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytefit::http::RateConfig;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::client::{Answer, PATIENCE, Request};
use crate::picture::{form, large, png, small};
use crate::server::{TestConfig, TestServer};

/// A batch of these files.
pub(crate) fn batch(spec: &Value, files: &[(&str, &[u8])]) -> Request {
    let text = spec.to_string();
    let mut parts: Vec<(&str, Option<&str>, &[u8])> = vec![("spec", None, text.as_bytes())];
    parts.extend(files.iter().map(|(name, content)| ("file", Some(*name), *content)));
    let (content_type, body) = form(&parts);
    Request::new("POST", "/batches").header("content-type", &content_type).body(&body)
}

/// Pictures that differ.
pub(crate) fn pictures(count: usize) -> Vec<(String, Vec<u8>)> {
    (0..count).map(|at| (format!("p{at}.png"), testkit::drawing::noisy_png(64, 64, at as u64 + 1))).collect()
}

pub(crate) fn named(pictures: &[(String, Vec<u8>)]) -> Vec<(&str, &[u8])> {
    pictures.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect()
}

/// Sends a batch that is taken, and returns its path.
pub(crate) async fn submit(server: &TestServer, request: Request) -> String {
    let answer = server.ask(request).await;
    assert_eq!(answer.status, 202, "{answer:?} {}", String::from_utf8_lossy(&answer.body));
    let url = answer.json()["url"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("location"), url);
    url
}

/// The batch once each item has ended.
pub(crate) async fn finished(server: &TestServer, url: &str) -> Value {
    let over = async {
        loop {
            let status = server.get(&format!("{url}?limit=1000")).await.json();
            if ["done", "failed", "cancelled"].contains(&status["state"].as_str().unwrap()) {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, over).await.expect("the batch ends")
}

fn in_directory(folder: &Path) -> impl FnOnce(&mut TestConfig) {
    let dir = folder.to_owned();
    move |config| config.batch.dir = dir
}

pub(crate) fn code(answer: &Answer) -> String {
    answer.json()["code"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_is_answered_with_what_compress_gives() {
    let folder = tempfile::tempdir().unwrap();
    for durable in [false, true] {
        let dir = folder.path().to_owned();
        let server = TestServer::start_with(|config| {
            if durable {
                config.batch.dir = dir;
            }
        })
        .await;
        let pictures = pictures(5);
        let spec = json!({"defaults": {"target": "2KB", "format": "webp"}, "maxConcurrent": 2});
        let answer = server.ask(batch(&spec, &named(&pictures))).await;
        assert_eq!((answer.status, &answer.json()["durable"]), (202, &durable.into()), "{answer:?}");
        let url = answer.json()["url"].as_str().unwrap().to_owned();
        assert_eq!(url.len(), "/batches/".len() + 32);
        let status = finished(&server, &url).await;
        assert_eq!(status["state"], "done", "{status}");
        let counts = json!({"total": 5, "pending": 0, "running": 0, "done": 5, "failed": 0, "cancelled": 0});
        assert_eq!(status["counts"], counts);
        let (mut input, mut output) = (0, 0);
        for (at, (name, picture)) in pictures.iter().enumerate() {
            let item = &status["items"][at];
            assert_eq!(
                (&item["index"], &item["name"], &item["status"]),
                (&at.into(), &name.as_str().into(), &"done".into())
            );
            let image = server.get(item["url"].as_str().unwrap()).await;
            assert_eq!((image.status, image.header("content-type")), (200, "image/webp"));
            assert_eq!(image.body, server.compress("target=2KB&format=webp", picture).await.body);
            assert_eq!(item["report"]["output"]["bytes"], image.body.len());
            let known = Request::get(item["url"].as_str().unwrap()).header("if-none-match", image.header("etag"));
            assert_eq!(server.ask(known).await.status, 304);
            (input, output) = (input + picture.len(), output + image.body.len());
        }
        assert_eq!(status["bytes"], json!({"in": input, "out": output, "saved": input - output}));
        assert_eq!(server.series("bytefit_batches{state=\"done\"}").await, 1.0);
        assert_eq!(server.series("bytefit_batch_items_total{result=\"done\"}").await, 5.0);
        let page = server.get(&format!("{url}?offset=3&limit=1")).await.json();
        assert_eq!((page["items"].as_array().unwrap().len(), &page["items"][0]["index"]), (1, &3.into()));
        assert_eq!(server.ask(Request::new("DELETE", &url)).await.status, 204);
        for gone in [url.clone(), format!("{url}/items/0"), format!("{url}/zip"), format!("{url}/events")] {
            assert_eq!(server.get(&gone).await.status, 404, "{gone}");
        }
        assert_eq!(server.ask(Request::new("DELETE", &url)).await.status, 404);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn items_name_their_files_and_have_parameters_of_their_own() {
    let server = TestServer::start().await;
    let picture = small();
    let spec = json!({
        "items": [
            {"upload": "a.png", "name": "first", "target": "9KB", "format": "jpeg"},
            {"upload": "a.png", "target": "3KB", "format": "webp"},
            {"upload": "b.png", "target": 9, "format": "jpeg"},
        ],
    });
    let url = submit(&server, batch(&spec, &[("a.png", &picture), ("b.png", &picture)])).await;
    let status = finished(&server, &url).await;
    let items = status["items"].as_array().unwrap();
    assert_eq!(status["state"], "done", "one of three failed: {status}");
    assert_eq!(
        items.iter().map(|item| item["name"].as_str().unwrap()).collect::<Vec<_>>(),
        ["first", "a.png", "b.png"]
    );
    assert_eq!((&items[0]["report"]["target"], &items[1]["report"]["target"]), (&9000.into(), &3000.into()));
    assert_eq!(items[2]["problem"]["code"], "target_unreachable");
    let failed = server.get(&format!("{url}/items/2")).await;
    assert_eq!((failed.status, code(&failed)), (422, "target_unreachable".to_owned()));
    assert_eq!(server.get(&format!("{url}/items/3")).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_failure_stops_a_batch_that_asks_for_that() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start_with(in_directory(folder.path())).await;
    let files = pictures(6);
    let mut files = named(&files);
    files[0].1 = b"no picture at all, but a text";
    let spec = json!({"defaults": {"target": "2KB"}, "max_concurrent": 1, "stopOnError": true});
    let url = submit(&server, batch(&spec, &files)).await;
    let status = finished(&server, &url).await;
    assert_eq!((&status["state"], &status["counts"]["failed"]), (&"failed".into(), &1.into()), "{status}");
    assert_eq!(status["counts"]["cancelled"], 5);
    assert_eq!(status["items"][0]["problem"]["code"], "unsupported_format");
    assert_eq!(server.get(&format!("{url}/items/5")).await.status, 404);
    testkit::processes::wait_until("no picture is kept", PATIENCE, || pictures_kept(folder.path()).is_empty());
}

/// The pictures that batches in `folder` wait for.
fn pictures_kept(folder: &Path) -> Vec<PathBuf> {
    let batches = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let inputs = batches.filter(|path| path.is_dir()).flat_map(|path| std::fs::read_dir(path.join("in")).unwrap());
    inputs.map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_used_is_refused_whole_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start_with(|config| {
        config.batch.dir = folder.path().to_owned();
        config.batch.max_items = 3;
        config.batch.max_bytes = 400_000;
        config.http.max_body_bytes = 200_000;
    })
    .await;
    let small = small();
    let ok = json!({"defaults": {"target": "2KB"}});
    let two = json!({"items": [{"upload": "a", "target": 9000}, {"upload": "b", "target": 9000}]});
    let json_body = |spec: &Value| {
        Request::new("POST", "/batches").header("content-type", "application/json").body(spec.to_string().as_bytes())
    };
    for (request, status, wanted) in [
        (batch(&json!({"defaults": {}}), &[("a", &small)]), 400, "invalid_parameter"),
        (batch(&json!({"colour": 1}), &[("a", &small)]), 400, "invalid_parameter"),
        (batch(&ok, &[]), 400, "invalid_parameter"),
        (batch(&ok, &[("a", b"")]), 400, "empty_body"),
        (batch(&two, &[("a", &small)]), 400, "malformed_request"),
        (batch(&two, &[("a", &small), ("b", &small), ("c", &small)]), 400, "malformed_request"),
        (batch(&ok, &[("a", b"1"), ("b", b"1"), ("c", b"1"), ("d", b"1")]), 400, "invalid_parameter"),
        (batch(&ok, &[("a", &large())]), 413, "body_too_large"),
        (batch(&ok, &[("a", &small), ("b", &small), ("c", &small)]), 413, "body_too_large"),
        (Request::new("POST", "/batches").body(&small), 415, "unsupported_format"),
        (json_body(&json!({"items": [{"upload": "a", "target": 1}]})), 400, "invalid_parameter"),
        (json_body(&json!({"items": [{"url": "https://a.example/", "target": 1}]})), 403, "source_not_allowed"),
        (json_body(&json!([])), 400, "invalid_parameter"),
        (Request::new("POST", "/batches?target=2KB").body(&small), 400, "invalid_parameter"),
    ] {
        let answer = server.ask(request.clone()).await;
        assert_eq!(
            (answer.status, code(&answer).as_str()),
            (status, wanted),
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
    }
    let empty = async { while std::fs::read_dir(folder.path()).unwrap().count() > 0 {} };
    timeout(PATIENCE, empty).await.expect("what was received is removed");
    let url = submit(&server, batch(&ok, &[("a", &small), ("b", &small)])).await;
    assert_eq!(finished(&server, &url).await["state"], "done", "the room is free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_sent_again_gives_the_same_batch() {
    let server = TestServer::start().await;
    let pictures = pictures(2);
    let spec = json!({"defaults": {"target": "2KB"}});
    let keyed = |spec: &Value| batch(spec, &named(&pictures)).header("idempotency-key", "order-1");
    let first = server.ask(keyed(&spec)).await;
    let again = server.ask(keyed(&spec)).await;
    assert_eq!((again.status, &again.json()["id"]), (202, &first.json()["id"]));
    let other = server.ask(keyed(&json!({"defaults": {"target": "3KB"}}))).await;
    assert_eq!((other.status, code(&other)), (422, "idempotency_key_reused".to_owned()));
    assert_ne!(server.ask(batch(&spec, &named(&pictures))).await.json()["id"], first.json()["id"], "no key, no memory");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_counts_each_item_once() {
    let server = TestServer::start_with(|config| config.rate = RateConfig { per_minute: 6, burst: 3 }).await;
    let spec = json!({"defaults": {"target": "2KB"}});
    let pictures = pictures(12);
    let keyed = || batch(&spec, &named(&pictures)).header("idempotency-key", "order-1");
    let first = server.ask(keyed()).await;
    assert_eq!(first.status, 202, "{first:?}");
    let again = server.ask(keyed()).await;
    assert_eq!((again.status, &again.json()["id"]), (202, &first.json()["id"]), "nothing is computed for it");
    let refused = server.compress("target=2KB", &small()).await;
    let wait = refused.retry_after().unwrap();
    assert!((80..=100).contains(&wait), "ten of twelve at 6 a minute: {refused:?}");
    refused.problem(429, "rate_limited");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_description_takes_no_more_memory_than_its_text() {
    let server = TestServer::start_with(|config| config.engine.memory_bytes = 64 << 20).await;
    let request =
        |body: &str| Request::new("POST", "/batches").header("content-type", "application/json").body(body.as_bytes());
    let nested = format!(r#"{{"items":{}{}{}}}"#, "[".repeat(100), vec!["1"; 100_000].join(","), "]".repeat(100));
    let problem = server.ask(request(&nested)).await;
    let problem = problem.problem(400, "invalid_parameter");
    assert!(problem["detail"].as_str().unwrap().contains("lists and tables in each other"), "{problem}");
    let item = r#"{"url":"http://a.example/"}"#;
    let many = format!(r#"{{"items":[{}],"defaults":{{"target":9000}}}}"#, vec![item; 1001].join(","));
    server.ask(request(&many)).await.problem(400, "invalid_parameter");
    let long = json!({"items": [{"url": format!("http://a.example/{}", "a".repeat(8_000)), "target": 9000}]});
    let problem = server.ask(request(&long.to_string())).await;
    let problem = problem.problem(400, "invalid_parameter");
    assert_eq!((&problem["item"], &problem["parameter"]), (&0.into(), &"url".into()), "{problem}");
    assert_eq!(server.series("bytefit_memory_reserved_bytes").await, 0.0);
    let text = format!(r#"{{"items":[{}"#, " ".repeat(3 << 20));
    let mut waiting = server.connect().await;
    let head = format!(
        "POST /batches HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        text.len() + 1
    );
    waiting.write(&[head.as_bytes(), text.as_bytes()].concat()).await;
    server.wait_until_counted("bytefit_memory_reserved_bytes", f64::from(12 << 20)).await;
}

/// The names and contents of the files of an archive.
pub(crate) fn unzipped(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let number = |at: usize, bytes: usize| {
        archive[at..at + bytes].iter().rev().fold(0_usize, |number, byte| number << 8 | usize::from(*byte))
    };
    let (mut at, mut files) = (0, Vec::new());
    while archive[at..].starts_with(b"PK\x03\x04") {
        let (crc, size, name) = (number(at + 14, 4), number(at + 18, 4), number(at + 26, 2));
        let start = at + 30 + name;
        let content = archive[start..start + size].to_vec();
        assert_eq!(crc32fast::hash(&content) as usize, crc);
        files.push((String::from_utf8(archive[at + 30..start].to_vec()).unwrap(), content));
        at = start + size;
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_has_every_answer_and_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start_with(in_directory(folder.path())).await;
    // A name twice, one that a name becomes which comes twice, one that is not ASCII, and an answer of several pieces.
    let (small, large) = (small(), png(600, 600));
    let files: [(&str, &[u8]); 5] =
        [("2-a.png", &small), ("a.png", &small), ("a.png", &small), ("\u{e9}.png", &small), ("big.png", &large)];
    let spec = json!({"defaults": {"target": "1MB", "format": "png"}});
    let url = submit(&server, batch(&spec, &files)).await;
    finished(&server, &url).await;
    let answer = server.get(&format!("{url}/zip")).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/zip"));
    assert_eq!(answer.header("content-length"), answer.body.len().to_string());
    let files = unzipped(&answer.body);
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["2-a.png", "a.png", "2-2-a.png", "\u{e9}.png", "big.png", "report.json"]);
    for (at, (name, content)) in files[..5].iter().enumerate() {
        assert_eq!(server.get(&format!("{url}/items/{at}")).await.body, *content, "{name}");
    }
    assert!(files[4].1.len() > 512 << 10);
    let report: Value = serde_json::from_slice(&files[5].1).unwrap();
    assert_eq!(report["counts"]["done"], 5);
}

/// The text of a chunked answer, as far as it was read.
pub(crate) fn unchunked(answer: &[u8]) -> String {
    let answer = String::from_utf8_lossy(answer).into_owned();
    let mut rest = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let mut text = String::new();
    while let Some((length, more)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        text.push_str(&more[..length.min(more.len())]);
        rest = more.get(length + 2..).unwrap_or_default();
    }
    text
}

/// Sends a request on a connection of its own, and returns the text of the whole stream that answers it.
pub(crate) async fn streamed(server: &TestServer, request: Request) -> String {
    let mut connection = server.connect().await;
    connection.write(&request.header("connection", "close").whole()).await;
    unchunked(&connection.read_to_end().await)
}

/// The events of a stream that were read whole: id, name and data.
pub(crate) fn events(answer: &[u8]) -> Vec<(u64, String, Value)> {
    events_of(&unchunked(answer))
}

pub(crate) fn events_of(text: &str) -> Vec<(u64, String, Value)> {
    let whole = text.rfind("\n\n").map_or("", |end| &text[..end]);
    let blocks = whole.split("\n\n").filter(|block| block.starts_with("id: "));
    let event = |block: &str| {
        let mut lines = block.lines();
        let mut field = |name: &str| Some(lines.next()?.strip_prefix(name)?.to_owned());
        Some((field("id: ")?.parse().ok()?, field("event: ")?, serde_json::from_str(&field("data: ")?).ok()?))
    };
    blocks.filter_map(event).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_tell_of_each_item_once_and_end() {
    let server = TestServer::start().await;
    let pictures = pictures(12);
    let url = submit(&server, batch(&json!({"defaults": {"target": "2KB"}}), &named(&pictures))).await;
    let events = events_of(&streamed(&server, Request::get(&format!("{url}/events"))).await);
    assert_eq!(events[0].1, "snapshot");
    assert_eq!(events.last().unwrap().1, "end");
    assert_eq!(events.last().unwrap().2["counts"]["done"], 12);
    assert!(events.windows(2).all(|pair| pair[0].0 < pair[1].0), "ids grow: {events:?}");
    let items = events.iter().filter(|(_, name, _)| name == "item").count() as u64;
    assert_eq!(items + events[0].2["counts"]["done"].as_u64().unwrap(), 12);
    let over = events_of(&streamed(&server, Request::get(&format!("{url}/events"))).await);
    assert_eq!(over.iter().map(|(_, name, _)| name.as_str()).collect::<Vec<_>>(), ["snapshot", "end"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_cut_goes_on_without_gap_or_repetition() {
    let server = TestServer::start().await;
    let pictures = pictures(40);
    let url = submit(&server, batch(&json!({"defaults": {"target": "2KB"}}), &named(&pictures))).await;
    let (mut last, mut seen, mut done, mut cuts) = (None::<u64>, Vec::new(), false, 0);
    let mut before_first = 0;
    while !done {
        let mut request = Request::get(&format!("{url}/events"));
        if let Some(last) = last {
            request = request.header("last-event-id", &last.to_string());
        }
        let mut connection = server.connect().await;
        connection.write(&request.whole()).await;
        // More and more of the stream is read before it is cut.
        let read = connection.at_least(300 + 150 * cuts).await;
        cuts += 1;
        for (id, name, data) in events(&read) {
            assert!(last.is_none_or(|last| last < id), "{last:?} {id}");
            match name.as_str() {
                "snapshot" if last.is_none() => before_first = data["counts"]["done"].as_u64().unwrap(),
                "snapshot" => {
                    assert_eq!(data["counts"]["done"], before_first + seen.len() as u64, "as the client knows it")
                }
                "item" => seen.push(data["index"].as_u64().unwrap()),
                _ => {}
            }
            done |= name == "end";
            last = Some(id);
        }
    }
    assert!(cuts > 3, "{cuts}");
    assert_eq!(seen.len() as u64 + before_first, 40);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len(), "none twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_batch_frees_its_threads_and_ends_its_streams() {
    let server = TestServer::start().await;
    let large = png(1600, 1200);
    let files: Vec<(&str, &[u8])> = (0..6).map(|_| ("a.png", large.as_slice())).collect();
    let spec = json!({"defaults": {"target": "60KB", "format": "avif", "effort": "best"}});
    let url = submit(&server, batch(&spec, &files)).await;
    server.wait_until(|health| health["in_flight"] == 2).await;
    let mut stream = server.connect().await;
    stream.write(&Request::get(&format!("{url}/events")).header("connection", "close").whole()).await;
    // The stream must be open before its batch is gone.
    let begun = stream.at_least(1).await;
    assert_eq!(server.ask(Request::new("DELETE", &url)).await.status, 204);
    let text = unchunked(&[begun, stream.read_to_end().await].concat());
    assert!(text.contains("event: end") && text.contains("cancelled"), "{text}");
    server.wait_until(|health| health["in_flight"] == 0).await;
    let metrics = server.metrics().await;
    assert!(metrics.contains("bytefit_batch_items_total{result=\"cancelled\"} 6"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_says_bye_and_the_rest_goes_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = TestServer::start_with(in_directory(folder.path())).await;
    let pictures = pictures(30);
    let spec = json!({"defaults": {"target": "2KB", "effort": "best"}, "max_concurrent": 1});
    let url = submit(&server, batch(&spec, &named(&pictures)).header("idempotency-key", "k")).await;
    let mut stream = server.connect().await;
    stream.write(&Request::get(&format!("{url}/events")).whole()).await;
    // The stream must be open before the service drains.
    let begun = stream.at_least(1).await;
    server.stop();
    let text = unchunked(&[begun, stream.read_to_end().await].concat());
    assert!(text.contains("event: bye"), "{text}");
    server.stopped().await;
    // What a client left half sent, and what was half removed.
    std::fs::create_dir_all(folder.path().join("0123456789abcdef0123456789abcdef/in")).unwrap();
    std::fs::create_dir_all(folder.path().join("1123456789abcdef0123456789abcdef.removed")).unwrap();
    let server = TestServer::start_with(in_directory(folder.path())).await;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let again = server.ask(batch(&spec, &named(&pictures)).header("idempotency-key", "k")).await;
    assert_eq!(again.json()["url"], url, "the key is known after a restart");
    let status = finished(&server, &url).await;
    assert_eq!(status["counts"]["done"], 30, "{status}");
    assert!(server.series("bytefit_batch_items_total{result=\"done\"}").await <= 30.0);
    let inputs = std::fs::read_dir(folder.path().join(url.strip_prefix("/batches/").unwrap()).join("in")).unwrap();
    assert_eq!(inputs.count(), 0, "pictures are removed when they are done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_has_expired_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start_with(|config| {
        config.batch.dir = folder.path().to_owned();
        config.batch.ttl = Duration::from_millis(300);
    })
    .await;
    let url = submit(&server, batch(&json!({"defaults": {"target": "2KB"}}), &named(&pictures(1)))).await;
    let expired = async { while server.get(&url).await.status != 404 {} };
    timeout(PATIENCE, expired).await.expect("it expires");
    let empty = async { while std::fs::read_dir(folder.path()).unwrap().count() > 0 {} };
    timeout(PATIENCE, empty).await.expect("nothing is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_store_refuses_batches_until_there_is_room() {
    let server = TestServer::start_with(|config| config.batch.max_bytes = 250_000).await;
    let small = small();
    let spec = json!({"defaults": {"target": "1MB", "format": "png"}});
    let url = submit(&server, batch(&spec, &[("a.png", &small)])).await;
    finished(&server, &url).await;
    let full = server.ask(batch(&spec, &[("b.png", &small)])).await;
    assert_eq!((full.status, code(&full)), (503, "batch_full".to_owned()));
    assert!(full.find("retry-after").is_some());
    server.ask(Request::new("DELETE", &url)).await;
    submit(&server, batch(&spec, &[("b.png", &small)])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_batch_has_an_archive_of_what_is_done_only() {
    let server = TestServer::start().await;
    let large = large();
    let files: Vec<(&str, &[u8])> = (0..4).map(|_| ("a.png", large.as_slice())).collect();
    let spec = json!({"defaults": {"target": "60KB", "effort": "best"}, "max_concurrent": 1});
    let url = submit(&server, batch(&spec, &files)).await;
    let unfinished = server.get(&format!("{url}/zip")).await;
    assert_eq!((unfinished.status, code(&unfinished)), (409, "batch_unfinished".to_owned()));
    let item = server.get(&format!("{url}/items/3")).await;
    assert_eq!((item.status, code(&item)), (409, "batch_unfinished".to_owned()));
    let partial = server.get(&format!("{url}/zip?partial=true")).await;
    assert_eq!(partial.status, 200);
    assert!(unzipped(&partial.body).len() < 5);
    assert_eq!(server.get(&format!("{url}/zip?partial=maybe")).await.status, 400);
    let allowed = server.ask(Request::new("OPTIONS", &url)).await;
    assert_eq!(allowed.header("allow"), "GET, HEAD, DELETE, OPTIONS");
}

#[tokio::test(flavor = "multi_thread")]
async fn status_and_metrics_say_what_became_of_batches_and_that_nothing_moves() {
    let server = TestServer::start().await;
    let none = server.get("/status").await.json()["batches"].clone();
    assert_eq!((&none["states"]["done"], &none["oldest_s"], &none["idle_s"]), (&0.into(), &Value::Null, &Value::Null));
    let mut files = pictures(3);
    files[1].1.truncate(40);
    let spec = json!({"defaults": {"target": "2KB", "format": "webp"}});
    finished(&server, &submit(&server, batch(&spec, &named(&files))).await).await;
    let batches = server.get("/status").await.json()["batches"].clone();
    assert_eq!(batches["states"], json!({"queued": 0, "running": 0, "done": 1, "failed": 0, "cancelled": 0}));
    assert_eq!(batches["items"], json!({"pending": 0, "running": 0, "done": 2, "failed": 1, "cancelled": 0}));
    assert_eq!(server.series("bytefit_batch_idle_seconds").await, 0.0);
    // Without its Redis an instance works on nothing.
    let folder = tempfile::tempdir().unwrap();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let stalled = TestServer::start_with(|config| {
        config.batch.dir = folder.path().to_owned();
        config.batch.redis_url = Some(format!("redis://{gone}").parse().unwrap());
    })
    .await;
    submit(&stalled, batch(&spec, &named(&files))).await;
    stalled.wait_until_counted("bytefit_batch_idle_seconds", 1.0).await;
    assert_eq!(stalled.series(r#"bytefit_batch_items_unfinished{state="pending"}"#).await, 3.0);
    let batches = stalled.get("/status").await.json()["batches"].clone();
    assert_eq!((&batches["states"]["queued"], &batches["items"]["pending"]), (&1.into(), &3.into()));
    assert!(batches["idle_s"].as_u64() >= Some(1) && batches["oldest_s"].as_u64() >= Some(1), "{batches}");
}
