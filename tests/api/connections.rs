//! Clients that hold a connection without using it, and more connections than the limit.

use std::time::Duration;

use tokio::time::timeout;

use crate::client::Request;
use crate::server::TestServer;

const SOON: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_client_is_closed() {
    let server = TestServer::start_with(|config| config.http.header_timeout = SOON).await;
    assert!(server.connect().await.read_to_end().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_head_has_a_deadline() {
    let server = TestServer::start_with(|config| config.http.header_timeout = SOON).await;
    let mut connection = server.connect().await;
    connection.write(b"GET /health HTTP/1.1\r\nhost: b\r\n").await;
    connection.read_to_end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_arrives_slowly_has_one_deadline() {
    let server = TestServer::start_with(|config| config.http.header_timeout = 3 * SOON).await;
    let mut connection = server.connect().await;
    connection.write(b"GET /health HTTP/1.1\r\nx: ").await;
    let mut written = 0;
    while timeout(SOON / 5, connection.read_to_end()).await.is_err() {
        connection.write(b"x").await;
        written += 1;
        assert!(written < 500, "every byte buys more time");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_outlives_the_header_timeout_but_not_its_own() {
    let server = TestServer::start_with(|config| {
        config.http.header_timeout = SOON;
        config.http.keep_alive_timeout = 4 * SOON;
    })
    .await;
    let mut connection = server.connect().await;
    assert_eq!(connection.ask(&Request::get("/health")).await.status, 200);
    tokio::time::sleep(2 * SOON).await;
    assert_eq!(connection.ask(&Request::get("/health")).await.status, 200);
    assert!(connection.read_to_end().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_carries_many_requests() {
    let server = TestServer::start().await;
    let mut connection = server.connect().await;
    for _ in 0..5 {
        assert_eq!(connection.ask(&Request::get("/health")).await.status, 200);
        connection.ask(&Request::compress("target=1KB", b"no image")).await.problem(415, "unsupported_format");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_over_the_limit_are_refused_with_an_answer() {
    let server = TestServer::start_with(|config| config.http.max_connections = 2).await;
    let mut first = server.connect().await;
    assert_eq!(first.ask(&Request::get("/health")).await.status, 200);
    let mut second = server.connect().await;
    assert_eq!(second.ask(&Request::get("/health")).await.status, 200);
    let refused = server.get("/health").await;
    refused.problem(503, "overloaded");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.header("connection"), "close");
    drop(second);
    let metrics = first.ask(&Request::get("/metrics")).await;
    let shed = "bytefit_shed_total{reason=\"connections\"} 1";
    assert!(String::from_utf8(metrics.body).unwrap().contains(shed));
    server.wait_until_admitted().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_is_closed_without_an_answer_in_http1() {
    let server = TestServer::start().await;
    let mut connection = server.connect().await;
    connection.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    assert!(connection.read_to_end().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_reads_is_not_kept_for_ever() {
    let server = TestServer::start_with(|config| {
        config.http.max_connections = 2;
        config.http.keep_alive_timeout = 2 * SOON;
    })
    .await;
    let mut first = server.connect().await;
    // Far more than socket buffers hold: /openapi.json is some 20 kB.
    first.write(&Request::get("/openapi.json").head().repeat(1000)).await;
    let mut second = server.connect().await;
    second.write(&Request::get("/openapi.json").head().repeat(1000)).await;
    // Both connections are closed although neither client reads or closes.
    server.wait_until_admitted().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_names_its_host_once() {
    let server = TestServer::start().await;
    for hosts in ["", "host: a\r\nhost: b\r\n"] {
        let mut connection = server.connect().await;
        connection.write(format!("GET /health HTTP/1.1\r\n{hosts}\r\n").as_bytes()).await;
        let answer = connection.answer().await;
        answer.problem(400, "malformed_request");
        assert_eq!(answer.header("connection"), "close");
        assert!(connection.read_to_end().await.is_empty());
    }
    let mut old = server.connect().await;
    old.write(b"GET /health HTTP/1.0\r\n\r\n").await;
    assert_eq!(old.answer().await.status, 200);
}
