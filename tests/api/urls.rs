//! Pictures by URL: where they may come from, how fetches fail, and that equal ones run once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytefit::source;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::batches::{batch, finished, named, pictures, submit};
use crate::client::{Answer, PATIENCE, Request};
use crate::origin::{FixedNames, Origin};
use crate::picture::{form, small};
use crate::server::{TestConfig, TestServer};

/// Time that the tests give a fetch.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(400);

/// How much later than its limit a fetch may end, on a busy machine.
pub(crate) const SLACK: Duration = Duration::from_millis(400);

pub(crate) fn by_url(url: &str, parameters: Value) -> Request {
    let mut body = json!({ "url": url });
    body.as_object_mut().unwrap().extend(parameters.as_object().unwrap().clone());
    Request::new("POST", "/compress").header("content-type", "application/json").body(body.to_string().as_bytes())
}

/// A server that fetches from this machine.
pub(crate) async fn server(origin: &Origin, change: impl FnOnce(&mut source::Config)) -> TestServer {
    TestServer::start_with(|config| {
        allow(config, origin);
        change(&mut config.source);
    })
    .await
}

/// Lets pictures of `origin` be fetched.
pub(crate) fn allow(config: &mut TestConfig, origin: &Origin) {
    config.source = source::Config {
        enabled: true,
        allow_private: true,
        ports: vec![origin.address.port()],
        timeout: TIMEOUT,
        connect_timeout: TIMEOUT,
        ..source::Config::default()
    };
    config.http.max_connections = 1024;
}

