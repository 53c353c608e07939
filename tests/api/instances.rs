//! Batches that several instances work on together, with one directory and a Redis.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::redis::RedisServer;
use tokio::time::timeout;

use crate::batch_totals::sum;
use crate::batches::{batch, code, events, events_of, finished, named, pictures, streamed, submit, unzipped};
use crate::client::{PATIENCE, Request};
use crate::picture::png;
use crate::server::{TestConfig, TestServer};

/// A directory and a Redis for instances.
struct Shared {
    folder: TempDir,
    redis: RedisServer,
    _of_redis: TempDir,
}

impl Shared {
    /// Returns `None` where redis-server is not installed.
    fn start() -> Option<Shared> {
        let (folder, of_redis) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let Some(redis) = RedisServer::start(of_redis.path()) else {
            assert!(std::env::var_os("BYTEFIT_TOOLS").is_none(), "redis-server is not installed");
            return None;
        };
        Some(Shared { folder, redis, _of_redis: of_redis })
    }

    async fn instance(&self) -> TestServer {
        let (dir, url) = (self.folder.path().to_owned(), self.redis.url());
        TestServer::start_with(|config: &mut TestConfig| {
            config.batch.dir = dir;
            config.batch.redis_url = Some(url.parse().unwrap());
        })
        .await
    }

    async fn three(&self) -> [TestServer; 3] {
        [self.instance().await, self.instance().await, self.instance().await]
    }

    fn batches(&self) -> usize {
        batches_in(self.folder.path())
    }
}

fn batches_in(folder: &Path) -> usize {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.len() >= 32).count()
}

async fn items_done(servers: &[TestServer]) -> Vec<f64> {
    let mut done = Vec::new();
    for server in servers {
        done.push(server.series("bytefit_batch_items_total{result=\"done\"}").await);
    }
    done
}

async fn until(is_so: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < PATIENCE, "it takes too long");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_instances_share_the_items_and_each_answers_for_all() {
    let Some(shared) = Shared::start() else { return };
    let servers = shared.three().await;
    let pictures = pictures(60);
    let spec = json!({"defaults": {"target": "2KB"}, "max_concurrent": 10});
    let url = submit(&servers[0], batch(&spec, &named(&pictures))).await;
    let events = format!("{url}/events");
    let [one, two, three] = &servers;
    let [of_one, of_two, of_three] = [one, two, three].map(|server| streamed(server, Request::get(&events)));
    let streams = <[String; 3]>::from(tokio::join!(of_one, of_two, of_three));
    let status = finished(&servers[1], &url).await;
    assert_eq!((&status["state"], &status["counts"]["done"]), (&"done".into(), &60.into()), "{status}");
    let done = items_done(&servers).await;
    assert_eq!(done.iter().sum::<f64>(), 60.0, "each once: {done:?}");
    assert!(done.iter().all(|done| *done > 0.0), "{done:?}");
    for server in &servers {
        assert_eq!(server.get(&format!("{url}?limit=1000")).await.json()["items"], status["items"]);
    }
    let archives = [
        unzipped(&servers[0].get(&format!("{url}/zip")).await.body),
        unzipped(&servers[2].get(&format!("{url}/zip")).await.body),
    ];
    assert_eq!(archives[0][..60], archives[1][..60]);
    for (at, (_, picture)) in pictures.iter().enumerate().step_by(7) {
        assert_eq!(archives[0][at].1, servers[1].compress("target=2KB", picture).await.body);
    }
    for text in streams {
        let events = events_of(&text);
        assert!(events.windows(2).all(|pair| pair[0].0 < pair[1].0), "ids grow: {events:?}");
        let items: BTreeSet<u64> = items_of(&events);
        assert_eq!(items.len() as u64 + events[0].2["counts"]["done"].as_u64().unwrap(), 60);
        assert_eq!(events.last().unwrap().1, "end");
    }
    assert_eq!(servers[2].ask(Request::new("DELETE", &url)).await.status, 204);
    for server in &servers {
        assert_eq!(server.get(&url).await.status, 404);
    }
    assert_eq!(shared.batches(), 0, "nothing is left");
}

