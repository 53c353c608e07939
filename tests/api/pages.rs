//! The pages for browsers and what they load.

use crate::client::{Answer, Request};
use crate::server::TestServer;

/// What Firefox and Chromium send for a page.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";

fn browser(path: &str) -> Request {
    Request::get(path).header("accept", BROWSER)
}

fn text(answer: &Answer) -> String {
    assert_eq!(answer.status, 200);
    String::from_utf8(answer.body.clone()).unwrap()
}

/// The files that the text of a page or script names: `assets/NAME` in HTML, `./NAME` in imports.
fn named(text: &str) -> Vec<String> {
    let quoted = text.split(['"', '\'']);
    let names = quoted.filter_map(|word| word.strip_prefix("assets/").or_else(|| word.strip_prefix("./")));
    names.filter(|name| name.contains('.')).map(str::to_owned).collect()
}

/// The paths of a page and of all that it loads, what scripts import included.
async fn loaded(server: &TestServer, page: &str) -> Vec<String> {
    let mut found = vec![page.to_owned()];
    let mut at = 0;
    while let Some(path) = found.get(at).cloned() {
        for name in named(&text(&server.ask(browser(&path)).await)) {
            let path = format!("/assets/{name}");
            if !found.contains(&path) {
                found.push(path);
            }
        }
        at += 1;
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_get_the_page_and_others_the_links() {
    let server = TestServer::start().await;
    let page = server.ask(browser("/")).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert_eq!(page.header("vary").to_lowercase(), "accept");
    for accept in ["*/*", "application/json", "application/json, text/html;q=0.9"] {
        let links = server.ask(Request::get("/").header("accept", accept)).await;
        assert_eq!(links.header("content-type"), "application/json", "{accept}");
        assert_eq!(links.json()["name"], "bytefit");
        assert!(links.header("vary").to_lowercase().contains("accept"));
    }
    assert_eq!(server.get("/").await.json()["docs"], "/docs");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_a_page_loads_is_there_under_a_strict_policy() {
    let server = TestServer::start().await;
    for page in ["/", "/dashboard", "/docs"] {
        let files = loaded(&server, page).await;
        assert!(files.len() > 4, "{page} loads {files:?}");
        for path in &files {
            let answer = server.ask(browser(path)).await;
            let expected = match path.rsplit_once('.').map(|(_, extension)| extension) {
                Some("css") => "text/css; charset=utf-8",
                Some("js") => "text/javascript; charset=utf-8",
                Some("svg") => "image/svg+xml",
                _ => "text/html; charset=utf-8",
            };
            assert_eq!((answer.status, answer.header("content-type")), (200, expected), "{path}");
            let policy = answer.header("content-security-policy");
            assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{policy}");
            assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("data:"), "{policy}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn head_of_a_page_is_its_get_without_the_body() {
    let server = TestServer::start().await;
    for path in ["/", "/dashboard", "/docs", "/assets/page.js"] {
        let get = server.ask(browser(path)).await;
        let head = server.ask(Request::new("HEAD", path).header("accept", BROWSER)).await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        for name in ["content-type", "etag", "content-security-policy"] {
            assert_eq!(head.header(name), get.header(name), "{path}");
        }
        assert_eq!(head.header("content-length"), get.body.len().to_string(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_has_a_page_is_not_sent_it_again() {
    let server = TestServer::start().await;
    for path in ["/", "/docs", "/assets/base.css"] {
        let first = server.ask(browser(path)).await;
        assert_eq!(first.header("cache-control"), "no-cache");
        let again = server.ask(browser(path).header("if-none-match", first.header("etag"))).await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        assert_eq!(again.header("etag"), first.header("etag"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_weighs_at_most_60_kb_compressed() {
    let server = TestServer::start().await;
    for page in ["/", "/dashboard", "/docs"] {
        let mut weight = 0;
        for path in loaded(&server, page).await {
            let mut connection = server.connect().await;
            let request = browser(&path).header("accept-encoding", "gzip").header("connection", "close");
            let (head, body) = connection.ask_streamed(&request).await;
            assert_eq!(head.header("content-encoding"), "gzip", "{path}");
            weight += body.len();
        }
        assert!(weight <= 60_000, "{page} takes {weight} bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_no_page_has_is_not_found() {
    let server = TestServer::start().await;
    for path in ["/assets/nothing.js", "/assets/mod.rs", "/assets/..%2fmod.rs", "/assets/"] {
        server.ask(browser(path)).await.problem(404, "not_found");
    }
}
