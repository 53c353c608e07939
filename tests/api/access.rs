//! Keys, rate limits, and pages of other sites.

use bytefit::http::{AuthConfig, RateConfig};
use serde_json::json;

use crate::client::Request;
use crate::picture::{form, small};
use crate::server::{TestConfig, TestServer};

const QUERY: &str = "target=12KB&format=jpeg&effort=fast";

fn with_keys(config: &mut TestConfig) {
    config.auth = serde_json::from_value(json!({ "keys": "shop:hidden,blog:other" })).unwrap();
}

/// A picture of its own for each number.
fn picture(number: u64) -> Vec<u8> {
    testkit::drawing::noisy_png(16, 16, number)
}

fn compress(number: u64) -> Request {
    Request::compress(QUERY, &picture(number))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_what_it_protects() {
    let server = TestServer::start_with(with_keys).await;
    for (name, value) in [
        ("authorization", "Bearer hidden"),
        ("authorization", "bearer other"),
        ("x-api-key", "hidden"),
        ("authorization", "Basic YXBpOmhpZGRlbg=="),
    ] {
        assert_eq!(server.ask(compress(1).header(name, value)).await.status, 200, "{name}: {value}");
        assert_eq!(server.ask(Request::get("/status").header(name, value)).await.status, 200);
    }
    let missing = server.ask(compress(1)).await;
    let schemes: Vec<&str> = missing.headers("www-authenticate").collect();
    assert_eq!(schemes, ["Bearer realm=\"bytefit\"", "Basic realm=\"bytefit\", charset=\"UTF-8\""]);
    missing.problem(401, "missing_key");
    for value in ["Bearer wrong", "Bearer", "Basic aGlkZGVu", "Basic dXNlcjpoaWRkZW4=", "hidden"] {
        server.ask(compress(1).header("authorization", value)).await.problem(401, "invalid_key");
    }
    for path in ["/status", "/metrics", "/results/0a"] {
        server.get(path).await.problem(401, "missing_key");
    }
    let metrics = server.ask(Request::get("/metrics").header("x-api-key", "hidden")).await;
    let text = String::from_utf8(metrics.body).unwrap();
    assert!(text.contains("bytefit_auth_refused_total{reason=\"missing\"} 4"), "{text}");
    assert!(text.contains("bytefit_auth_refused_total{reason=\"invalid\"} 5"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_and_pages_stay_open() {
    let server = TestServer::start_with(with_keys).await;
    for path in ["/", "/health", "/livez", "/readyz", "/openapi.json"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
        let wrong = Request::get(path).header("authorization", "Bearer wrong");
        assert_eq!(server.ask(wrong).await.status, 200, "{path}");
    }
    server.get("/nothing").await.problem(404, "not_found");
    server.get("/fit/x/target:12KB/aHR0cDovL2E").await.problem(403, "source_not_allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_are_limited_and_the_client_is_told() {
    let server = TestServer::start_with(|config| config.rate = RateConfig { per_minute: 6, burst: 3 }).await;
    for number in 0..3 {
        let answer = server.ask(compress(number)).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("ratelimit-policy"), "\"outputs\";q=3;w=30");
        assert!(answer.header("ratelimit").starts_with(&format!("\"outputs\";r={};t=", 2 - number)), "{answer:?}");
    }
    let refused = server.ask(compress(3)).await;
    assert!(refused.retry_after().is_some_and(|seconds| (1..=10).contains(&seconds)), "{refused:?}");
    assert!(refused.header("ratelimit").starts_with("\"outputs\";r=0;t="), "{refused:?}");
    assert_eq!(refused.problem(429, "rate_limited")["limit_per_minute"], 6);
    let cached = server.ask(compress(0)).await;
    assert_eq!(
        (cached.status, cached.header("cache-status")),
        (200, "bytefit; hit; detail=memory"),
        "what is cached is free"
    );
    assert!(cached.find("ratelimit").is_none());
    assert_eq!(server.get("/health").await.status, 200);
    assert_eq!(server.series("bytefit_rate_limited_total").await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_counts_each_output_that_is_not_cached() {
    let server = TestServer::start_with(|config| config.rate = RateConfig { per_minute: 5, burst: 0 }).await;
    let ask = |widths: &[u32]| {
        let spec = json!({ "widths": widths, "defaults": { "target": "4KB" } }).to_string();
        let (content_type, body) = form(&[("spec", None, spec.as_bytes()), ("file", Some("a.png"), &small())]);
        server.ask(Request::new("POST", "/variants").header("content-type", &content_type).body(&body))
    };
    assert_eq!(ask(&[8, 16, 32]).await.status, 200);
    ask(&[64, 100, 128]).await.problem(429, "rate_limited");
    assert_eq!(ask(&[8, 16, 32, 64]).await.status, 200, "three of four are cached");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_addresses_are_counted_apart() {
    let rate = RateConfig { per_minute: 2, burst: 0 };
    let server = TestServer::start_with(|config| {
        with_keys(config);
        config.auth.keys[1].rate = Some(1);
        config.rate = rate;
    })
    .await;
    let mut statuses = Vec::new();
    for (number, key) in [(0, "hidden"), (1, "hidden"), (2, "hidden"), (3, "other"), (4, "other")] {
        statuses.push(server.ask(compress(number).header("x-api-key", key)).await.status);
    }
    assert_eq!(statuses, [200, 200, 429, 200, 429]);

    for (trusted_proxies, expected) in [(0, [200, 200, 429, 429, 429]), (1, [200, 200, 429, 200, 200])] {
        let server = TestServer::start_with(|config| {
            config.rate = rate;
            config.http.trusted_proxies = trusted_proxies;
        })
        .await;
        let mut statuses = Vec::new();
        for (number, forwarded) in [
            (0, "192.0.2.1"),
            (1, "9.9.9.9, 192.0.2.1"),
            (2, "8.8.8.8, 192.0.2.1"),
            (3, "192.0.2.2"),
            (4, "192.0.2.1, 192.0.2.2"),
        ] {
            statuses.push(server.ask(compress(number).header("x-forwarded-for", forwarded)).await.status);
        }
        assert_eq!(statuses, expected, "{trusted_proxies} proxies");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_named_sites_may_ask() {
    let server = TestServer::start_with(|config| {
        with_keys(config);
        config.cors.origins = vec!["https://example.com".parse().unwrap()];
    })
    .await;
    let preflight = Request::new("OPTIONS", "/compress")
        .header("origin", "https://example.com")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "x-api-key");
    let answer = server.ask(preflight).await;
    assert!([200, 204].contains(&answer.status), "{answer:?}");
    assert_eq!(answer.header("access-control-allow-origin"), "https://example.com");
    assert!(answer.header("access-control-allow-headers").contains("x-api-key"), "{answer:?}");
    assert!(answer.header("access-control-allow-methods").contains("POST"), "{answer:?}");
    let asked = compress(1).header("origin", "https://example.com").header("x-api-key", "hidden");
    let answer = server.ask(asked).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, "https://example.com"));
    let refused = server.ask(compress(1).header("origin", "https://example.com")).await;
    assert_eq!(refused.header("access-control-allow-origin"), "https://example.com", "problems can be read too");
    refused.problem(401, "missing_key");
    let other = server.ask(compress(1).header("origin", "https://evil.test").header("x-api-key", "hidden")).await;
    assert_eq!((other.status, other.find("access-control-allow-origin")), (200, None));

    let closed = TestServer::start().await;
    let answer = closed.ask(compress(1).header("origin", "https://example.com")).await;
    assert_eq!((answer.status, answer.find("access-control-allow-origin")), (200, None));
    let any = TestServer::start_with(|config| config.cors.origins = vec!["*".parse().unwrap()]).await;
    let answer = any.ask(compress(1).header("origin", "https://example.com")).await;
    assert_eq!(answer.header("access-control-allow-origin"), "*");
}

#[tokio::test(flavor = "multi_thread")]
async fn options_says_what_a_path_takes() {
    let closed = TestServer::start_with(with_keys).await;
    let open = TestServer::start_with(|config| config.cors.origins = vec!["*".parse().unwrap()]).await;
    for server in [closed, open] {
        for (path, allow) in [("/compress", "POST, OPTIONS"), ("/health", "GET, HEAD, OPTIONS")] {
            let answer = server.ask(Request::new("OPTIONS", path)).await;
            assert_eq!((answer.status, answer.header("allow")), (204, allow), "{path}");
        }
        server.ask(Request::new("OPTIONS", "/nothing")).await.problem(404, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_says_its_key_is_not_offered_a_dialog() {
    let server = TestServer::start_with(with_keys).await;
    for (key, code, offered) in [(None, "missing_key", 2), (Some(""), "missing_key", 1), (Some("k"), "invalid_key", 1)]
    {
        let request = compress(1);
        let answer = server.ask(match key {
            Some(key) => request.header("x-api-key", key),
            None => request,
        });
        let answer = answer.await;
        answer.problem(401, code);
        assert_eq!(answer.headers("www-authenticate").count(), offered, "{key:?}");
    }
}

#[test]
fn the_environment_has_keys_as_one_text() {
    let auth: AuthConfig = serde_json::from_value(json!({ "keys": "a:b" })).unwrap();
    assert_eq!(auth.keys[0].id, "a");
}