fn items_of(events: &[(u64, String, Value)]) -> BTreeSet<u64> {
    let items = events.iter().filter(|(_, name, _)| name == "item");
    items.map(|(_, _, data)| data["index"].as_u64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_share_a_total_and_never_exceed_it() {
    let Some(shared) = Shared::start() else { return };
    let servers = shared.three().await;
    let pictures: Vec<(String, Vec<u8>)> = (0..24)
        .map(|at| (format!("{at}.png"), testkit::drawing::noisy_png(150 + 9 * at as u32, 220, at as u64 + 1)))
        .collect();
    let total = 200_000_u64;
    let spec = json!({"defaults": {"format": "webp", "downscale": "never"}, "total": total, "max_concurrent": 10});
    let url = submit(&servers[0], batch(&spec, &named(&pictures))).await;
    let status = finished(&servers[1], &url).await;
    assert_eq!(status["counts"]["done"], 24, "{status}");
    let bytes = sum(&servers[2], &status).await;
    assert_eq!(status["total"], json!({"bytes": bytes, "budget": total}));
    assert!(bytes <= total && bytes as f64 >= 0.95 * total as f64, "{bytes} of {total}");
    let low =
        submit(&servers[0], batch(&json!({"defaults": {"format": "webp"}, "total": 100}), &named(&pictures))).await;
    let status = finished(&servers[2], &low).await;
    assert_eq!(status["items"][23]["problem"]["code"], "total_unreachable", "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_redis_loses_is_added_again_and_a_stream_goes_on_at_any_instance() {
    let Some(mut shared) = Shared::start() else { return };
    let servers = shared.three().await;
    let pictures = pictures(80);
    let spec = json!({"defaults": {"target": "2KB", "effort": "best"}, "max_concurrent": 10});
    let url = submit(&servers[0], batch(&spec, &named(&pictures))).await;
    let (mut last, mut seen, mut before_first) = (None::<u64>, Vec::new(), 0);
    for cuts in 0.. {
        match cuts {
            3 => shared.redis.send("FLUSHALL"),
            8 => shared.redis.restart(),
            _ => {}
        }
        let mut request = Request::get(&format!("{url}/events"));
        if let Some(last) = last {
            request = request.header("last-event-id", &last.to_string());
        }
        let mut connection = servers[cuts % 3].connect().await;
        connection.write(&request.whole()).await;
        let read = connection.at_least(300 + 300 * cuts).await;
        let mut is_over = false;
        for (id, name, data) in events(&read) {
            assert!(last.is_none_or(|last| last < id), "{last:?} {id}");
            match name.as_str() {
                "snapshot" if last.is_none() => before_first = data["counts"]["done"].as_u64().unwrap(),
                "snapshot" => assert_eq!(data["counts"]["done"], before_first + seen.len() as u64),
                "item" => seen.push(data["index"].as_u64().unwrap()),
                _ => {}
            }
            is_over |= name == "end";
            last = Some(id);
        }
        if is_over {
            break;
        }
    }
    assert_eq!(seen.len() as u64 + before_first, 80);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len(), "none twice");
    assert_eq!(finished(&servers[2], &url).await["counts"]["done"], 80);
    assert_eq!(items_done(&servers).await.iter().sum::<f64>(), 80.0, "each has one record");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_a_batch_is_taken_and_waits() {
    let Some(mut shared) = Shared::start() else { return };
    shared.redis.kill();
    let servers = [shared.instance().await, shared.instance().await];
    let open = "bytefit_breaker_open{target=\"batch_redis\"}";
    servers[0].wait_until_counted(open, 1.0).await;
    let started = Instant::now();
    let answer = servers[0].ask(batch(&json!({"defaults": {"target": "2KB"}}), &named(&pictures(4)))).await;
    assert_eq!((answer.status, &answer.json()["durable"]), (202, &true.into()));
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    let url = answer.json()["url"].as_str().unwrap().to_owned();
    for server in &servers {
        assert_eq!(server.get(&url).await.json()["state"], "queued");
    }
    shared.redis.restart();
    assert_eq!(finished(&servers[1], &url).await["counts"]["done"], 4);
    assert_eq!(servers[0].series(open).await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_away_for_a_while_is_waited_for() {
    let Some(shared) = Shared::start() else { return };
    let servers = shared.three().await;
    let pictures = pictures(40);
    let spec = json!({"defaults": {"target": "2KB", "effort": "best"}, "max_concurrent": 10});
    let url = submit(&servers[0], batch(&spec, &named(&pictures))).await;
    let some = async { while servers[1].get(&url).await.json()["counts"]["done"] == 0 {} };
    timeout(PATIENCE, some).await.unwrap();
    let (there, away) = (shared.folder.path(), shared.folder.path().with_extension("away"));
    std::fs::rename(there, &away).unwrap();
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(servers[1].get(&url).await.status, 200, "it is known meanwhile");
    std::fs::rename(&away, there).unwrap();
    let status = finished(&servers[2], &url).await;
    assert_eq!(status["counts"]["done"], 40, "{status}");
    assert_eq!(items_done(&servers).await.iter().sum::<f64>(), 40.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_removed_at_one_instance_frees_the_threads_of_all() {
    let Some(shared) = Shared::start() else { return };
    let servers = shared.three().await;
    let large = png(1600, 1200);
    let files: Vec<(&str, &[u8])> = (0..9).map(|_| ("a.png", large.as_slice())).collect();
    let spec = json!({"defaults": {"target": "60KB", "format": "avif", "effort": "best"}, "max_concurrent": 9});
    let url = submit(&servers[0], batch(&spec, &files)).await;
    for server in &servers {
        server.wait_until(|health| health["in_flight"].as_u64() > Some(0)).await;
    }
    assert_eq!(servers[1].ask(Request::new("DELETE", &url)).await.status, 204);
    for server in &servers {
        server.wait_until(|health| health["in_flight"] == 0).await;
        assert_eq!(server.get(&url).await.status, 404);
    }
    assert_eq!(shared.batches(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_sent_to_two_instances_makes_one_batch() {
    let Some(shared) = Shared::start() else { return };
    let servers = [shared.instance().await, shared.instance().await];
    let pictures = pictures(2);
    let keyed = |target: &str| {
        batch(&json!({"defaults": {"target": target}}), &named(&pictures)).header("idempotency-key", "order-1")
    };
    let (one, other) = tokio::join!(servers[0].ask(keyed("2KB")), servers[1].ask(keyed("2KB")));
    assert_eq!((one.status, other.status), (202, 202));
    assert_eq!(one.json()["id"], other.json()["id"]);
    let reused = servers[1].ask(keyed("3KB")).await;
    assert_eq!((reused.status, code(&reused)), (422, "idempotency_key_reused".to_owned()));
    let url = one.json()["url"].as_str().unwrap().to_owned();
    finished(&servers[1], &url).await;
    until(async || shared.batches() == 1).await;
    servers[0].ask(Request::new("DELETE", &url)).await;
    let again = servers[1].ask(keyed("3KB")).await;
    assert_eq!(again.status, 202, "the key is forgotten with its batch");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_stops_hands_its_items_to_the_others() {
    let Some(shared) = Shared::start() else { return };
    let [mut stopping, other, third] = shared.three().await;
    let pictures = pictures(40);
    let spec = json!({"defaults": {"target": "2KB", "effort": "best"}, "max_concurrent": 10});
    let url = submit(&stopping, batch(&spec, &named(&pictures))).await;
    let some = async { while other.get(&url).await.json()["counts"]["done"] == 0 {} };
    timeout(PATIENCE, some).await.unwrap();
    stopping.stop();
    stopping.stopped().await;
    let status = finished(&third, &url).await;
    assert_eq!(status["counts"]["done"], 40, "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_failure_stops_a_batch_at_every_instance() {
    let Some(shared) = Shared::start() else { return };
    let servers = shared.three().await;
    let files = pictures(12);
    let mut files = named(&files);
    files[0].1 = b"no picture at all, but a text";
    let spec = json!({"defaults": {"target": "2KB"}, "max_concurrent": 1, "stopOnError": true});
    let url = submit(&servers[0], batch(&spec, &files)).await;
    let status = finished(&servers[1], &url).await;
    assert_eq!((&status["state"], &status["counts"]["failed"]), (&"failed".into(), &1.into()), "{status}");
    for server in &servers {
        assert_eq!(server.get(&url).await.json()["counts"]["cancelled"], 11);
    }
}
