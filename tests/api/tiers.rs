//! The tiers of the cache below memory, as a client sees them.

use std::path::Path;
use std::time::Duration;

use bytefit::engine::CacheConfig;
use testkit::redis::{FakeRedis, Fault};

use crate::client::Request;
use crate::picture::{form, small};
use crate::server::TestServer;

const QUERY: &str = "target=12KB&format=jpeg";

async fn with_disk(folder: &Path) -> TestServer {
    with(CacheConfig { disk_dir: folder.to_owned(), ..CacheConfig::default() }).await
}

async fn with_redis(url: &str) -> TestServer {
    let server = with(CacheConfig { redis_url: Some(url.parse().unwrap()), ..CacheConfig::default() }).await;
    let is_on = async { while server.get("/status").await.json()["cache"]["redis"]["off"] != false {} };
    tokio::time::timeout(Duration::from_secs(20), is_on).await.unwrap();
    server
}

async fn with(cache: CacheConfig) -> TestServer {
    TestServer::start_with(|config| config.engine.cache = cache).await
}

/// A description of a set with these outputs, and a picture.
fn set(spec: &str) -> Request {
    let (content_type, body) = form(&[("spec", None, spec.as_bytes()), ("file", Some("a.png"), &small())]);
    Request::new("POST", "/variants").header("content-type", &content_type).body(&body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_service_answers_from_its_disk() {
    let folder = tempfile::tempdir().unwrap();
    let first = with_disk(folder.path()).await;
    let computed = first.compress(QUERY, &small()).await;
    assert_eq!(computed.header("cache-status"), "bytefit; fwd=miss; stored");
    first.wait_until_counted(r#"bytefit_cache_bytes{tier="disk"}"#, 1.0).await;

    let second = with_disk(folder.path()).await;
    let kept = second.compress(QUERY, &small()).await;
    assert_eq!(kept.header("cache-status"), "bytefit; hit; detail=disk");
    for header in ["etag", "bytefit-quality", "bytefit-outcome", "content-type"] {
        assert_eq!(kept.header(header), computed.header(header), "{header}");
    }
    assert_eq!(kept.body, computed.body);
    let again = second.compress(QUERY, &small()).await;
    assert_eq!(again.header("cache-status"), "bytefit; hit; detail=memory");
    let counted = [("miss", "memory", 1.0), ("hit", "memory", 1.0), ("hit", "disk", 1.0), ("miss", "disk", 0.0)];
    for (result, tier, count) in counted {
        let series = format!(r#"bytefit_cache_requests_total{{result="{result}",tier="{tier}"}}"#);
        assert_eq!(second.series(&series).await, count, "{series}");
    }
    let status = second.get("/status").await.json();
    assert_eq!((&status["cache"]["disk"]["hits"], &status["cache"]["disk"]["entries"]), (&1.into(), &1.into()));
    assert!(status["cache"]["redis"].is_null(), "a tier that is not configured is not there");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_too_large_for_memory_has_a_url_that_works() {
    let folder = tempfile::tempdir().unwrap();
    let cache = CacheConfig { capacity_bytes: 0, disk_dir: folder.path().to_owned(), ..CacheConfig::default() };
    let server = with(cache).await;
    let request = Request::compress(QUERY, &small()).header("accept", "application/json");
    let url = server.ask(request).await.json()["output"]["url"].as_str().unwrap().to_owned();
    let image = server.get(&url).await;
    assert_eq!((image.status, image.header("cache-status")), (200, "bytefit; hit; detail=disk"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_in_a_report_works_on_every_machine_at_once() {
    let fake = FakeRedis::start();
    let (one, other) = (with_redis(&fake.url()).await, with_redis(&fake.url()).await);
    let request = Request::compress(QUERY, &small()).header("accept", "application/json");
    let url = one.ask(request).await.json()["output"]["url"].as_str().unwrap().to_owned();
    let image = other.get(&url).await;
    assert_eq!((image.status, image.header("cache-status")), (200, "bytefit; hit; detail=redis"));
    let same = other.compress(QUERY, &small()).await;
    assert_eq!((same.header("cache-status"), &same.body), ("bytefit; hit; detail=memory", &image.body));

    let report = one.ask(set(r#"{"widths":[40,80],"defaults":{"target":"4KB"}}"#)).await.json();
    for output in report["outputs"].as_array().unwrap() {
        let image = other.get(output["output"]["url"].as_str().unwrap()).await;
        assert_eq!((image.status, image.header("cache-status")), (200, "bytefit; hit; detail=redis"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_of_redis_fails_a_request() {
    let fake = FakeRedis::start();
    let server = with_redis(&fake.url()).await;
    for (number, fault) in (0..).zip(Fault::ALL) {
        fake.fail(fault);
        for round in 0..4 {
            let target = 8000 + 100 * number + round;
            let answer = server.compress(&format!("target={target}&format=jpeg&effort=fast"), &small()).await;
            assert_eq!(answer.status, 200, "{fault:?}: {answer:?}");
            let url = format!("/compress?target={target}&format=jpeg&effort=fast");
            let request = Request::new("POST", &url).body(&small()).header("accept", "application/json");
            let report = server.ask(request).await.json();
            assert_eq!(server.get(report["output"]["url"].as_str().unwrap()).await.status, 200, "{fault:?}");
        }
        fake.fail(Fault::None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_of_the_disk_fails_a_request() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("cache");
    let server = with_disk(&folder).await;
    for round in 0..12 {
        match round {
            3 => remove_directory(&folder),
            6 => {
                remove_directory(&folder);
                std::fs::write(&folder, b"not a directory").unwrap();
            }
            9 => std::fs::remove_file(&folder).unwrap(),
            _ => {}
        }
        let query = format!("target={}&format=jpeg&effort=fast", 8000 + round);
        assert_eq!(server.compress(&query, &small()).await.status, 200, "{round}");
    }
}

/// Removes a directory into which the service may be writing a file.
fn remove_directory(folder: &std::path::Path) {
    let is_gone = || match std::fs::remove_dir_all(folder) {
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        Ok(()) => true,
    };
    assert!((0..100).any(|_| is_gone()), "{} stays", folder.display());
}
