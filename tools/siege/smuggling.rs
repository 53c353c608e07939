//! Requests that two servers may read in two ways. Promised: a malformed request is refused (or the connection closed
//! without an answer), and nothing after it on that connection is ever answered. Each case is sent with a good request
//! right after it.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::timeout;

use crate::client::{Connection, crowd};
use crate::server::Server;
use crate::table::Row;

/// Longer than the upload timeout below, and far shorter than the keep-alive timeout.
const PATIENCE: Duration = Duration::from_secs(4);
const SETTINGS: &[(&str, &str)] = &[("SERVER__HEADER_TIMEOUT", "1s"), ("SERVER__UPLOAD_TIMEOUT", "1s")];
const GLUED: &str = "GET /livez HTTP/1.1\r\nhost: siege\r\n\r\n";

/// What may be answered.
#[derive(Clone, Copy)]
enum Expected {
    /// At most one answer, a 4xx, and the end of the connection.
    Refused,
    /// One answer of any kind, and the end of the connection.
    Last,
    /// Legal, with one meaning: the glued request is answered, and nothing else.
    Framed,
    /// No request begins where the glued bytes do: any answer is a refusal.
    NeverServed,
}

/// The name of a case, the bytes to send, and what may be answered.
type Case = (&'static str, String, Expected);

use Expected::{Framed, Last, NeverServed, Refused};

impl Expected {
    fn promise(self) -> &'static str {
        match self {
            Refused => "4xx or no answer, then closed",
            Last => "one answer, then closed",
            Framed => "two requests, by the rules",
            NeverServed => "what is glued behind is not served",
        }
    }

    fn holds(self, statuses: &[u16], closed: bool) -> bool {
        let is_refusal = |status: &u16| (400..500).contains(status);
        match self {
            Refused => closed && statuses.len() <= 1 && statuses.iter().all(is_refusal),
            Last => closed && statuses.len() == 1,
            Framed => statuses.len() == 2,
            NeverServed => statuses.iter().all(is_refusal),
        }
    }
}

pub(crate) async fn rows() -> Vec<Row> {
    let server = Server::open(SETTINGS).await;
    let (address, cases): (_, &[Case]) = (server.address, cases().leak());
    let client = |number: usize| async move {
        let (name, request, expected) = &cases[number];
        let (statuses, closed) = sent(address, &format!("{request}{GLUED}")).await;
        let measured = format!("{statuses:?}, {}", if closed { "closed" } else { "left open" });
        (number, Row::new(name, expected.promise(), measured, expected.holds(&statuses, closed)))
    };
    let mut rows = crowd(cases.len(), client).await;
    rows.sort_by_key(|(number, _)| *number);
    rows.into_iter().map(|(_, row)| row).collect()
}

/// The statuses of all answers, and whether the service closed the connection.
async fn sent(address: SocketAddr, bytes: &str) -> (Vec<u16>, bool) {
    let mut connection = Connection::open(address).await.expect("a connection");
    let mut statuses = Vec::new();
    // A request that is refused early is not read to its end.
    let _ = connection.send(bytes.as_bytes()).await;
    let read = async {
        while let Ok(answer) = connection.answer().await {
            statuses.push(answer.status);
        }
    };
    let closed = timeout(PATIENCE, read).await.is_ok();
    (statuses, closed)
}

