//! Requests of the tests, and a connection on which every failure ends the test.

use std::io::ErrorKind;
use std::net::SocketAddr;

pub(crate) use testkit::http::{Answer, PATIENCE};

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

    /// The bytes of the request.
    pub(crate) fn whole(&self) -> Vec<u8> {
        [self.head(), self.body.clone()].concat()
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
pub(crate) struct Connection(testkit::http::Connection);

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Connection {
        Connection(testkit::http::Connection::open(address).await.unwrap())
    }

    /// Sends a whole request and reads its answer.
    pub(crate) async fn ask(&mut self, request: &Request) -> Answer {
        self.write(&request.head()).await;
        self.write(&request.body).await;
        match request.method {
            "HEAD" => self.0.head().await.expect("a whole head"),
            _ => self.answer().await,
        }
    }

    /// Sends a request that closes the connection, and reads the head of its answer and all the bytes behind it.
    pub(crate) async fn ask_streamed(&mut self, request: &Request) -> (Answer, Vec<u8>) {
        self.write(&request.whole()).await;
        let head = self.0.head().await.expect("a whole head");
        (head, self.read_to_end().await)
    }

    /// Writes, and returns whether all bytes were sent: the server may have answered and closed already.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> bool {
        match self.0.send(bytes).await {
            Err(error) if error.kind() == ErrorKind::TimedOut => panic!("the server neither reads nor closes"),
            sent => sent.is_ok(),
        }
    }

    /// Reads the final answer to a request, and skips interim ones.
    pub(crate) async fn answer(&mut self) -> Answer {
        loop {
            let answer = self.0.answer().await.expect("a whole answer");
            if answer.status >= 200 {
                return answer;
            }
        }
    }

    /// Reads the head of the next answer, interim ones included, and returns its status.
    pub(crate) async fn next_status(&mut self) -> u16 {
        self.0.head().await.expect("a whole head").status
    }

    /// Reads until there are at least so many bytes or the server closes, and returns what there is.
    pub(crate) async fn at_least(&mut self, bytes: usize) -> Vec<u8> {
        self.0.at_least(bytes).await.expect("the server sends or closes")
    }

    /// Reads until the server closes, and returns the bytes.
    pub(crate) async fn read_to_end(&mut self) -> Vec<u8> {
        self.0.rest().await.expect("the server closes")
    }
}
