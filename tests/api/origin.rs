//! A host of pictures for the tests, which answers well or badly by the path that it is asked for.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytefit::source::{Lookup, Names};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::picture::small;

/// When the pictures of the host were changed last.
pub(crate) const LAST_MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// What a client sends first that wants encryption (RFC 8446 s5.1).
const TLS_HANDSHAKE: u8 = 22;

/// A host that counts. It ends with the test's runtime.
pub(crate) struct Origin {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Origin {
    pub(crate) async fn start() -> Origin {
        Origin::start_at("127.0.0.1:0").await
    }

    pub(crate) async fn start_at(address: &str) -> Origin {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let heads = Arc::new(Mutex::new(Vec::new()));
        let origin = Origin { address, connections: connections.clone(), heads: heads.clone() };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, heads.clone()));
            }
        });
        origin
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> usize {
        self.heads.lock().unwrap().len()
    }

    /// The head of the last request, in lower case.
    pub(crate) fn last_head(&self) -> String {
        self.heads.lock().unwrap().last().cloned().expect("a request")
    }
}

/// Answers one request. Errors mean that the client has left.
async fn serve(mut stream: TcpStream, heads: Arc<Mutex<Vec<String>>>) -> io::Result<()> {
    let mut head = vec![stream.read_u8().await?];
    if head == [TLS_HANDSHAKE] {
        return stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    }
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).expect("a head is ASCII");
    let path = head.split(' ').nth(1).expect("a path").to_owned();
    let head = head.to_ascii_lowercase();
    let earlier = {
        let mut heads = heads.lock().unwrap();
        heads.push(head.clone());
        let line = head.split("\r\n").next();
        heads.iter().filter(|head| head.split("\r\n").next() == line).count() - 1
    };
    answer(&mut stream, &path, &head, earlier).await?;
    stream.shutdown().await
}

/// Answers a request, before which there were `earlier` ones of the same path.
async fn answer(stream: &mut TcpStream, path: &str, head: &str, earlier: usize) -> io::Result<()> {
    let (kind, argument) = path.split_once('?').unwrap_or((path, ""));
    match kind {
        "/status-once" if earlier == 0 => whole(stream, &argument.replace('+', " "), "", b"no").await?,
        "/then" if earlier > 0 => {
            let statuses: Vec<&str> = argument.split(',').collect();
            match statuses[earlier.min(statuses.len()) - 1] {
                "hang" => tokio::time::sleep(Duration::from_secs(3600)).await,
                status => whole(stream, &status.replace('+', " "), "", b"no").await?,
            }
        }
        "/close-once" if earlier == 0 => {}
        "/close" => {}
        "/busy" => whole(stream, "503 Busy", "Retry-After: 1\r\n", b"no").await?,
        "/slow-head" => tokio::time::sleep(Duration::from_secs(3600)).await,
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(300)).await;
            whole(stream, "200 OK", "", &small()).await?;
        }
        "/trickle" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n").await?;
            loop {
                stream.write_all(b"x").await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        "/endless" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await?;
            loop {
                stream.write_all(&[b"8000\r\n".as_slice(), &[0; 0x8000], b"\r\n"].concat()).await?;
            }
        }
        "/long" => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n").await?,
        "/short" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n").await?;
            stream.write_all(&small()).await?;
        }
        "/short-chunked" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100\r\n").await?;
            stream.write_all(&small()[..0x100]).await?;
            stream.write_all(b"\r\n").await?;
        }
        "/bomb" => whole(stream, "200 OK", "Content-Encoding: gzip\r\n", &bomb(100 << 20)).await?,
        "/gzip" => whole(stream, "200 OK", "Content-Encoding: gzip\r\n", &gzip(&small())).await?,
        "/no-gzip" => whole(stream, "200 OK", "Content-Encoding: gzip\r\n", &small()).await?,
        "/empty" => whole(stream, "200 OK", "", b"").await?,
        "/text" => whole(stream, "200 OK", "Content-Type: text/html\r\n", b"<html>no picture</html>").await?,
        "/no-http" => stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n").await?,
        "/to" => whole(stream, "302 Found", &format!("Location: {argument}\r\n"), b"").await?,
        "/to-utf8" => whole(stream, "302 Found", "Location: /é.png\r\n", b"").await?,
        "/to-nowhere" => whole(stream, "302 Found", "", b"").await?,
        "/loop" => whole(stream, "302 Found", "Location: /loop\r\n", b"").await?,
        "/status" => whole(stream, &argument.replace('+', " "), "", b"no").await?,
        _ if head.contains(&format!("if-modified-since: {}", LAST_MODIFIED.to_ascii_lowercase())) => {
            whole(stream, "304 Not Modified", "", b"").await?;
        }
        _ => whole(stream, "200 OK", &format!("Last-Modified: {LAST_MODIFIED}\r\n"), &small()).await?,
    }
    Ok(())
}

async fn whole(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) -> io::Result<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await
}

/// So many zeros in a few bytes.
fn bomb(zeros: usize) -> Vec<u8> {
    gzip(&vec![0; zeros])
}

/// `bytes` as a gzip file (RFC 1952).
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let zlib = fdeflate::compress_to_vec(bytes);
    let deflated = &zlib[2..zlib.len() - 4];
    let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let check = crc32fast::hash(bytes).to_le_bytes();
    [&head, deflated, &check, &(bytes.len() as u32).to_le_bytes()].concat()
}

/// Names of the tests. It counts how often each is looked up.
#[derive(Default)]
pub(crate) struct FixedNames {
    addresses: HashMap<&'static str, Vec<&'static str>>,
    lookups: AtomicUsize,
}

impl FixedNames {
    pub(crate) fn new(names: &[(&'static str, &[&'static str])]) -> FixedNames {
        let addresses = names.iter().map(|(name, addresses)| (*name, addresses.to_vec())).collect();
        FixedNames { addresses, lookups: AtomicUsize::new(0) }
    }

    pub(crate) fn lookups(&self) -> usize {
        self.lookups.load(Ordering::SeqCst)
    }
}

impl Names for FixedNames {
    fn lookup(&self, name: String) -> Lookup {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        let found = self.addresses.get(name.trim_end_matches('.'));
        let found = found.map(|addresses| addresses.iter().map(|address| address.parse().unwrap()).collect());
        Box::pin(async { found.ok_or_else(|| io::Error::other("no such name")) })
    }
}