fn cases() -> Vec<Case> {
    let post = |headers: &str, body: &str| {
        format!("POST /compress?target=9KB HTTP/1.1\r\nhost: siege\r\n{headers}\r\n\r\n{body}")
    };
    let chunked = |body: &str| post("transfer-encoding: chunked", body);
    let get = |headers: &str| format!("GET /livez HTTP/1.1\r\nhost: siege\r\n{headers}\r\n");
    let parts = "--s\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n".repeat(100_000) + "--s--\r\n";
    let form = format!("content-type: multipart/form-data; boundary=s\r\ncontent-length: {}", parts.len());
    vec![
        ("length shorter than the body", post("content-length: 4", "aaaabbbb"), NeverServed),
        ("length longer than the body", post("content-length: 999", "aaaa"), Refused),
        ("two lengths that differ", post("content-length: 4\r\ncontent-length: 5", "aaaa"), Refused),
        ("the same length twice", post("content-length: 4\r\ncontent-length: 4", "aaaa"), Framed),
        ("a list of lengths", post("content-length: 4, 4", "aaaa"), Refused),
        ("length +4", post("content-length: +4", "aaaa"), Refused),
        ("length -1", post("content-length: -1", "aaaa"), Refused),
        ("length 0x4", post("content-length: 0x4", "aaaa"), Refused),
        ("length over 64 bits", post("content-length: 18446744073709551620", "aaaa"), Refused),
        ("length and chunked", post("content-length: 4\r\ntransfer-encoding: chunked", "0\r\n\r\n"), Last),
        ("chunked and length", post("transfer-encoding: chunked\r\ncontent-length: 4", "0\r\n\r\n"), Last),
        ("chunked, then identity", post("transfer-encoding: chunked, identity", "0\r\n\r\n"), Refused),
        ("an unknown transfer encoding", post("transfer-encoding: xchunked", "0\r\n\r\n"), Refused),
        ("a hidden transfer encoding", post("transfer-encoding: \x0bchunked", "0\r\n\r\n"), Refused),
        ("chunks in HTTP/1.0", chunked("0\r\n\r\n").replace("HTTP/1.1", "HTTP/1.0"), Refused),
        ("chunks without an end", chunked("4\r\naaaa\r\n"), Refused),
        ("a chunk longer than its size", chunked("4\r\naaaabbbb\r\n0\r\n\r\n"), Refused),
        ("a chunk's size over 64 bits", chunked("1ffffffffffffffff\r\naaaa\r\n0\r\n\r\n"), Refused),
        ("a chunk's size that is none", chunked("0x4\r\naaaa\r\n0\r\n\r\n"), Refused),
        ("chunks between bare line feeds", chunked("4\naaaa\n0\n\n"), Refused),
        ("64 KB of chunk extensions", chunked(&format!("4;{}\r\naaaa\r\n0\r\n\r\n", "x".repeat(65_536))), Refused),
        ("64 KB of trailers", chunked(&format!("0\r\nx: {}\r\n\r\n", "x".repeat(65_536))), Refused),
        ("100,000 parts of a form", post(&form, &parts), Refused),
        ("a GET with a request for a body", get(&format!("content-length: {}\r\n", GLUED.len())) + GLUED, Framed),
        ("bare line feeds", get("").replace('\r', ""), Framed),
        ("a bare carriage return", get("x: a\rb: c\r\n"), Refused),
        ("a folded header", get("x: a\r\n b\r\n"), Refused),
        ("a space before the colon", get("x : a\r\n"), Refused),
        ("a header without a colon", get("x\r\n"), Refused),
        ("NUL in a header", get("x: a\0b\r\n"), Refused),
        ("a header of 64 KB", get(&format!("x: {}\r\n", "x".repeat(65_536))), Framed),
        ("a header of 1 MB", get(&format!("x: {}\r\n", "x".repeat(1 << 20))), Refused),
        ("1,000 headers", get(&"x: a\r\n".repeat(1000)), Refused),
        ("no host", "GET /livez HTTP/1.1\r\n\r\n".to_owned(), Refused),
        ("two hosts", get("host: other\r\n"), Refused),
        ("NUL in the path", get("").replace("/livez", "/li\0vez"), Refused),
        ("a space in the path", get("").replace("/livez", "/li vez"), Refused),
        ("HTTP/1.2", get("").replace("1.1", "1.2"), Refused),
        ("HTTP/0.9", "GET /livez\r\n".to_owned(), Refused),
        ("an absolute path", get("").replace("/livez", "http://siege/livez"), Framed),
        ("a path out of the root", get("").replace("/livez", "/../../livez"), Framed),
        ("an unknown method", get("").replace("GET", "BREW"), Framed),
    ]
}
