//! `total` of a batch: one size shared among its items.

use bytefit::codec::Effort;
use bytefit::codec::png::encode::encode_lossless;
use serde_json::{Value, json};

use crate::batches::{batch, finished, named, submit};
use crate::server::TestServer;

/// Photos of several sizes, the smallest last.
fn files() -> Vec<(String, Vec<u8>)> {
    let sizes = [(640, 480), (200, 300), (512, 512), (320, 200), (400, 400), (256, 160), (480, 640), (128, 128)];
    let file = |(at, (width, height)): (usize, (u32, u32))| {
        let picture = testkit::drawing::photo(width, height, at as u64 + 1);
        (format!("p{at}.png"), encode_lossless(&picture, Effort::Fast).unwrap())
    };
    sizes.into_iter().enumerate().map(file).collect()
}

/// Bytes that the images of a batch have together.
pub(crate) async fn sum(server: &TestServer, status: &Value) -> u64 {
    let mut sum = 0;
    for item in status["items"].as_array().unwrap() {
        if let Some(url) = item["url"].as_str() {
            sum += server.get(url).await.body.len() as u64;
        }
    }
    sum
}

fn qualities(status: &Value) -> Vec<f64> {
    let items = status["items"].as_array().unwrap();
    items.iter().map(|item| item["report"]["output"]["quality"].as_f64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_total_is_shared_by_all_items_and_never_exceeded() {
    let folder = tempfile::tempdir().unwrap();
    let files = files();
    for (durable, total) in [(false, 150_000_u64), (true, 60_000)] {
        let dir = folder.path().to_owned();
        let server = TestServer::start_with(|config| {
            if durable {
                config.batch.dir = dir;
            }
        })
        .await;
        let spec = json!({"defaults": {"format": "webp", "downscale": "never"}, "total": total});
        let url = submit(&server, batch(&spec, &named(&files))).await;
        let status = finished(&server, &url).await;
        assert_eq!((&status["state"], &status["counts"]["done"]), (&"done".into(), &8.into()), "{status}");
        let bytes = sum(&server, &status).await;
        assert_eq!(status["total"], json!({"bytes": bytes, "budget": total}));
        assert!(bytes <= total && bytes as f64 >= 0.95 * total as f64, "{bytes} of {total}");
        let qualities = qualities(&status);
        let (low, high) = qualities.iter().fold((100.0_f64, 0.0_f64), |(low, high), q| (low.min(*q), high.max(*q)));
        assert!(high - low <= 6.0, "one look for all: {qualities:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_with_a_total_keeps_to_it_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let start = async || TestServer::start_with(|config| config.batch.dir = folder.path().to_owned()).await;
    let mut server = start().await;
    let files: Vec<(String, Vec<u8>)> = [files(), files()].concat();
    let total = 160_000_u64;
    let spec = json!({"defaults": {"format": "webp", "downscale": "never"}, "total": total, "max_concurrent": 1});
    let url = submit(&server, batch(&spec, &named(&files))).await;
    while server.get(&url).await.json()["counts"]["done"].as_u64() < Some(2) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    server.stop();
    server.stopped().await;
    let server = start().await;
    assert!(server.get(&url).await.json()["counts"]["done"].as_u64() < Some(16), "something is left to do");
    let status = finished(&server, &url).await;
    assert_eq!(status["counts"]["done"], 16, "{status}");
    let bytes = sum(&server, &status).await;
    assert!(bytes <= total && bytes as f64 >= 0.95 * total as f64, "{bytes} of {total}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_total_that_is_too_low_for_a_batch_names_the_smallest() {
    let server = TestServer::start().await;
    let files = files();
    let within = |total: u64| json!({"defaults": {"format": "webp"}, "total": total});
    let url = submit(&server, batch(&within(100), &named(&files))).await;
    let status = finished(&server, &url).await;
    assert_eq!((&status["state"], &status["counts"]["failed"]), (&"failed".into(), &8.into()), "{status}");
    let problem = &status["items"][3]["problem"];
    assert_eq!((&problem["code"], &problem["total"]), (&"total_unreachable".into(), &100.into()));
    let smallest = problem["smallest_total_bytes"].as_u64().unwrap();
    assert!(smallest > 100);
    let url = submit(&server, batch(&within(smallest), &named(&files))).await;
    let status = finished(&server, &url).await;
    assert_eq!(status["counts"]["done"], 8, "{status}");
    assert!(sum(&server, &status).await <= smallest);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_can_not_be_read_leaves_the_total_to_the_others() {
    let server = TestServer::start().await;
    let mut files = files();
    files[2].1 = b"no picture at all, but a text".to_vec();
    let spec = json!({"defaults": {"format": "jpeg", "downscale": "never"}, "total": "80KB"});
    let url = submit(&server, batch(&spec, &named(&files))).await;
    let status = finished(&server, &url).await;
    assert_eq!((&status["counts"]["done"], &status["counts"]["failed"]), (&7.into(), &1.into()), "{status}");
    assert_eq!(status["items"][2]["problem"]["code"], "unsupported_format");
    let bytes = sum(&server, &status).await;
    assert!((76_000..=80_000).contains(&bytes), "{bytes}");
}
