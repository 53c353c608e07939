//! Provokes every kind of problem.

use std::time::Duration;

use crate::client::Request;
use crate::picture::{form, large, small};
use crate::server::TestServer;

#[tokio::test(flavor = "multi_thread")]
async fn an_unusable_parameter_is_named() {
    let server = TestServer::start().await;
    for (query, parameter, given) in [
        ("target=80k", "target", "80k"),
        ("target=-5", "target", "-5"),
        ("target=0", "target", "0"),
        ("target=NaN", "target", "NaN"),
        ("target=99999999999999999999", "target", "99999999999999999999"),
        ("target=9KB&quality=101", "quality", "101"),
        ("target=9KB&size=3", "size", "3"),
        ("target=9KB&target=8KB", "target", "8KB"),
        ("target=9KB&format=gif", "format", "gif"),
        ("target=9KB&mode=Exactly", "mode", "Exactly"),
        ("target=9KB&effort", "effort", ""),
        ("target=9KB&crop=0,0,0,9", "crop", "0,0,0,9"),
        ("target=9KB&rotate=45", "rotate", "45"),
        ("target=9KB&flip=both", "flip", "both"),
        ("target=9KB&gravity=1.5,0", "gravity", "1.5,0"),
        ("target=9KB&blur=0.1", "blur", "0.1"),
        ("target=9KB&sharpen=11", "sharpen", "11"),
    ] {
        let problem = server.compress(query, &small()).await.problem(400, "invalid_parameter");
        assert_eq!(problem["parameter"], parameter, "{query}: {problem}");
        assert_eq!(problem["given"], given, "{query}: {problem}");
        assert!(problem["allowed"].as_str().is_some_and(|allowed| !allowed.is_empty()), "{problem}");
    }
    let problem = server.compress("", &small()).await.problem(400, "invalid_parameter");
    assert_eq!(problem["parameter"], "target");
    server.compress("target=9KB&filename=%ff", &small()).await.problem(400, "invalid_parameter");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_in_query_and_form_is_given_twice() {
    let server = TestServer::start().await;
    let (content_type, body) = form(&[("target", None, b"9KB"), ("file", Some("a"), &small())]);
    let request = Request::new("POST", "/compress?target=9KB").header("content-type", &content_type).body(&body);
    let problem = server.ask(request).await.problem(400, "invalid_parameter");
    assert_eq!(problem["parameter"], "target");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_bytes_is_empty() {
    let server = TestServer::start().await;
    server.compress("target=9KB", b"").await.problem(400, "empty_body");
    let (content_type, body) = form(&[("target", None, b"9KB"), ("file", Some("a"), b"")]);
    let request = Request::new("POST", "/compress").header("content-type", &content_type).body(&body);
    server.ask(request).await.problem(400, "empty_body");
    let json = Request::new("POST", "/compress").header("content-type", "application/json");
    let problem = server.ask(json.body(br#"{"target": "9KB"}"#)).await.problem(400, "empty_body");
    assert!(problem["detail"].as_str().unwrap().contains("give its url"), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_form_is_malformed() {
    let server = TestServer::start().await;
    let picture = small();
    let (content_type, two) = form(&[("a", Some("a"), &picture), ("b", Some("b"), &picture)]);
    let (_, no_file) = form(&[("target", None, b"9KB")]);
    let (_, long) = form(&[("target", None, &[b'9'; 5000]), ("a", Some("a"), &picture)]);
    let (_, binary) = form(&[("target", None, b"\xff\xfe"), ("a", Some("a"), &picture)]);
    let many = form(&[("target", None, &b"1"[..]); 65]).1;
    let broken = two[..two.len() / 2].to_vec();
    let send =
        |body: &[u8]| server.ask(Request::new("POST", "/compress").header("content-type", &content_type).body(body));
    for body in [two, no_file, long, many, broken, b"no form".to_vec()] {
        send(&body).await.problem(400, "malformed_request");
    }
    assert_eq!(send(&binary).await.problem(400, "invalid_parameter")["parameter"], "target");
    let request = Request::new("POST", "/compress").header("content-type", "multipart/form-data").body(&picture);
    server.ask(request).await.problem(400, "malformed_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_image_is_unsupported() {
    let server = TestServer::start().await;
    for body in [&b"hello, world"[..], br#"{"url":"https://example.com/a.png"}"#, b"<svg xmlns='...'/>", b"%PDF-1.7"] {
        let request = Request::compress("target=9KB", body).header("content-type", "image/png");
        let problem = server.ask(request).await.problem(415, "unsupported_format");
        assert!(problem["formats"].as_array().unwrap().contains(&"jpeg".into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_image_is_undecodable() {
    let server = TestServer::start().await;
    let picture = small();
    let problem = server.compress("target=9KB", &picture[..40]).await.problem(422, "undecodable");
    assert_eq!(problem["format"], "png");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_pixels_are_refused_with_their_number() {
    let server = TestServer::start_with(|config| config.engine.limits.max_pixels = 60_000).await;
    let problem = server.compress("target=9KB", &small()).await.problem(422, "too_many_pixels");
    assert_eq!((&problem["width"], &problem["height"]), (&256.into(), &256.into()));
    assert_eq!(problem["limit"], 60_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn padding_that_does_not_fit_into_memory_is_refused_with_the_largest_size_that_does() {
    let server = TestServer::start_with(|config| config.engine.memory_bytes = 64 << 20).await;
    for (query, parameter) in [
        ("target=300MB&mode=exact&format=webp", "target"),
        ("target=400MB&min_bytes=300000000&format=jpeg", "min_bytes"),
        ("target=300MB&mode=exact&effort=best", "target"),
    ] {
        let problem = server.compress(query, &small()).await.problem(400, "invalid_parameter");
        assert_eq!(problem["parameter"], parameter, "{query}: {problem}");
        assert_eq!(problem["given"], "300000000", "{query}: {problem}");
        let limit = problem["limit_bytes"].as_u64().unwrap();
        assert!(limit > 1_000_000 && problem["allowed"].as_str().unwrap().contains(&limit.to_string()), "{problem}");
        let allowed = query.replace("300MB", &limit.to_string()).replace("300000000", &limit.to_string());
        let answer = server.compress(&allowed, &small()).await;
        assert_eq!((answer.status, answer.body.len() as u64), (200, limit), "{allowed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_target_names_the_smallest() {
    let server = TestServer::start().await;
    let query = "target=40&format=jpeg&downscale=never";
    let problem = server.compress(query, &small()).await.problem(422, "target_unreachable");
    let smallest = problem["smallest_bytes"].as_u64().unwrap();
    assert!(smallest > 40);
    assert_eq!(problem["smallest_settings"]["format"], "jpeg");
    let missed = server.compress(&format!("{query}&on_miss=smallest"), &small()).await;
    assert!(missed.header("bytefit-outcome").starts_with("missed"), "{missed:?}");
    assert_eq!(missed.body.len() as u64, smallest);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_score_names_the_best() {
    let server = TestServer::start().await;
    let query = "target=2KB&format=jpeg&min_score=95";
    let problem = server.compress(query, &small()).await.problem(422, "score_unreachable");
    assert_eq!(problem["min_score"], 95.0);
    assert!(problem["score"].as_f64().unwrap() < 95.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn keeping_a_format_that_is_only_read_is_a_parameter_error() {
    let server = TestServer::start().await;
    // One black pixel.
    let gif = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";
    let problem = server.compress("target=9KB&format=keep", gif).await.problem(400, "invalid_parameter");
    assert_eq!(problem["parameter"], "format");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_without_an_answer_is_a_problem() {
    let server = TestServer::start().await;
    let problem = server.compress("target=20KB&format=avif&deadline=1ms&effort=best", &large()).await;
    let problem = problem.problem(504, "deadline_exceeded");
    assert_eq!(problem["deadline_ms"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_and_methods_are_problems_too() {
    let server = TestServer::start().await;
    for path in ["/nothing", "/nothing/", "/results/", "/results/../x", "/%ff"] {
        server.get(path).await.problem(404, "not_found");
    }
    server.get(&format!("/results/{}", "0".repeat(64))).await.problem(404, "not_found");
    let form = Request::new("POST", "/compress").header("content-type", "application/x-www-form-urlencoded");
    let problem =
        server.ask(form.body(b"url=http://example.com/a.png&target=9KB")).await.problem(400, "malformed_request");
    assert!(problem["detail"].as_str().unwrap().contains("not from application/x-www-form-urlencoded"), "{problem}");
    let problem = server.get("/results/%ff").await.problem(400, "malformed_request");
    assert_eq!(problem["detail"], "a part of the path is not UTF-8");
    let answer = server.get("/compress").await;
    answer.problem(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), "POST,OPTIONS");
    let answer = server.ask(Request::new("POST", "/health")).await;
    answer.problem(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), "GET,HEAD,OPTIONS");
    let answer = server.ask(Request::new("DELETE", "/results/0")).await;
    answer.problem(405, "method_not_allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_no_http_gets_a_problem_and_the_connection_closes() {
    let server = TestServer::start().await;
    let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(1 << 20));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(500));
    for head in
        ["GET / HTTP/1.1\r\nbad header\r\n\r\n", "GE(T / HTTP/1.1\r\n\r\n", "GET / HTTP/1.9\r\n\r\n", &many, &long]
    {
        let mut connection = server.connect().await;
        connection.write(head.as_bytes()).await;
        connection.answer().await.problem(400, "malformed_request");
        connection.read_to_end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_is_kept_when_it_is_valid() {
    let server = TestServer::start().await;
    let answer = server.ask(Request::get("/nothing").header("x-request-id", "trace-7")).await;
    assert_eq!(answer.problem(404, "not_found")["request_id"], "trace-7");
    let answer = server.ask(Request::get("/health").header("x-request-id", "two words")).await;
    assert_eq!(answer.header("x-request-id").len(), 32);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_for_head_has_no_body() {
    let server = TestServer::start().await;
    let answer = server.ask(Request::new("HEAD", "/nothing")).await;
    assert_eq!((answer.status, answer.body.len()), (404, 0));
    assert_eq!(answer.header("content-type"), "application/problem+json");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_upload_is_cut_off_at_its_deadline() {
    let server = TestServer::start_with(|config| config.http.upload_timeout = Duration::from_millis(150)).await;
    let request = Request::compress("target=9KB", &small());
    let mut connection = server.connect().await;
    connection.write(&request.head()).await;
    connection.write(b"\x89PNG").await;
    let problem = connection.answer().await.problem(408, "upload_too_slow");
    assert_eq!(problem["limit_ms"], 150);
}
