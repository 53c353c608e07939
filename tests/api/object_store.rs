//! Batches in an object store: one instance, several, and a store that goes away.

use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use testkit::redis::RedisServer;
use testkit::s3::S3Server;
use tokio::time::timeout;

use crate::batch_totals::sum;
use crate::batches::{batch, code, finished, named, pictures, submit, unzipped};
use crate::client::{PATIENCE, Request};
use crate::picture::png;
use crate::server::TestServer;

/// A store for the batches of a test.
struct Place {
    s3: S3Server,
    _folder: TempDir,
}

impl Place {
    async fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        Place { s3: S3Server::start(folder.path()).await, _folder: folder }
    }

    async fn instance(&self) -> TestServer {
        self.with_redis(None).await
    }

    async fn with_redis(&self, redis: Option<String>) -> TestServer {
        let url = self.s3.url("of/tests");
        TestServer::start_with(|config| {
            config.http.max_body_bytes = 16 << 20;
            config.batch.store_url = Some(url.parse().unwrap());
            config.batch.redis_url = redis.map(|url| url.parse().unwrap());
        })
        .await
    }

    /// The objects of batches.
    fn objects(&self) -> Vec<String> {
        let mut names = self.s3.objects("of/tests");
        names.retain(|name| !name.ends_with("shared.id"));
        names
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_in_an_object_store_is_answered_and_leaves_nothing() {
    let place = Place::new().await;
    let server = place.instance().await;
    let mut pictures = pictures(5);
    // More than one piece of an upload.
    pictures.push(("large.png".to_owned(), png(2300, 2000)));
    assert!(pictures[5].1.len() > 9 << 20);
    let spec = json!({"defaults": {"target": "2KB", "format": "webp"}, "maxConcurrent": 2});
    let answer = server.ask(batch(&spec, &named(&pictures))).await;
    assert_eq!((answer.status, &answer.json()["durable"]), (202, &true.into()), "{answer:?}");
    let url = answer.json()["url"].as_str().unwrap().to_owned();
    let status = finished(&server, &url).await;
    assert_eq!((&status["state"], &status["counts"]["done"]), (&"done".into(), &6.into()), "{status}");
    let files = unzipped(&server.get(&format!("{url}/zip")).await.body);
    for (at, (_, picture)) in pictures[..5].iter().enumerate() {
        let image = server.get(&format!("{url}/items/{at}")).await.body;
        assert_eq!(image, server.compress("target=2KB&format=webp", picture).await.body);
        assert_eq!(image, files[at].1);
    }
    assert!(!place.objects().iter().any(|name| name.contains("/in/")), "pictures are removed when they are done");
    assert_eq!(server.ask(Request::new("DELETE", &url)).await.status, 204);
    assert_eq!(server.get(&url).await.status, 404);
    assert_eq!(place.objects(), [""; 0], "nothing is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_in_an_object_store_goes_on_after_a_restart() {
    let place = Place::new().await;
    let mut server = place.instance().await;
    let pictures = pictures(30);
    let spec = json!({"defaults": {"format": "webp"}, "total": "30KB", "max_concurrent": 1});
    let url = submit(&server, batch(&spec, &named(&pictures)).header("idempotency-key", "k")).await;
    let begun = async { while server.get(&url).await.json()["counts"]["done"].as_u64() < Some(2) {} };
    timeout(PATIENCE, begun).await.expect("it begins");
    server.stop();
    server.stopped().await;
    let server = place.instance().await;
    let again = server.ask(batch(&spec, &named(&pictures)).header("idempotency-key", "k")).await;
    assert_eq!(again.json()["url"], url, "the key is known after a restart");
    let status = finished(&server, &url).await;
    assert_eq!(status["counts"]["done"], 30, "{status}");
    assert!(sum(&server, &status).await <= 30_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_goes_away_loses_nothing() {
    let mut place = Place::new().await;
    let server = place.instance().await;
    let pictures = pictures(40);
    let spec = json!({"defaults": {"target": "2KB", "effort": "best"}, "max_concurrent": 4});
    let url = submit(&server, batch(&spec, &named(&pictures))).await;
    let begun = async { while server.get(&url).await.json()["counts"]["done"].as_u64() < Some(3) {} };
    timeout(PATIENCE, begun).await.expect("it begins");
    place.s3.go_away();
    let refused = server.ask(batch(&spec, &named(&pictures))).await;
    assert_eq!((refused.status, code(&refused)), (503, "overloaded".to_owned()), "{refused:?}");
    assert!(refused.find("retry-after").is_some());
    let not_removed = server.ask(Request::new("DELETE", &url)).await;
    assert_eq!((not_removed.status, code(&not_removed)), (503, "overloaded".to_owned()), "{not_removed:?}");
    assert_eq!(server.get("/health").await.status, 200);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let status = server.get(&url).await.json();
    assert_eq!((&status["state"], &status["counts"]["failed"]), (&"running".into(), &0.into()), "{status}");
    place.s3.come_back().await;
    let status = finished(&server, &url).await;
    assert_eq!((&status["state"], &status["counts"]["done"]), (&"done".into(), &40.into()), "{status}");
    for (at, (_, picture)) in pictures.iter().enumerate().step_by(9) {
        let image = server.get(&format!("{url}/items/{at}")).await.body;
        assert_eq!(image, server.compress("target=2KB&effort=best", picture).await.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_lets_every_writer_be_the_first_is_not_shared() {
    let place = Place::new().await;
    place.s3.race();
    let shared = async move { place.with_redis(Some("redis://127.0.0.1:1".to_owned())).await };
    let refused = tokio::spawn(shared).await.err().expect("the service does not start");
    let reason = refused.into_panic().downcast::<String>().unwrap();
    assert!(reason.contains("only one of several writes at the same time"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_need_no_directory_where_there_is_an_object_store() {
    let of_redis = tempfile::tempdir().unwrap();
    let Some(redis) = RedisServer::start(of_redis.path()) else {
        assert!(std::env::var_os("BYTEFIT_TOOLS").is_none(), "redis-server is not installed");
        return;
    };
    let place = Place::new().await;
    let mut servers = Vec::new();
    for _ in 0..3 {
        servers.push(place.with_redis(Some(redis.url())).await);
    }
    let pictures = pictures(60);
    let spec = json!({"defaults": {"target": "2KB"}, "max_concurrent": 10});
    let url = submit(&servers[0], batch(&spec, &named(&pictures)).header("idempotency-key", "k")).await;
    let again = servers[1].ask(batch(&spec, &named(&pictures)).header("idempotency-key", "k")).await;
    assert_eq!(again.json()["url"], url, "the key is known to all");
    // One leaves in the middle.
    let mut leaving = servers.remove(2);
    leaving.stop();
    leaving.stopped().await;
    let status = finished(&servers[1], &url).await;
    assert_eq!((&status["state"], &status["counts"]["done"]), (&"done".into(), &60.into()), "{status}");
    for server in &servers {
        assert_eq!(server.get(&format!("{url}?limit=1000")).await.json()["items"], status["items"]);
    }
    let places = place.objects().iter().filter(|name| name.contains("/order/")).count();
    assert_eq!(places, 60, "each ended once");
    let total = 60_000_u64;
    let shared = json!({"defaults": {"format": "webp"}, "total": total, "max_concurrent": 10});
    let with_total = submit(&servers[1], batch(&shared, &named(&pictures))).await;
    let status = finished(&servers[0], &with_total).await;
    let bytes = sum(&servers[1], &status).await;
    assert!(bytes <= total && bytes as f64 >= 0.95 * total as f64, "{bytes} of {total}");
    for url in [url, with_total] {
        assert_eq!(servers[1].ask(Request::new("DELETE", &url)).await.status, 204);
        assert_eq!(servers[0].get(&url).await.status, 404);
    }
    assert_eq!(place.objects(), [""; 0], "nothing is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_instance_writes_while_another_removes_the_batch_is_removed() {
    let of_redis = tempfile::tempdir().unwrap();
    let Some(redis) = RedisServer::start(of_redis.path()) else {
        assert!(std::env::var_os("BYTEFIT_TOOLS").is_none(), "redis-server is not installed");
        return;
    };
    let place = Place::new().await;
    let servers = [place.with_redis(Some(redis.url())).await, place.with_redis(Some(redis.url())).await];
    let pictures = pictures(200);
    let spec = json!({"defaults": {"target": "2KB"}, "max_concurrent": 10});
    let url = submit(&servers[0], batch(&spec, &named(&pictures))).await;
    let begun = async { while servers[1].get(&url).await.json()["counts"]["done"] == 0 {} };
    timeout(PATIENCE, begun).await.expect("it begins");
    // Soon all hands wait for a write.
    place.s3.delay_writes(Duration::from_secs(1));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(servers[0].get(&url).await.json()["state"], "running");
    assert_eq!(servers[0].ask(Request::new("DELETE", &url)).await.status, 204);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    // Late writes come within a second, and are removed within some more.
    tokio::time::sleep(Duration::from_secs(2)).await;
    while !place.objects().is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "left: {:?}", place.objects());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
