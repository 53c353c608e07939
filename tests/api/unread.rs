//! Answers that clients do not read or read too slowly.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};

use crate::client::{PATIENCE, Request};
use crate::load::Latch;
use crate::server::{TestConfig, TestServer};

/// More bytes than the system buffers for a client that reads nothing.
const LARGE: usize = 7 << 20;
const GRACE: Duration = Duration::from_secs(1);
const RESERVED: &str = "bytefit_memory_reserved_bytes";
const ANSWERED: &str = r#"bytefit_http_requests_total{method="POST",route="compress",status="200"}"#;

/// Starts a server that answers every body with the same body.
async fn echo(change: impl FnOnce(&mut TestConfig)) -> TestServer {
    let latch = Latch::new();
    latch.release();
    latch.server(change).await
}

/// A client that has requested [`LARGE`] bytes and has read none of them.
async fn unread_answer(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let body = vec![7; LARGE];
    stream.write_all(&Request::compress("target=9KB", &body).head()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    stream
}

/// Reads at `bytes_per_second` until everything is read or the server closes. Returns the number of bytes, head
/// included.
async fn read_slowly(stream: &mut TcpStream, bytes_per_second: u64) -> usize {
    let since = Instant::now();
    let mut read = 0;
    let mut buffer = vec![0; 32 << 10];
    while read < LARGE {
        match timeout(PATIENCE, stream.read(&mut buffer)).await.expect("bytes, or an end") {
            Ok(0) | Err(_) => break,
            Ok(count) => read += count,
        }
        tokio::time::sleep_until(since + Duration::from_secs_f64(read as f64 / bytes_per_second as f64)).await;
    }
    read
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_counts_as_reserved_memory_until_it_is_read() {
    let server = echo(|_| {}).await;
    let mut unread = Vec::new();
    for _ in 0..4 {
        unread.push(unread_answer(server.address).await);
    }
    server.wait_until_counted(ANSWERED, 4.0).await;
    for _ in 0..20 {
        assert!(server.series(RESERVED).await >= (4 * LARGE) as f64, "an answer is not counted");
    }
    for stream in &mut unread {
        assert!(read_slowly(stream, 1 << 40).await >= LARGE);
    }
    let released = async { while server.series(RESERVED).await > 0.0 {} };
    timeout(PATIENCE, released).await.expect("an answer that was read is no longer counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn unread_answers_keep_others_out_only_until_they_are_dropped() {
    let server = echo(|config| {
        config.engine.memory_bytes = 64 << 20;
        // Both are answered before the first is dropped, on a busy machine too.
        config.http.keep_alive_timeout = 3 * GRACE;
    })
    .await;
    // A quarter of the memory is for bodies and answers, which is enough for two of them. The second comes after the
    // first answer: until then, both bodies and that answer would need memory together.
    let _first = unread_answer(server.address).await;
    server.wait_until_counted(ANSWERED, 1.0).await;
    let _second = unread_answer(server.address).await;
    server.wait_until_counted(ANSWERED, 2.0).await;
    server.compress("target=9KB", &vec![7; LARGE]).await.problem(503, "overloaded");
    let admitted = async { while server.compress("target=9KB", &vec![7; LARGE]).await.status != 200 {} };
    timeout(PATIENCE, admitted).await.expect("the unread connections are closed, and others get in");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_read_slowly_has_a_deadline() {
    let server = echo(|config| {
        config.http.keep_alive_timeout = GRACE;
        config.http.min_answer_rate = 100 << 20;
    })
    .await;
    let mut slow = unread_answer(server.address).await;
    let read = read_slowly(&mut slow, 1 << 20).await;
    assert!(read < LARGE, "every read buys more time");
    server.wait_until_counted(ANSWERED, 1.0).await;
    let released = async { while server.series(RESERVED).await > 0.0 {} };
    timeout(PATIENCE, released).await.expect("the memory of the answer is free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_above_the_least_rate_gets_all_of_its_answer() {
    let server = echo(|config| {
        config.http.keep_alive_timeout = 2 * GRACE;
        config.http.min_answer_rate = 256 << 10;
    })
    .await;
    let mut slow = unread_answer(server.address).await;
    // This takes longer than the keep-alive timeout, but it is faster than the least rate.
    assert!(read_slowly(&mut slow, 2 << 20).await >= LARGE, "cut off although it read fast enough");
}
