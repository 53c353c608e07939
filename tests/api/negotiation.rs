//! The Accept and Vary headers and the parameter `format`.

use crate::client::Request;
use crate::picture::small;
use crate::server::TestServer;

#[tokio::test(flavor = "multi_thread")]
async fn auto_follows_accept() {
    let server = TestServer::start().await;
    for (accept, expected) in [
        ("image/webp", "image/webp"),
        ("image/jpeg", "image/jpeg"),
        ("image/jxl", "image/jxl"),
        ("image/jpeg;q=0.2, text/html", "image/jpeg"),
        ("*/*, image/webp;q=0, image/png;q=0", "image/jpeg"),
    ] {
        let request = Request::compress("target=12KB", &small()).header("accept", accept);
        let answer = server.ask(request).await;
        assert_eq!(answer.header("content-type"), expected, "{accept}");
        assert_eq!(answer.header("vary"), "Accept");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explicit_format_is_not_negotiated() {
    let server = TestServer::start().await;
    let request = Request::compress("target=12KB&format=jpeg", &small()).header("accept", "image/webp");
    let answer = server.ask(request).await;
    assert_eq!(answer.header("content-type"), "image/jpeg");
    assert!(answer.find("vary").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_that_cannot_be_written_is_not_acceptable() {
    let server = TestServer::start().await;
    for accept in ["text/html", "image/gif", "image/*;q=0"] {
        let request = Request::compress("target=12KB", &small()).header("accept", accept);
        let problem = server.ask(request).await.problem(406, "not_acceptable");
        assert!(problem["types"].to_string().contains("image/webp"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_application_type_is_the_report() {
    let server = TestServer::start().await;
    let answer = server.ask(Request::compress("target=12KB", &small()).header("accept", "application/*")).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert!(answer.json()["output"]["bytes"].as_u64().unwrap() <= 12_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_accept_and_any_accept_are_the_same_request() {
    let server = TestServer::start().await;
    let picture = small();
    let silent = server.compress("target=12KB", &picture).await;
    let any = server.ask(Request::compress("target=12KB&format=auto", &picture).header("accept", "*/*")).await;
    assert_eq!(any.header("cache-status"), "bytefit; hit; detail=memory");
    assert_eq!(any.body, silent.body);
}
