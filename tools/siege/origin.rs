//! A host of pictures that answers well, badly or not at all, by the path that it is asked for.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::picture;

/// Longer than any limit of the siege.
const FOR_EVER: Duration = Duration::from_secs(3600);

const LAST_MODIFIED: &str = "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n";

/// Listens on every address of this machine. Ends with the runtime.
pub(crate) struct Origin {
    pub address: SocketAddr,
    requests: Arc<AtomicUsize>,
    conditional: Arc<AtomicUsize>,
}

impl Origin {
    pub(crate) async fn start() -> Origin {
        let listener = TcpListener::bind("0.0.0.0:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (requests, conditional) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let origin = Origin { address, requests: requests.clone(), conditional: conditional.clone() };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, requests.clone(), conditional.clone()));
            }
        });
        origin
    }

    /// The port, for the settings of the service.
    pub(crate) fn port(&self) -> String {
        self.address.port().to_string()
    }

    /// The URL of `path` on the `number`th address of this machine: another host for the service.
    pub(crate) fn url(&self, number: usize, path: &str) -> String {
        format!("http://127.0.{}.{}:{}{path}", number / 200, number % 200 + 1, self.address.port())
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Requests with If-Modified-Since, which get 304.
    pub(crate) fn conditional(&self) -> usize {
        self.conditional.load(Ordering::SeqCst)
    }
}

/// Answers one request. Errors mean that the service has left.
async fn serve(mut stream: TcpStream, requests: Arc<AtomicUsize>, conditional: Arc<AtomicUsize>) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    requests.fetch_add(1, Ordering::SeqCst);
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let path = head.split(' ').nth(1).unwrap_or_default();
    if head.contains("\r\nif-modified-since:") {
        conditional.fetch_add(1, Ordering::SeqCst);
        return stream.write_all(b"HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n").await;
    }
    answer(&mut stream, path).await?;
    stream.shutdown().await
}

async fn answer(stream: &mut TcpStream, path: &str) -> io::Result<()> {
    match path.split('?').next().unwrap_or_default() {
        "/slow-head" => sleep(FOR_EVER).await,
        "/slow" => {
            sleep(Duration::from_millis(500)).await;
            whole(stream, "200 OK", LAST_MODIFIED, picture::jpeg(256, 1)).await?;
        }
        "/trickle" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n").await?;
            loop {
                stream.write_all(b"x").await?;
                sleep(Duration::from_millis(50)).await;
            }
        }
        "/endless" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            loop {
                stream.write_all(&[0; 0x8000]).await?;
            }
        }
        "/long" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n").await?;
            sleep(FOR_EVER).await;
        }
        "/short" => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort").await?,
        "/bomb" => whole(stream, "200 OK", "Content-Encoding: gzip\r\n", &gzip(&vec![0; 100 << 20])).await?,
        "/loop" => whole(stream, "302 Found", "Location: /loop\r\n", b"").await?,
        "/broken" => whole(stream, "500 Broken", "", b"no").await?,
        _ => whole(stream, "200 OK", LAST_MODIFIED, picture::jpeg(256, 1)).await?,
    }
    Ok(())
}

async fn whole(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) -> io::Result<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await
}

/// `bytes` as a gzip file (RFC 1952).
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let zlib = fdeflate::compress_to_vec(bytes);
    let deflated = &zlib[2..zlib.len() - 4];
    let check = crc32fast::hash(bytes).to_le_bytes();
    [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], deflated, &check, &(bytes.len() as u32).to_le_bytes()].concat()
}