async fn ask(server: &TestServer, url: &str) -> Answer {
    server.ask(by_url(url, json!({ "target": "12KB", "format": "jpeg" }))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deadline_covers_the_fetch() {
    let origin = Origin::start().await;
    let server = server(&origin, |config| config.timeout = Duration::from_secs(3600)).await;
    for (path, more) in [
        ("/compress", json!({"target": 9000, "deadline": "300ms"})),
        ("/variants", json!({"widths": [9], "deadline": "300ms", "defaults": {"target": 900}})),
    ] {
        let asked = Instant::now();
        let mut body = json!({"url": origin.url("/slow-head")});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let request = Request::new("POST", path).header("content-type", "application/json");
        server.ask(request.body(body.to_string().as_bytes())).await.problem(504, "deadline_exceeded");
        assert!(asked.elapsed() < Duration::from_millis(300) + SLACK, "{path}: {:?}", asked.elapsed());
    }
    let body = json!({"url": origin.url("/slow"), "widths": [9], "defaults": {"target": 900}});
    let request = Request::new("POST", "/variants").header("content-type", "application/json");
    let report = server.ask(request.body(body.to_string().as_bytes())).await.json();
    assert!(report["timings_ms"]["total"].as_f64() >= Some(300.0), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_by_url_is_answered_as_the_same_upload() {
    let origin = Origin::start().await;
    let server = server(&origin, |_| {}).await;
    let fetched = ask(&server, &origin.url("/a.png")).await;
    assert_eq!(fetched.status, 200, "{fetched:?}");
    assert!(fetched.header("server-timing").contains("fetch;dur="), "{fetched:?}");
    let uploaded = server.compress("target=12KB&format=jpeg", &small()).await;
    assert_eq!(uploaded.header("cache-status"), "bytefit; hit; detail=memory");
    assert_eq!(fetched.body, uploaded.body);
    assert!(!uploaded.header("server-timing").contains("fetch"));

    let url = origin.url("/b.png");
    let (content_type, body) = form(&[
        ("url", None, url.as_bytes()),
        ("target", None, b"12KB"),
        ("format", None, b"jpeg"),
        ("file", Some(""), b""),
    ]);
    let request = Request::new("POST", "/compress").header("content-type", &content_type).body(&body);
    assert_eq!(server.ask(request.header("accept", "image/*")).await.body, uploaded.body);
    let report =
        server.ask(by_url(&url, json!({ "target": 12_000 })).header("accept", "application/json")).await.json();
    assert!(report["timings_ms"]["fetch"].is_number(), "{report}");

    let head = origin.last_head();
    for expected in ["cdn-loop: bytefit", "user-agent: bytefit/", "accept: image/*", "get /b.png http/1.1"] {
        assert!(head.contains(expected), "{head}");
    }
    assert_eq!(server.series(r#"bytefit_source_fetch_total{result="ok"}"#).await, 2.0);
    assert_eq!(server.series("bytefit_source_fetch_seconds_count").await, 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_by_url_is_fetched_once() {
    let origin = Origin::start().await;
    let server = server(&origin, |_| {}).await;
    let spec = json!({"url": origin.url("/a.png"), "widths": [32, 64], "defaults": {"target": "4KB"}});
    let ask = |spec: &Value| {
        let request = Request::new("POST", "/variants").header("content-type", "application/json");
        server.ask(request.body(spec.to_string().as_bytes()))
    };
    let answer = ask(&spec).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["outputs"].as_array().unwrap().len(), 2);
    assert_eq!(origin.requests(), 1);
    let url = origin.url("/b.png");
    let text = r#"{"widths": [32], "defaults": {"target": "4KB"}}"#;
    let (content_type, body) = form(&[("url", None, url.as_bytes()), ("spec", None, text.as_bytes())]);
    let by_form = server.ask(Request::new("POST", "/variants").header("content-type", &content_type).body(&body)).await;
    assert_eq!(by_form.status, 200, "{by_form:?}");
    ask(&json!({"widths": [32], "defaults": {"target": "4KB"}})).await.problem(400, "empty_body");
    ask(&json!({"url": origin.url("/a.png"), "widths": [0]})).await.problem(400, "invalid_parameter");
}

#[tokio::test(flavor = "multi_thread")]
async fn urls_are_off_by_default() {
    let origin = Origin::start().await;
    let server = TestServer::start().await;
    let problem = ask(&server, &origin.url("/a.png")).await.problem(403, "source_not_allowed");
    assert!(problem["detail"].as_str().unwrap().contains("source.enabled"), "{problem}");
    assert_eq!(origin.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_names_one_picture() {
    let origin = Origin::start().await;
    let server = server(&origin, |_| {}).await;
    let url = origin.url("/a.png");
    let picture = small();
    let parts = [("target", None, &b"12KB"[..]), ("url", None, url.as_bytes()), ("file", Some("a.png"), &picture[..])];
    let (content_type, body) = form(&parts);
    let both = Request::new("POST", "/compress").header("content-type", &content_type).body(&body);
    server.ask(both).await.problem(400, "malformed_request");
    let (content_type, body) = form(&[parts[0], parts[1], parts[1]]);
    let twice = Request::new("POST", "/compress").header("content-type", &content_type).body(&body);
    server.ask(twice).await.problem(400, "malformed_request");
    for (body, code) in [
        (r#"{"target":"12KB"}"#, "empty_body"),
        (r#"{"url":"a.png","target":"12KB"}"#, "invalid_parameter"),
        (r#"{"url":{},"target":"12KB"}"#, "invalid_parameter"),
        (r#"{"url":"#, "malformed_request"),
        (r#"{"url":"http://example.com/"}"#, "invalid_parameter"),
        (r#"{"url":"http://example.com/","target":"12KB","colour":1}"#, "invalid_parameter"),
    ] {
        let request = Request::new("POST", "/compress").header("content-type", "application/json; charset=utf-8");
        server.ask(request.body(body.as_bytes())).await.problem(400, code);
    }
    assert_eq!(origin.connections(), 0);
}

/// Hosts that mean this machine, a private network, or nothing that serves pictures.
const FORBIDDEN: &[&str] = &[
    // Loopback and its spellings
    "127.0.0.1",
    "127.0.0.2",
    "127.255.255.254",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0x7f.0x0.0x0.0x1",
    "0177.0.0.1",
    "0177.1",
    "017700000001",
    "127.0.0.1.",
    "%31%32%37.0.0.1",
    "\u{ff11}27.0.0.1",
    "127\u{3002}0\u{3002}0\u{3002}1",
    "\u{2460}27.0.0.1",
    "0",
    "0.0.0.0",
    "0x0",
    "00",
    // Private and special blocks of IPv4
    "10.0.0.1",
    "10.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "192.168.257",
    "0xc0a80001",
    "100.64.0.1",
    "100.100.100.200",
    "169.254.169.254",
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "192.0.0.170",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    // IPv6, and IPv4 inside of it
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000::0001]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[::ffff:0:7f00:1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2002:a00:1::1]",
    "[2001::7f00:1]",
    "[2001:0:7f00:1::]",
    "[2001:db8::1]",
    "[3fff::1]",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[fec0::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[2a00::5efe:127.0.0.1]",
    "[2a00::200:5efe:7f00:1]",
    "[100::1]",
    "[5f00::1]",
    // Names
    "localhost",
    "LOCALHOST",
    "localhost.",
    "loopback.test",
    "private.test",
    "mixed.test",
    "mixed6.test",
    "mapped.test",
    "metadata.test",
    "xn--loopback-test",
    "unknown.test",
    "zero.test",
    "l%6fcalhost",
    // Credentials, and hosts that only look like others
    "example.com@127.0.0.1",
    "127.0.0.1@example.com",
    "user:word@localhost",
    "127.0.0.1%00.example.com",
    "127.0.0.1\\@example.com",
    "127.0.0.1#@example.com",
    "127.0.0.1?@example.com",
    "127.0.0.1 .example.com",
];

fn names() -> FixedNames {
    FixedNames::new(&[
        ("localhost", &["127.0.0.1"]),
        ("loopback.test", &["127.0.0.1", "::1"]),
        ("private.test", &["10.0.0.1"]),
        ("mixed.test", &["1.1.1.1", "127.0.0.1"]),
        ("mixed6.test", &["2606:4700:4700::1111", "::1"]),
        ("mapped.test", &["::ffff:127.0.0.1"]),
        ("metadata.test", &["169.254.169.254"]),
        ("zero.test", &["0.0.0.0"]),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn no_url_reaches_this_machine_or_a_private_network() {
    assert!(FORBIDDEN.len() >= 80, "{}", FORBIDDEN.len());
    let canary = Origin::start_at("[::]:0").await;
    let port = canary.address.port();
    let server = TestServer::start_with(|config| {
        config.source = source::Config { enabled: true, ports: vec![port, 80, 443], ..source::Config::default() };
        config.names = Arc::new(names());
    })
    .await;
    for host in FORBIDDEN {
        for url in [format!("http://{host}:{port}/a.png"), format!("https://{host}:{port}/a.png")] {
            let answer = ask(&server, &url).await;
            let code = answer.json()["code"].as_str().unwrap_or_default().to_owned();
            let allowed: &[&str] = match *host {
                "unknown.test" => &["source_failed", "source_unavailable"],
                _ => &["source_not_allowed", "invalid_parameter"],
            };
            assert!(allowed.contains(&code.as_str()), "{url}: {answer:?}");
        }
    }
    assert_eq!(canary.connections(), 0);
    // The canary does notice those who come.
    let open = TestServer::start_with(|config| {
        config.source =
            source::Config { enabled: true, allow_private: true, ports: vec![port], ..source::Config::default() };
    });
    assert_eq!(ask(&open.await, &format!("http://127.0.0.1:{port}/a.png")).await.status, 200);
    assert_eq!(canary.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_checked_like_the_first_url() {
    let (origin, canary) = (Origin::start().await, Origin::start_at("[::]:0").await);
    let ports = vec![origin.address.port(), canary.address.port()];
    let server = TestServer::start_with(|config| {
        config.source = source::Config {
            enabled: true,
            allow_private: true,
            allowed_hosts: ["origin.test", "mixed.test", "0.0.0.0", "[::ffff:127.0.0.1]"]
                .map(|host| host.parse().unwrap())
                .to_vec(),
            ports,
            ..source::Config::default()
        };
        config.names = Arc::new(FixedNames::new(&[
            ("origin.test", &["127.0.0.1"]),
            ("mixed.test", &["127.0.0.1", "169.254.169.254"]),
        ]));
    })
    .await;
    let (from, to) = (origin.address.port(), canary.address.port());
    for target in [
        format!("http://127.0.0.1:{to}/"),
        format!("http://localhost:{to}/"),
        format!("http://0.0.0.0:{to}/"),
        format!("http://[::ffff:127.0.0.1]:{to}/"),
        format!("http://mixed.test:{to}/"),
        format!("http://origin.test@mixed.test:{to}/"),
        format!("//127.1:{to}/"),
        "http://origin.test:22/".to_owned(),
        "file:///etc/passwd".to_owned(),
        format!("/to?/to?http://mixed.test:{to}/"),
    ] {
        let answer = ask(&server, &format!("http://origin.test:{from}/to?{target}")).await;
        let problem = answer.problem(403, "source_not_allowed");
        assert!(problem["detail"].as_str().unwrap().starts_with("the URL redirects to another"), "{problem}");
    }
    assert_eq!(ask(&server, &format!("http://origin.test:{from}/to-utf8")).await.status, 200);
    let nowhere = ask(&server, &format!("http://origin.test:{from}/to-nowhere")).await.problem(502, "source_failed");
    assert!(nowhere["detail"].as_str().unwrap().contains("does not say where"), "{nowhere}");
    assert_eq!(canary.connections(), 0);
    let followed = ask(&server, &format!("http://origin.test:{from}/to?http://origin.test:{to}/a.png")).await;
    assert_eq!(followed.status, 200, "{followed:?}");
    assert_eq!(canary.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_hosts_of_the_list_are_asked() {
    let origin = Origin::start().await;
    let port = origin.address.port();
    let names = Arc::new(FixedNames::new(&[("img.example.com", &["127.0.0.1"]), ("example.org", &["127.0.0.1"])]));
    let server = TestServer::start_with(|config| {
        config.source = source::Config {
            enabled: true,
            allow_private: true,
            allowed_hosts: vec!["*.example.com".parse().unwrap()],
            ports: vec![port],
            ..source::Config::default()
        };
        config.names = names.clone();
    })
    .await;
    for host in ["example.org", "example.com", "127.0.0.1", "img.example.com.example.org"] {
        ask(&server, &format!("http://{host}:{port}/a.png")).await.problem(403, "source_not_allowed");
    }
    assert_eq!((names.lookups(), origin.connections()), (0, 0), "not even the name is looked up");
    assert_eq!(ask(&server, &format!("http://img.example.com:{port}/a.png")).await.status, 200);
    assert_eq!(names.lookups(), 1, "the address that was checked is the one that is asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_the_host_ends_in_time_with_its_code() {
    let origin = Origin::start().await;
    let server = server(&origin, |source| source.max_bytes = 1_000_000).await;
    for (path, status, code) in [
        ("/slow-head", 504, "source_timeout"),
        ("/trickle", 504, "source_timeout"),
        ("/endless", 413, "source_too_large"),
        ("/long", 413, "source_too_large"),
        ("/bomb", 413, "source_too_large"),
        ("/short", 502, "source_failed"),
        ("/short-chunked", 502, "source_failed"),
        ("/no-gzip", 502, "source_failed"),
        ("/empty", 502, "source_failed"),
        ("/no-http", 502, "source_failed"),
        ("/loop", 502, "source_failed"),
        ("/status?404+No", 404, "source_not_found"),
        ("/status?410+Gone", 404, "source_not_found"),
        ("/status?403+No", 502, "source_failed"),
        ("/status?500+No", 502, "source_failed"),
        ("/status?206+Part", 502, "source_failed"),
        ("/text", 415, "unsupported_format"),
    ] {
        // Faults in a row have the host left alone, which is another test's.
        assert_eq!(ask(&server, &origin.url(&format!("/good{path}"))).await.status, 200);
        let asked = Instant::now();
        let answer = ask(&server, &origin.url(path)).await;
        assert!(asked.elapsed() < TIMEOUT + SLACK, "{path}: {:?}", asked.elapsed());
        let problem = answer.problem(status, code);
        if let Some(given) = path.strip_prefix("/status?") {
            assert_eq!(problem["source_status"], given[..3].parse::<u16>().unwrap());
        }
    }
    assert_eq!(ask(&server, &origin.url("/gzip")).await.status, 200, "a compressed picture is read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_encryption_or_listener_fails() {
    let origin = Origin::start().await;
    let server = server(&origin, |_| {}).await;
    let encrypted = origin.url("/a.png").replace("http://", "https://");
    ask(&server, &encrypted).await.problem(502, "source_failed");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let server = self::server(&origin, |source| source.ports = vec![port]).await;
    ask(&server, &format!("http://127.0.0.1:{port}/a.png")).await.problem(502, "source_failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_urls_are_fetched_once() {
    let origin = Origin::start().await;
    let server = server(&origin, |source| source.timeout = Duration::from_secs(30)).await;
    let url = origin.url("/slow");
    let answers = join_all((0..50).map(|_| ask(&server, &url))).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    assert_eq!(origin.requests(), 1);
    // Other sizes of the same picture come from the bytes that are kept.
    let other = server.ask(by_url(&url, json!({ "target": "4KB", "width": 64 }))).await;
    assert_eq!((other.status, origin.requests()), (200, 1));
    for _ in 0..3 {
        ask(&server, &origin.url("/status?404")).await.problem(404, "source_not_found");
    }
    assert_eq!(origin.requests(), 2, "that there is none is remembered too");
    assert_eq!(server.series("bytefit_memory_reserved_bytes").await, 0.0, "what is kept takes no memory of bodies");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_keeps_failing_is_left_alone() {
    let origin = Origin::start().await;
    let server = server(&origin, |_| {}).await;
    for attempt in 0..5 {
        ask(&server, &origin.url(&format!("/status?500+{attempt}"))).await.problem(502, "source_failed");
    }
    let requests = origin.requests();
    let asked = Instant::now();
    let refused = ask(&server, &origin.url("/a.png")).await;
    assert!(asked.elapsed() < Duration::from_millis(100), "{:?}", asked.elapsed());
    assert!(refused.retry_after().is_some_and(|seconds| (1..=5).contains(&seconds)), "{refused:?}");
    refused.problem(503, "source_unavailable");
    assert_eq!(origin.requests(), requests);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_passes_is_not_the_clients() {
    let origin = Origin::start().await;
    let server = server(&origin, |source| source.timeout = Duration::from_secs(10)).await;
    for path in ["/status-once?502+Bad", "/status-once?503+Busy", "/close-once?"] {
        let before = origin.requests();
        assert_eq!(ask(&server, &origin.url(path)).await.status, 200, "{path}");
        assert_eq!(origin.requests() - before, 2, "{path}");
    }
    assert_eq!(server.series("bytefit_source_retries_total").await, 3.0);
    assert_eq!(server.series(r#"bytefit_source_fetch_total{result="ok"}"#).await, 3.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_stays_is_asked_about_three_times_and_any_other_once() {
    let origin = Origin::start().await;
    for (path, requests) in [
        ("/status?504+Late", 3),
        ("/close", 3),
        ("/busy", 1),
        ("/status?500+No", 1),
        ("/status?429+No", 1),
        ("/status?404+No", 1),
        ("/short", 1),
        ("/no-http", 1),
        ("/no-gzip", 1),
    ] {
        // Each has a server of its own, with all of its retries.
        let server = server(&origin, |source| source.timeout = Duration::from_secs(10)).await;
        let before = origin.requests();
        let answer = ask(&server, &origin.url(path)).await;
        assert!([502, 404].contains(&answer.status), "{path}: {answer:?}");
        assert_eq!(origin.requests() - before, requests, "{path}");
    }
    let server = server(&origin, |source| source.ports = vec![1]).await;
    ask(&server, "http://127.0.0.1:1/a.png").await.problem(502, "source_failed");
    assert_eq!(server.series("bytefit_source_retries_total").await, 2.0, "a connection that was refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_fails_gets_a_tenth_more_requests() {
    let origin = Origin::start().await;
    let server = server(&origin, |source| source.timeout = Duration::from_secs(10)).await;
    for number in 0..50 {
        assert_eq!(ask(&server, &origin.url(&format!("/good?{number}"))).await.status, 200);
        ask(&server, &origin.url(&format!("/status?503+{number}"))).await.problem(502, "source_failed");
    }
    // 3 to begin with, and one for ten fetches.
    assert!((112..=113).contains(&origin.requests()), "{}", origin.requests());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_that_would_be_too_late_is_not_made() {
    let origin = Origin::start().await;
    let server = server(&origin, |_| {}).await;
    for number in 0..4 {
        let asked = Instant::now();
        let answer = ask(&server, &origin.url(&format!("/status?503+{number}"))).await;
        answer.problem(502, "source_failed");
        assert!(asked.elapsed() < TIMEOUT + SLACK, "{:?}", asked.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_hangs_keeps_no_other_waiting() {
    let (hanging, origin) = (Origin::start().await, Origin::start().await);
    let ports = vec![hanging.address.port(), origin.address.port()];
    let names = FixedNames::new(&[("hanging.test", &["127.0.0.1"]), ("good.test", &["127.0.0.1"])]);
    let server = TestServer::start_with(|config| {
        config.source = source::Config {
            enabled: true,
            allow_private: true,
            ports,
            timeout: Duration::from_secs(2),
            max_concurrent: 4,
            per_host: 2,
            ..source::Config::default()
        };
        config.names = Arc::new(names);
    })
    .await;
    let hang = |index: usize| format!("http://hanging.test:{}/slow-head?{index}", hanging.address.port());
    let waiting = join_all((0..16).map(|index| {
        let server = &server;
        async move { ask(server, &hang(index)).await.status }
    }));
    let good = async {
        while hanging.requests() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let asked = Instant::now();
        let answer = ask(&server, &format!("http://good.test:{}/a.png", origin.address.port())).await;
        let uploaded = server.compress("target=12KB&format=jpeg", &small()).await;
        assert_eq!(hanging.requests(), 2, "as many at once as one host may have");
        (answer.status, uploaded.status, asked.elapsed())
    };
    let (statuses, (fetched, uploaded, took)) = tokio::join!(waiting, good);
    assert_eq!((fetched, uploaded), (200, 200));
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(statuses.iter().all(|status| [503, 504].contains(status)), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_asks_itself_is_refused() {
    let origin = Origin::start().await;
    let server = server(&origin, |_| {}).await;
    let request = by_url(&origin.url("/a.png"), json!({ "target": "12KB" })).header("cdn-loop", "other, bytefit");
    server.ask(request).await.problem(403, "source_not_allowed");
    assert_eq!(origin.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_nobody_waits_for_is_given_up() {
    let origin = Origin::start().await;
    let server = server(&origin, |source| source.timeout = Duration::from_secs(3600)).await;
    let mut connection = server.connect().await;
    let patient = by_url(&origin.url("/slow-head"), json!({ "target": "12KB", "deadline": "2m" }));
    connection.write(&patient.whole()).await;
    while origin.requests() < 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(connection);
    // As long as it goes on, an equal request waits for the same fetch.
    let again = || by_url(&origin.url("/slow-head"), json!({ "target": "12KB", "deadline": "1s" }));
    let fetched_anew = async { while server.ask(again()).await.status == 504 && origin.requests() < 2 {} };
    timeout(PATIENCE, fetched_anew).await.expect("the fetch is given up");
    assert!(origin.requests() >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_hang_hold_up_no_other_batch() {
    let origin = Origin::start().await;
    let server = server(&origin, |config| config.timeout = Duration::from_secs(3600)).await;
    let items: Vec<Value> = (0..40).map(|at| json!({"url": origin.url(&format!("/slow-head?{at}"))})).collect();
    let by_url = json!({"items": items, "defaults": {"target": "12KB"}, "max_concurrent": 10}).to_string();
    let by_url = Request::new("POST", "/batches").header("content-type", "application/json").body(by_url.as_bytes());
    let hanging = submit(&server, by_url).await;
    let total = json!({"items": items, "total": "120KB"}).to_string();
    let total = Request::new("POST", "/batches").header("content-type", "application/json").body(total.as_bytes());
    let hanging_total = submit(&server, total).await;
    while origin.requests() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let uploads = batch(&json!({"defaults": {"target": "2KB"}}), &named(&pictures(5)));
    let uploads = submit(&server, uploads).await;
    assert_eq!(finished(&server, &uploads).await["state"], "done");
    for hanging in [hanging, hanging_total] {
        assert_eq!(server.get(&hanging).await.json()["state"], "running");
    }
}
