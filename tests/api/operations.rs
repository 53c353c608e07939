//! Health, metrics, status and the OpenAPI document.

use std::collections::BTreeSet;

use bytefit::http::{ROUTES, Route};
use serde_json::Value;

use crate::client::Request;
use crate::picture::small;
use crate::server::TestServer;

#[tokio::test(flavor = "multi_thread")]
async fn health_reports_the_state() {
    let server = TestServer::start().await;
    for path in ["/health", "/readyz", "/livez"] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, 200);
        let health = answer.json();
        assert_eq!(health["status"], "ok");
        assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!((&health["in_flight"], &health["queued"]), (&0.into(), &0.into()));
        assert!(health["uptime_s"].is_u64());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn head_is_get_without_the_body() {
    let server = TestServer::start().await;
    for path in ["/health", "/livez", "/readyz", "/openapi.json", "/"] {
        let get = server.get(path).await;
        let head = server.ask(Request::new("HEAD", path)).await;
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert_eq!(head.header("content-length"), get.body.len().to_string(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slash_too_many_is_redirected_with_its_query() {
    let server = TestServer::start().await;
    let request = Request::new("POST", "/compress/?target=12KB&format=jpeg").body(&small());
    let answer = server.ask(request).await;
    assert_eq!((answer.status, answer.header("location")), (308, "/compress?target=12KB&format=jpeg"));
    assert_eq!(server.get("/health/").await.status, 308);
    let counted = r#"bytefit_http_requests_total{method="POST",route="other",status="308"}"#;
    assert_eq!(server.series(counted).await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_there_at_zero_and_move() {
    let server = TestServer::start().await;
    let ok = r#"bytefit_http_requests_total{method="POST",route="compress",status="200"}"#;
    let refused = r#"bytefit_http_requests_total{method="POST",route="compress",status="400"}"#;
    let unknown = r#"bytefit_http_requests_total{method="GET",route="other",status="404"}"#;
    let hits = r#"bytefit_cache_requests_total{result="hit",tier="memory"}"#;
    for series in [ok, refused, unknown, hits, "bytefit_input_bytes_count", "bytefit_panics_total"] {
        assert_eq!(server.series(series).await, 0.0, "{series}");
    }
    server.compress("target=12KB&format=jpeg", &small()).await;
    server.compress("target=12KB&format=jpeg", &small()).await;
    server.compress("target=", &small()).await;
    server.get("/nothing").await;
    for (series, expected) in
        [(ok, 2.0), (refused, 1.0), (unknown, 1.0), (hits, 1.0), ("bytefit_input_bytes_count", 2.0)]
    {
        assert_eq!(server.series(series).await, expected, "{series}");
    }
    assert_eq!(server.series("bytefit_jobs_in_flight").await, 0.0);
    let metrics = server.get("/metrics").await;
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
}

#[tokio::test(flavor = "multi_thread")]
async fn status_has_every_member() {
    let server = TestServer::start().await;
    server.compress("target=12KB&format=jpeg", &small()).await;
    let status = server.get("/status").await.json();
    assert_eq!(status["status"], "ok");
    assert_eq!(status["pool"]["threads"], 2);
    assert_eq!(status["queue"]["slots"], 64);
    assert_eq!(status["cache"]["memory"]["misses"], 1);
    assert_eq!(status["cache"]["memory"]["hit_ratio"], 0.0);
    assert!(status["rss_bytes"].as_u64().unwrap() > 0);
    for quantile in ["p50", "p95", "p99"] {
        assert!(status["latency_ms"][quantile].as_f64().unwrap() > 0.0, "{status}");
    }
    let outcomes = status["outcomes"].as_object().unwrap();
    assert_eq!(outcomes.len(), 6);
    assert_eq!(outcomes.values().filter_map(|count| count.as_u64()).sum::<u64>(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_has_the_last_hour_and_its_grades() {
    let server = TestServer::start().await;
    server.compress("target=12KB&format=jpeg", &small()).await;
    server.compress("target=", &small()).await;
    server.service_metrics.end_interval();
    let status = server.get("/status").await.json();
    let point = &status["history"][0];
    assert_eq!(status["history"].as_array().unwrap().len(), 1);
    assert_eq!((&point["client_errors"], &point["errors"], &point["jobs"]), (&1.into(), &0.into(), &1.into()));
    assert_eq!((&point["requests_per_s"], &point["hit_ratio"]), (&0.4.into(), &0.0.into()));
    assert!(point["p95_ms"].as_f64() >= point["p50_ms"].as_f64());
    assert_eq!(status["hour"]["statuses"], serde_json::json!({ "200": 1, "400": 1 }));
    let grades = status["grades"].as_object().unwrap();
    assert_eq!(grades.len(), 5);
    assert!(grades.values().all(|grade| ["A+", "A", "B", "C", "D"].contains(&grade.as_str().unwrap())));
    assert_eq!((&grades["errors"], &grades["cache"]), (&"A+".into(), &"D".into()));
    let names: Vec<&Value> = status["grading"].as_array().unwrap().iter().map(|entry| &entry["name"]).collect();
    assert!(names.iter().all(|name| grades.contains_key(name.as_str().unwrap())));
}

#[tokio::test(flavor = "multi_thread")]
async fn text_is_compressed_when_the_client_asks_and_images_never_are() {
    let server = TestServer::start().await;
    let text = |path: &str| Request::new("HEAD", path).header("accept-encoding", "gzip");
    assert_eq!(server.ask(text("/openapi.json")).await.header("content-encoding"), "gzip");
    let image = Request::compress("target=12KB&format=jpeg", &small()).header("accept-encoding", "gzip");
    assert!(server.ask(image).await.find("content-encoding").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_path_of_the_document_answers_as_documented() {
    let server = TestServer::start().await;
    let document = server.get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let method = if method == "post" { "POST" } else { "GET" };
            let answer = server.ask(Request::new(method, &path.replace("{id}", "0"))).await;
            assert!(answer.status != 405, "{method} {path}");
            let documented = &operations[method.to_lowercase()]["responses"][answer.status.to_string()];
            assert!(documented.is_object(), "{method} {path}: {} is not documented", answer.status);
        }
    }
}

/// The requests counted on `route`, whatever their method and status. Returns `None` when it has no series.
fn requests(metrics: &str, route: &Route) -> Option<f64> {
    let label = format!("route=\"{}\"", route.label.name);
    let series =
        metrics.lines().filter(|line| line.starts_with("bytefit_http_requests_total{") && line.contains(&label));
    let counts = series.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap());
    counts.reduce(|sum, count| sum + count)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_of_the_table_of_routes_is_served_documented_and_counted() {
    let server = TestServer::start().await;
    let metrics = server.metrics().await;
    let document = server.get("/openapi.json").await.json();
    let mut documented = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        documented.extend(operations.as_object().unwrap().keys().map(|method| (path.as_str(), method.as_str())));
    }
    // A variable that takes several segments has an asterisk in the router only.
    let paths: Vec<String> = ROUTES.iter().map(|route| route.path.replace("{*", "{")).collect();
    let routed = paths.iter().map(String::as_str).zip(ROUTES.iter().map(|route| route.method));
    assert_eq!(documented, routed.collect());
    for route in ROUTES {
        assert_eq!(requests(&metrics, route), Some(0.0), "{}", route.path);
        let method = if route.method == "post" { "POST" } else { "GET" };
        server.ask(Request::new(method, &route.path.replace("{id}", "0").replace("{signature}/{*link}", "0/0"))).await;
    }
    let metrics = server.metrics().await;
    for route in ROUTES {
        assert!(requests(&metrics, route) > Some(0.0), "no handler under the label of {}", route.path);
    }
}
