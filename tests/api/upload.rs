//! Request bodies: limits, Expect, chunks, and clients that do not read while they send.

use crate::client::Request;
use crate::picture::{form, large, small};
use crate::server::TestServer;

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_length_over_the_limit_is_refused_before_the_body() {
    let server = TestServer::start_with(|config| config.http.max_body_bytes = 1000).await;
    let mut connection = server.connect().await;
    connection.write(&Request::compress("target=9KB", &[0; 1001]).head()).await;
    let problem = connection.answer().await.problem(413, "body_too_large");
    assert_eq!(problem["limit_bytes"], 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunked_body_is_counted_as_it_arrives() {
    let server = TestServer::start_with(|config| config.http.max_body_bytes = 1000).await;
    let mut connection = server.connect().await;
    connection.write(b"POST /compress?target=9KB HTTP/1.1\r\nhost: b\r\ntransfer-encoding: chunked\r\n\r\n").await;
    connection.write(&[b"400\r\n", &[b'x'; 0x400][..], b"\r\n"].concat()).await;
    connection.answer().await.problem(413, "body_too_large");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_framing_of_a_form_counts() {
    let server = TestServer::start_with(|config| config.http.max_body_bytes = 1000).await;
    let (content_type, body) = form(&[("file", Some("a"), &[b'x'; 990])]);
    let head = format!(
        "POST /compress?target=9KB HTTP/1.1\r\nhost: b\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n",
        body.len()
    );
    let mut connection = server.connect().await;
    connection.write(&[head.as_bytes(), &body, b"\r\n0\r\n\r\n"].concat()).await;
    connection.answer().await.problem(413, "body_too_large");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunked_body_is_answered_like_any_other() {
    let server = TestServer::start().await;
    let mut connection = server.connect().await;
    connection
        .write(b"POST /compress?target=12KB&format=jpeg HTTP/1.1\r\nhost: b\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    for chunk in small().chunks(5000) {
        connection.write(&[format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat()).await;
    }
    connection.write(b"0\r\n\r\n").await;
    assert_eq!(connection.answer().await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_on_sending_still_gets_its_refusal() {
    let server = TestServer::start_with(|config| config.http.max_body_bytes = 1000).await;
    let body = vec![0; 16 << 20];
    for (path, status) in [("/compress?target=9KB", 413), ("/nothing", 404), ("/health", 405)] {
        let mut connection = server.connect().await;
        connection.write(&Request::new("POST", path).body(&body).head()).await;
        assert!(connection.write(&body).await, "most clients give up when they can't send");
        assert_eq!(connection.answer().await.status, status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_before_the_end_of_a_body_says_that_the_connection_closes() {
    let server = TestServer::start().await;
    let long = vec![0; 800_000];
    for refused in [Request::compress("target=nonsense", &long), Request::new("POST", "/nothing").body(&long)] {
        let mut connection = server.connect().await;
        connection.write(&refused.head()).await;
        let answer = connection.answer().await;
        assert!(answer.status >= 400, "{answer:?}");
        assert_eq!(answer.header("connection"), "close", "or the next request is lost");
    }
    let mut connection = server.connect().await;
    for refused in [Request::compress("target=nonsense", &small()[..1000]), Request::compress("target=9KB", &long)] {
        connection.write(&refused.whole()).await;
        let answer = connection.answer().await;
        assert!(answer.status >= 400 && answer.find("connection").is_none(), "{answer:?}");
    }
    assert_eq!(server.get("/health").await.find("connection"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_expects_100_is_refused_before_it_sends_its_body() {
    let server = TestServer::start().await;
    let bad = Request::compress("target=nonsense", &small()).header("expect", "100-continue");
    let mut connection = server.connect().await;
    connection.write(&bad.head()).await;
    assert_eq!(connection.next_status().await, 400);
    let good = Request::compress("target=12KB&format=jpeg", &small()).header("expect", "100-continue");
    let mut connection = server.connect().await;
    connection.write(&good.head()).await;
    assert_eq!(connection.next_status().await, 100);
    connection.write(&small()).await;
    assert_eq!(connection.answer().await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_refused_while_it_arrives_when_there_is_no_memory_for_it() {
    let server = TestServer::start_with(|config| {
        config.engine.memory_bytes = 4 << 20;
        config.engine.max_body_bytes = 1 << 20;
    })
    .await;
    let request = Request::compress("target=9KB", &[0; 1 << 20]);
    let part = [0; 900 << 10];
    let mut first = server.connect().await;
    first.write(&request.head()).await;
    first.write(&part).await;
    // Wait until all of it was received.
    while server.series("bytefit_memory_reserved_bytes").await < part.len() as f64 {}
    let mut second = server.connect().await;
    second.write(&request.head()).await;
    second.write(&part).await;
    let refused = second.answer().await;
    refused.problem(503, "overloaded");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(server.series(r#"bytefit_shed_total{reason="memory"}"#).await, 1.0);
    first.write(&[0; 124 << 10]).await;
    first.answer().await.problem(415, "unsupported_format");
    while server.series("bytefit_memory_reserved_bytes").await > 0.0 {}
}

/// The head of a form request that declares far more bytes than are sent.
fn form_head() -> Vec<u8> {
    let head = "POST /compress?target=9KB HTTP/1.1\r\nhost: b\r\ncontent-type: multipart/form-data; boundary=seam\r\n";
    format!("{head}content-length: 8000000\r\n\r\n").into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_without_a_part_is_refused_after_16_kib() {
    let server = TestServer::start().await;
    let part = "--seam\r\nContent-Disposition: form-data; name=\"mode\"";
    let endless = vec![b'x'; 40 << 10];
    for start in ["", &format!("{part}\r\nX: "), &format!("{part}\r\n\r\nfit\r\n{part}\r\nX: "), "--seam"] {
        let mut connection = server.connect().await;
        connection.write(&[&form_head(), start.as_bytes(), &endless].concat()).await;
        connection.answer().await.problem(400, "malformed_request");
    }
    let mut connection = server.connect().await;
    connection.write(&[&form_head()[..], &b"\r\n".repeat(20 << 10)].concat()).await;
    connection.answer().await.problem(400, "malformed_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_may_have_a_long_head_and_a_large_file() {
    let server = TestServer::start().await;
    let long = format!("name=\"file\"; filename=\"{}.png\"", "x".repeat(12_000));
    let (content_type, body) =
        form(&[("target", None, b"60KB"), ("file", Some("a"), &large()), ("format", None, b"jpeg")]);
    let body = String::from_utf8_lossy(&body[..200]).find("name=\"file\"").map(|at| {
        let rest = &body[at + "name=\"file\"; filename=\"a\"".len()..];
        [&body[..at], long.as_bytes(), rest].concat()
    });
    let request = Request::new("POST", "/compress").header("content-type", &content_type).body(&body.unwrap());
    let answer = server.ask(request).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "image/jpeg"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunked_body_may_be_as_large_as_a_declared_one() {
    let server = TestServer::start_with(|config| {
        config.engine.memory_bytes = 4 << 20;
        config.engine.max_body_bytes = 1_200_000;
        config.http.max_body_bytes = 1_200_000;
    })
    .await;
    let body = vec![0; 1_100_000];
    server.compress("target=9KB", &body).await.problem(415, "unsupported_format");
    let mut connection = server.connect().await;
    connection.write(b"POST /compress?target=9KB HTTP/1.1\r\nhost: b\r\ntransfer-encoding: chunked\r\n\r\n").await;
    connection.write(&[format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n0\r\n\r\n"].concat()).await;
    connection.answer().await.problem(415, "unsupported_format");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_may_leave_out_file_names_and_values_and_send_its_buttons() {
    let server = TestServer::start().await;
    let picture = small();
    let target: (&str, Option<&str>, &[u8]) = ("target", None, b"12KB");
    for parts in [
        &[target, ("image", None, &picture)][..],
        &[("photo", None, &picture), target],
        &[target, ("quality", None, b""), ("width", None, b""), ("file", Some("a.png"), &picture)],
        &[target, ("file", Some("a.png"), &picture), ("submit", None, b"Compress"), ("", None, b"x")],
        &[target, ("file", Some("a.png"), &picture), ("second", Some(""), b"")],
        &[("first", Some(""), b""), ("file", Some("a.png"), &picture), target],
    ] {
        let (content_type, body) = form(parts);
        let request = Request::new("POST", "/compress").header("content-type", &content_type).body(&body);
        let names: Vec<&str> = parts.iter().map(|(name, ..)| *name).collect();
        assert_eq!(server.ask(request).await.status, 200, "{names:?}");
    }
    // A name that is no parameter's is still an error: it may be a typing error.
    let (content_type, body) = form(&[target, ("qualty", None, b"80"), ("file", Some("a.png"), &picture)]);
    let request = Request::new("POST", "/compress").header("content-type", &content_type).body(&body);
    assert_eq!(server.ask(request).await.problem(400, "invalid_parameter")["parameter"], "qualty");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoded_body_is_refused_with_what_to_send() {
    let server = TestServer::start().await;
    for body in
        [&b"data:image/jpeg;base64,/9j/4AAQSkZJRg=="[..], b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB", b"\x1F\x8B\x08\0\0"]
    {
        let problem = server.compress("target=9KB", body).await.problem(415, "unsupported_format");
        assert!(problem["detail"].as_str().unwrap().contains("send the bytes of the image"), "{problem}");
    }
    let request = Request::compress("target=12KB", &small()).header("content-encoding", "gzip");
    let problem = server.ask(request).await.problem(415, "unsupported_format");
    assert!(problem["detail"].as_str().unwrap().contains("send the image's bytes as they are"), "{problem}");
    let request = Request::compress("target=12KB", &small()).header("content-encoding", "identity");
    assert_eq!(server.ask(request).await.status, 200);
}
