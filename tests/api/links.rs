//! `GET /fit/...`: signed links to pictures by URL, as browsers and CDNs ask for them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytefit::source::{self, HexSecret, Signer};
use futures_util::future::join_all;
use serde_json::json;

use crate::client::{Answer, Request};
use crate::origin::{LAST_MODIFIED, Origin};
use crate::picture::small;
use crate::server::TestServer;
use crate::urls;

const KEY: &str = "736563726574";
const SALT: &str = "68656c6c6f";

fn secrets(texts: &[&str]) -> Vec<HexSecret> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

async fn server(origin: &Origin, change: impl FnOnce(&mut source::Config)) -> TestServer {
    urls::server(origin, |source| {
        source.keys = secrets(&[KEY]);
        source.salts = secrets(&[SALT]);
        change(source);
    })
    .await
}

/// A link with a signature under `key` and `salt`.
fn signed_with(key: &str, salt: &str, path: &str) -> String {
    let signature = Signer::new(&secrets(&[key]), &secrets(&[salt])).sign(path).unwrap();
    format!("/fit/{signature}{path}")
}

fn signed(options: &str, url: &str) -> String {
    signed_with(KEY, SALT, &format!("/{options}/{}", URL_SAFE_NO_PAD.encode(url)))
}

fn get(path: &str) -> Request {
    Request::get(path).header("accept", "image/webp,*/*")
}

fn max_age(answer: &Answer) -> u64 {
    answer.header("cache-control").strip_prefix("public, max-age=").unwrap().parse().unwrap()
}

