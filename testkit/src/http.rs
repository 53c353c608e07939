//! A client that sends exactly the bytes of a test, and keeps everything that comes back. Failures are errors: some
//! tests expect a reset.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// An answer that takes longer counts as hanging.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The bytes of a request; `line` is its method and path, `headers` end in a line break each.
pub fn request(line: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("{line} HTTP/1.1\r\nhost: testkit\r\n{headers}content-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// An answer, final or interim.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// The values of a header, which is named in lower case.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        let headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.filter(move |(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The first value of a header.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.headers(name).next()
    }

    /// The value of a header, which must be there.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        self.find(name).unwrap_or_else(|| panic!("no {name} in {}", self.head))
    }

    /// Seconds that a refusal asks to wait.
    pub fn retry_after(&self) -> Option<u64> {
        self.find("retry-after")?.parse().ok()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Asserts that this is a whole problem of this status and code, and returns it.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
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

/// An open connection.
pub struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> io::Result<Connection> {
        let stream = timeout(PATIENCE, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, unread: Vec::new() })
    }

    /// Sends a request and reads its answer, which may come before all is sent.
    pub async fn ask(&mut self, request: &[u8]) -> io::Result<Answer> {
        let _ = self.send(request).await;
        self.answer().await
    }

    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        timeout(PATIENCE, self.stream.write_all(bytes)).await?
    }

    /// The next answer, interim ones included.
    pub async fn answer(&mut self) -> io::Result<Answer> {
        let mut answer = self.head().await?;
        let length = match answer.status {
            304 => 0,
            _ => answer.find("content-length").and_then(|length| length.parse().ok()).unwrap_or(0),
        };
        while self.unread.len() < length {
            self.read_some().await?;
        }
        answer.body = self.unread.drain(..length).collect();
        Ok(answer)
    }

    /// The head of the next answer: all there is when the request was HEAD.
    pub async fn head(&mut self) -> io::Result<Answer> {
        let end = loop {
            match self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(at) => break at + 4,
                None => self.read_some().await?,
            }
        };
        let head = String::from_utf8_lossy(&self.unread.drain(..end).collect::<Vec<u8>>()).into_owned();
        let status = head.get(9..12).and_then(|status| status.parse().ok()).ok_or(ErrorKind::InvalidData)?;
        Ok(Answer { status, head, body: Vec::new() })
    }

    /// The status of the next answer. Consumes nothing.
    pub async fn status(&mut self) -> io::Result<u16> {
        while self.unread.len() < 12 {
            self.read_some().await?;
        }
        let status = std::str::from_utf8(&self.unread[9..12]).ok().and_then(|status| status.parse().ok());
        status.ok_or_else(|| ErrorKind::InvalidData.into())
    }

    /// Reads until the service closes or resets the connection, and returns what it sent. Dropping the future loses
    /// nothing.
    ///
    /// # Errors
    /// When the service does neither in time.
    pub async fn rest(&mut self) -> io::Result<Vec<u8>> {
        loop {
            match self.read_some().await {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::TimedOut => return Err(error),
                Err(_) => return Ok(std::mem::take(&mut self.unread)),
            }
        }
    }

    /// Reads until there are at least so many bytes, or the service closes, and returns what there is.
    ///
    /// # Errors
    /// When the service sends nothing in time.
    pub async fn at_least(&mut self, bytes: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < bytes {
            match self.read_some().await {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::TimedOut => return Err(error),
                Err(_) => break,
            }
        }
        Ok(std::mem::take(&mut self.unread))
    }

    /// Closes the connection with a reset.
    pub fn hang_up(self) {
        let _ = self.stream.set_zero_linger();
    }

    async fn read_some(&mut self) -> io::Result<()> {
        match timeout(PATIENCE, self.stream.read_buf(&mut self.unread)).await?? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}
