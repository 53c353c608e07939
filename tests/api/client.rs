//! A client that sends exactly the bytes of a test, and keeps everything that comes back.

use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No answer takes this long unless something hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A whole response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header, which must be there.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}"));
        value.to_str().unwrap()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Asserts that this is a whole problem of this status and code, and returns it.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.header("cache-control"), "no-store");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], format!("/problems/{}", code.replace('_', "-")));
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
        problem
    }
}

/// A request that is sent as it is.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &'static str, path: &str) -> Request {
        Request { method, path: path.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn get(path: &str) -> Request {
        Request::new("GET", path)
    }

    /// A body for /compress, with these parameters.
    pub(crate) fn compress(query: &str, body: &[u8]) -> Request {
        Request::new("POST", &format!("/compress?{query}")).body(body)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Request {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: &[u8]) -> Request {
        self.body = body.to_vec();
        self
    }

    /// The request line and headers, with the declared length.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nhost: bytefit\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.method == "POST" {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

/// An open connection.
pub(crate) struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Connection {
        Connection { stream: TcpStream::connect(address).await.unwrap(), unread: Vec::new() }
    }

    /// Sends a whole request and reads its answer.
    pub(crate) async fn ask(&mut self, request: &Request) -> Answer {
        self.write(&request.head()).await;
        self.write(&request.body).await;
        self.answer(request.method == "HEAD").await
    }

    /// Writes, and returns whether all bytes were sent: the server may have answered and closed already.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> bool {
        let written = timeout(PATIENCE, self.stream.write_all(bytes));
        written.await.expect("the server reads or closes").is_ok()
    }

    /// Reads the final answer to a request, and skips interim ones.
    pub(crate) async fn answer(&mut self, to_head: bool) -> Answer {
        loop {
            let (status, headers) = self.read_head().await;
            if status < 200 {
                continue;
            }
            let length = headers.get("content-length").map_or(0, |length| length.to_str().unwrap().parse().unwrap());
            let length = if to_head || status == 304 { 0 } else { length };
            while self.unread.len() < length {
                assert!(self.read_some().await > 0, "the body breaks off");
            }
            let body = self.unread.drain(..length).collect();
            return Answer { status, headers, body };
        }
    }

    /// Reads the head of the next answer, interim ones included, and returns its status.
    pub(crate) async fn next_status(&mut self) -> u16 {
        self.read_head().await.0
    }

    /// Reads until the server closes, and returns the bytes.
    pub(crate) async fn read_to_end(&mut self) -> Vec<u8> {
        while self.read_some().await > 0 {}
        std::mem::take(&mut self.unread)
    }

    async fn read_head(&mut self) -> (u16, HeaderMap) {
        let end = loop {
            if let Some(index) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                break index + 4;
            }
            let found = String::from_utf8_lossy(&self.unread).into_owned();
            assert!(self.read_some().await > 0, "closed in the head of an answer: {found:?}");
        };
        let head: Vec<u8> = self.unread.drain(..end).collect();
        let text = String::from_utf8(head).unwrap();
        let mut lines = text.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line:?} is no header"));
            (HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap())
        };
        let mut headers = HeaderMap::new();
        for (name, value) in lines.filter(|line| !line.is_empty()).map(header) {
            headers.append(name, value);
        }
        (status, headers)
    }

    /// Reads what is there. A reset connection counts as closed.
    async fn read_some(&mut self) -> usize {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.unread));
        read.await.expect("the server answers or closes").unwrap_or(0)
    }
}
