//! A client that writes any bytes and reads the answers. A failure is returned as an error: some parts of the siege expect
//! a reset.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// An answer that takes longer counts as hanging.
const PATIENCE: Duration = Duration::from_secs(90);

/// The bytes of a request; `line` is its method and path, `headers` end in a line break each.
pub(crate) fn request(line: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("{line} HTTP/1.1\r\nhost: siege\r\n{headers}content-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// A request that is the last on its connection.
pub(crate) fn get(path: &str) -> Vec<u8> {
    request(&format!("GET {path}"), "connection: close\r\n", b"")
}

/// A request to fit a picture; the connection stays open.
pub(crate) fn post(query: &str, body: &[u8]) -> Vec<u8> {
    request(&format!("POST /compress?{query}"), "", body)
}

/// Sends a request on a new connection.
pub(crate) async fn ask(address: SocketAddr, request: &[u8]) -> io::Result<Answer> {
    Connection::open(address).await?.ask(request).await
}

/// Runs `count` clients at once and returns their results, in any order.
pub(crate) async fn crowd<T, F>(count: usize, client: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    (0..count).map(client).collect::<JoinSet<T>>().join_all().await
}

/// An answer, final or interim.
pub(crate) struct Answer {
    pub status: u16,
    head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().filter_map(|line| line.split_once(": ")).find(|(known, _)| *known == name).map(|pair| pair.1)
    }

    /// Seconds that a refusal asks to wait.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        self.header("retry-after")?.parse().ok()
    }
}

pub(crate) struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Connection> {
        let stream = timeout(PATIENCE, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, unread: Vec::new() })
    }

    /// Sends a request and reads its answer, which may come before all is sent.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> io::Result<Answer> {
        let _ = self.send(request).await;
        self.answer().await
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        timeout(PATIENCE, self.stream.write_all(bytes)).await?
    }

    /// The next answer.
    pub(crate) async fn answer(&mut self) -> io::Result<Answer> {
        let end = loop {
            match self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(at) => break at + 4,
                None => self.read_some().await?,
            }
        };
        let head = String::from_utf8_lossy(&self.unread.drain(..end).collect::<Vec<u8>>()).into_owned();
        let status = head.get(9..12).and_then(|status| status.parse().ok()).ok_or(ErrorKind::InvalidData)?;
        let mut answer = Answer { status, head, body: Vec::new() };
        let length = answer.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        while self.unread.len() < length {
            self.read_some().await?;
        }
        answer.body = self.unread.drain(..length).collect();
        Ok(answer)
    }

    /// The status of the next answer. Consumes nothing.
    pub(crate) async fn status(&mut self) -> io::Result<u16> {
        while self.unread.len() < 12 {
            self.read_some().await?;
        }
        let status = std::str::from_utf8(&self.unread[9..12]).ok().and_then(|status| status.parse().ok());
        status.ok_or_else(|| ErrorKind::InvalidData.into())
    }

    /// Reads until the service closes. Dropping the future loses nothing.
    pub(crate) async fn ended(&mut self) {
        while self.read_some().await.is_ok() {}
    }

    /// Closes the connection with a reset.
    pub(crate) fn hang_up(self) {
        let _ = self.stream.set_zero_linger();
    }

    async fn read_some(&mut self) -> io::Result<()> {
        match timeout(PATIENCE, self.stream.read_buf(&mut self.unread)).await?? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}