/// For how many seconds an answer from memory has been stale.
fn stale_for(answer: &Answer) -> u64 {
    answer.header("cache-status").strip_prefix("bytefit; hit; detail=memory; ttl=-").unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_link_is_answered_for_caches() {
    let origin = Origin::start().await;
    let server = server(&origin, |_| {}).await;
    let path = signed("target:12KB/format:jpeg", &origin.url("/a.png"));
    let answer = server.get(&path).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), "image/jpeg");
    assert_eq!(answer.header("last-modified"), LAST_MODIFIED);
    assert!((3590..=3600).contains(&max_age(&answer)), "{answer:?}");
    assert!(answer.find("vary").is_none());
    let uploaded = server.compress("target=12KB&format=jpeg", &small()).await;
    assert_eq!(
        (uploaded.body.as_slice(), uploaded.header("cache-status")),
        (answer.body.as_slice(), "bytefit; hit; detail=memory")
    );

    let head = server.ask(Request::new("HEAD", &path)).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), answer.body.len().to_string());
    for (name, value) in [("if-none-match", answer.header("etag")), ("if-modified-since", LAST_MODIFIED)] {
        let known = server.ask(Request::get(&path).header(name, value)).await;
        assert_eq!((known.status, known.body.len()), (304, 0), "{name}");
        assert_eq!(known.header("etag"), answer.header("etag"));
        assert!(known.find("cache-control").is_some() && known.find("last-modified").is_some(), "{known:?}");
    }
    let older = Request::get(&path).header("if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT");
    assert_eq!(server.ask(older).await.status, 200);
    let other = Request::get(&path).header("if-none-match", "\"x\"").header("if-modified-since", LAST_MODIFIED);
    assert_eq!(server.ask(other).await.status, 200, "If-None-Match goes first");
    assert_eq!(origin.requests(), 1, "a fresh picture is not asked for again");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_format_follows_accept_and_says_so() {
    let origin = Origin::start().await;
    let server = server(&origin, |_| {}).await;
    let path = signed("target:12KB", &origin.url("/a.png"));
    let webp = server.ask(Request::get(&path).header("accept", "image/webp")).await;
    let jpeg = server.ask(Request::get(&path).header("accept", "image/jpeg")).await;
    assert_eq!((webp.header("content-type"), jpeg.header("content-type")), ("image/webp", "image/jpeg"));
    assert_eq!((webp.header("vary"), jpeg.header("vary")), ("Accept", "Accept"));
    assert_eq!(origin.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_written_in_several_ways() {
    let origin = Origin::start().await;
    let server = server(&origin, |_| {}).await;
    let url = origin.url("/a.png?x=1");
    let encoded = URL_SAFE_NO_PAD.encode(&url);
    let (begin, end) = encoded.split_at(16);
    let plain = url.replace('?', "%3F");
    for path in [
        format!("/target:12KB/format:webp/{encoded}"),
        format!("/target:12KB/{encoded}.webp"),
        format!("/target:12KB/{begin}/{end}.webp"),
        format!("/target:12KB/format:webp/plain/{plain}"),
        format!("/target:12KB/plain/{plain}@webp"),
        format!("/target:12%4bB/plain/{}@webp", plain.replace('/', "%2F")),
    ] {
        let answer = server.get(&signed_with(KEY, SALT, &path)).await;
        assert_eq!((answer.status, answer.find("content-type")), (200, Some("image/webp")), "{path} {answer:?}");
    }
    assert_eq!(origin.requests(), 1);
    assert!(origin.last_head().starts_with("get /a.png?x=1 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_without_a_valid_signature_is_refused() {
    let origin = Origin::start().await;
    let server = server(&origin, |_| {}).await;
    let good = signed("target:12KB", &origin.url("/a.png"));
    let tail = good.split_once('/').unwrap().1.splitn(3, '/').nth(2).unwrap().to_owned();
    let other = signed_with("00", "11", &format!("/{tail}"));
    for path in [
        good.replace("target:12KB", "target:13KB"),
        format!("/fit/unsafe/{tail}"),
        format!("/fit/_/{tail}"),
        format!("{}x", good),
        other,
    ] {
        server.ask(get(&path)).await.problem(403, "bad_signature");
    }
    assert_eq!(server.get("/fit/x").await.status, 404);
    assert_eq!(origin.connections(), 0);
    let without_keys = urls::server(&origin, |_| {}).await;
    without_keys.ask(get(&good)).await.problem(403, "bad_signature");
    let off = TestServer::start().await;
    off.ask(get(&good)).await.problem(403, "source_not_allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_signed_may_still_be_wrong() {
    let origin = Origin::start().await;
    let server = server(&origin, |_| {}).await;
    let url = origin.url("/a.png");
    for (options, code, status) in [
        ("width:64", "invalid_parameter", 400),
        ("target:80k", "invalid_parameter", 400),
        ("target:12KB/colour:red", "invalid_parameter", 400),
        ("target:12KB/target:13KB", "invalid_parameter", 400),
        ("target:12KB/expires:soon", "invalid_parameter", 400),
        ("target:12KB/expires:1000", "link_expired", 410),
    ] {
        server.get(&signed(options, &url)).await.problem(status, code);
    }
    server.get(&signed_with(KEY, SALT, "/target:12KB/!!!")).await.problem(400, "malformed_request");
    server.get(&signed("target:12KB", "http://169.254.169.254/")).await.problem(403, "source_not_allowed");
    assert_eq!(origin.connections(), 0);
    let missing = server.get(&signed("target:12KB", &origin.url("/status?404"))).await;
    assert_eq!(missing.header("cache-control"), "no-store");
    missing.problem(404, "source_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_not_kept_longer_than_its_link_is_valid() {
    let origin = Origin::start().await;
    let server = server(&origin, |_| {}).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let answer = server.get(&signed(&format!("target:12KB/expires:{}", now + 100), &origin.url("/a.png"))).await;
    assert!((90..=100).contains(&max_age(&answer)), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_of_a_rotation_verifies() {
    let origin = Origin::start().await;
    let server = server(&origin, |source| {
        source.keys = secrets(&["aa", KEY]);
        source.salts = secrets(&["bb", SALT]);
    })
    .await;
    let path = format!("/target:12KB/{}", URL_SAFE_NO_PAD.encode(origin.url("/a.png")));
    for (key, salt, status) in [("aa", "bb", 200), (KEY, SALT, 200), ("aa", SALT, 403)] {
        assert_eq!(server.get(&signed_with(key, salt, &path)).await.status, status, "{key} {salt}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unsigned_links_work_where_hosts_are_named() {
    let origin = Origin::start().await;
    let server = urls::server(&origin, |source| {
        source.unsigned = true;
        source.allowed_hosts = vec!["127.0.0.1".parse().unwrap()];
    })
    .await;
    let link = |url: &str| format!("/fit/unsigned/target:12KB/{}", URL_SAFE_NO_PAD.encode(url));
    assert_eq!(server.get(&link(&origin.url("/a.png"))).await.status, 200);
    server.get(&link("http://example.com/a.png")).await.problem(403, "source_not_allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn unsigned_links_need_a_key_where_there_are_keys() {
    let origin = Origin::start().await;
    let server = TestServer::start_with(|config| {
        urls::allow(config, &origin);
        config.auth = serde_json::from_value(json!({ "keys": "shop:hidden" })).unwrap();
        config.source.unsigned = true;
        config.source.keys = secrets(&[KEY]);
        config.source.salts = secrets(&[SALT]);
    })
    .await;
    let unsigned = format!("/fit/unsigned/target:12KB/{}", URL_SAFE_NO_PAD.encode(origin.url("/a.png")));
    server.get(&unsigned).await.problem(401, "missing_key");
    server.ask(Request::get(&unsigned).header("x-api-key", "wrong")).await.problem(401, "invalid_key");
    let answer = server.ask(Request::get(&unsigned).header("x-api-key", "hidden")).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("cache-control").starts_with("private, max-age=3"), "{answer:?}");
    let answer = server.get(&signed("target:12KB", &origin.url("/a.png"))).await;
    assert!(answer.status == 200 && max_age(&answer) > 3000, "{answer:?}");
    server.get("/fit/x").await.problem(404, "not_found");
    assert_eq!(server.ask(Request::new("OPTIONS", &unsigned)).await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deadline_covers_the_fetch() {
    let origin = Origin::start().await;
    let server = server(&origin, |source| source.timeout = Duration::from_secs(3600)).await;
    let asked = Instant::now();
    server
        .get(&signed("target:12KB/deadline:300ms", &origin.url("/slow-head")))
        .await
        .problem(504, "deadline_exceeded");
    assert!(asked.elapsed() < Duration::from_millis(300) + urls::SLACK, "{:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_answer_is_served_where_its_host_takes_longer_than_the_deadline() {
    let origin = Origin::start().await;
    let server = server(&origin, |source| {
        source.ttl = Duration::from_millis(50);
        source.timeout = Duration::from_secs(4);
    })
    .await;
    let path = signed("target:12KB/format:jpeg/deadline:3s", &origin.url("/then?hang"));
    let first = server.get(&path).await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    let second = server.get(&path).await;
    assert_eq!((second.status, &second.body), (200, &first.body), "{second:?}");
    assert!(stale_for(&second) >= 1, "{second:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_picture_is_asked_for_once_more_and_only_for_changes() {
    let origin = Origin::start().await;
    let server = server(&origin, |source| source.ttl = Duration::from_millis(50)).await;
    let path = signed("target:12KB/format:jpeg", &origin.url("/a.png"));
    let first = server.get(&path).await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    let second = server.get(&path).await;
    assert_eq!((second.status, &second.body), (200, &first.body));
    assert_eq!(origin.requests(), 2);
    assert!(origin.last_head().contains("if-modified-since: "), "{}", origin.last_head());
    assert_eq!(server.series(r#"bytefit_source_fetch_total{result="unchanged"}"#).await, 1.0);
    assert_eq!(second.header("cache-status"), "bytefit; hit; detail=memory");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_answer_is_served_while_its_host_fails() {
    let origin = Origin::start().await;
    for failure in ["500+No", "503+Busy", "hang"] {
        let server = server(&origin, |source| source.ttl = Duration::from_millis(50)).await;
        let path = signed("target:12KB/format:jpeg", &origin.url(&format!("/then?{failure}")));
        let first = server.get(&path).await;
        assert_eq!(first.header("cache-status"), "bytefit; fwd=miss; stored");
        tokio::time::sleep(Duration::from_millis(60)).await;
        let asked = Instant::now();
        let second = server.get(&path).await;
        assert_eq!((second.status, &second.body), (200, &first.body), "{failure}: {second:?}");
        assert!(asked.elapsed() < 2 * urls::TIMEOUT, "{failure}: {:?}", asked.elapsed());
        assert!(stale_for(&second) >= 1, "{second:?}");
        assert!((1..=10).contains(&max_age(&second)), "caches ask again soon: {second:?}");
        assert!(origin.last_head().contains("if-modified-since: "), "{}", origin.last_head());
        let requests = origin.requests();
        let known = server.ask(Request::get(&path).header("if-none-match", first.header("etag"))).await;
        assert_eq!(known.status, 304);
        assert!(stale_for(&known) >= 1, "{known:?}");
        assert_eq!(origin.requests(), requests, "a host that failed a moment ago is not asked again");
        assert_eq!(server.series("bytefit_source_stale_total").await, 2.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_its_host_withdraws_is_not_served_any_more() {
    let origin = Origin::start().await;
    for (statuses, expected) in [("404+Gone", [404, 404]), ("410+Gone", [410, 410]), ("403+No,503+Busy", [403, 503])] {
        let server = server(&origin, |source| source.ttl = Duration::from_millis(50)).await;
        let path = signed("target:12KB/format:jpeg", &origin.url(&format!("/then?{statuses}")));
        assert_eq!(server.get(&path).await.status, 200);
        for source_status in expected {
            tokio::time::sleep(Duration::from_millis(60)).await;
            let is_gone = [404, 410].contains(&source_status);
            let (status, code) = if is_gone { (404, "source_not_found") } else { (502, "source_failed") };
            assert_eq!(server.get(&path).await.problem(status, code)["source_status"], source_status);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_links_are_fetched_and_computed_once() {
    let origin = Origin::start().await;
    let server = server(&origin, |source| source.timeout = Duration::from_secs(30)).await;
    let path = signed("target:12KB/format:jpeg", &origin.url("/slow"));
    let answers = join_all((0..500).map(|_| server.get(&path))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(origin.requests(), 1);
    assert_eq!(server.series(r#"bytefit_cache_requests_total{result="miss",tier="memory"}"#).await, 1.0);
}
