//! Answers that clients do not read, or read too slowly.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};

use crate::client::{PATIENCE, Request};
use crate::house::{House, Plan};
use crate::load::Gate;

/// More than the system takes for a client that reads nothing.
const LARGE: usize = 7 << 20;
const GRACE: Duration = Duration::from_secs(1);
const RESERVED: &str = "bytefit_memory_reserved_bytes";
const ANSWERED: &str = r#"bytefit_http_requests_total{method="POST",route="compress",status="200"}"#;

/// A house that answers a body with itself.
async fn echo(change: impl FnOnce(&mut Plan)) -> House {
    let gate = Gate::new();
    gate.open();
    gate.house(change).await
}

/// A client that has asked for [`LARGE`] bytes and has read none of them.
async fn asked(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let body = vec![7; LARGE];
    stream.write_all(&Request::compress("target=9KB", &body).head()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    stream
}

/// Reads at `bytes_per_second` until all is there or the server ends the connection; the bytes that came, head included.
async fn read_slowly(stream: &mut TcpStream, bytes_per_second: u64) -> usize {
    let (since, mut read, mut buffer) = (Instant::now(), 0, vec![0; 32 << 10]);
    while read < LARGE {
        match timeout(PATIENCE, stream.read(&mut buffer)).await.expect("bytes, or an end") {
            Ok(0) | Err(_) => break,
            Ok(some) => read += some,
        }
        tokio::time::sleep_until(since + Duration::from_secs_f64(read as f64 / bytes_per_second as f64)).await;
    }
    read
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_counts_until_it_is_read() {
    let house = echo(|_| {}).await;
    let mut deaf = Vec::new();
    for _ in 0..4 {
        deaf.push(asked(house.address).await);
    }
    house.until_counted(ANSWERED, 4.0).await;
    for _ in 0..20 {
        assert!(house.series(RESERVED).await >= (4 * LARGE) as f64, "an answer is held that nobody counts");
    }
    for stream in &mut deaf {
        assert!(read_slowly(stream, 1 << 40).await >= LARGE);
    }
    let given_back = async { while house.series(RESERVED).await > 0.0 {} };
    timeout(PATIENCE, given_back).await.expect("what was read is no longer counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_reads_keep_others_out_while_there_is_no_memory() {
    let house = echo(|plan| {
        plan.engine.memory_mib = 64;
        plan.http.keep_alive_timeout = GRACE;
    })
    .await;
    // A quarter of the memory is for bodies and answers: two of these, and no third.
    let _deaf = [asked(house.address).await, asked(house.address).await];
    house.until_counted(ANSWERED, 2.0).await;
    house.compress("target=9KB", &vec![7; LARGE]).await.problem(503, "overloaded");
    let admitted = async { while house.compress("target=9KB", &vec![7; LARGE]).await.status != 200 {} };
    timeout(PATIENCE, admitted).await.expect("who reads nothing is closed, and others get in");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_trickles_out_has_a_deadline() {
    let house = echo(|plan| {
        plan.http.keep_alive_timeout = GRACE;
        plan.http.min_answer_rate = 100 << 20;
    })
    .await;
    let mut slow = asked(house.address).await;
    let read = read_slowly(&mut slow, 1 << 20).await;
    assert!(read < LARGE, "every read buys more time");
    house.until_counted(ANSWERED, 1.0).await;
    let given_back = async { while house.series(RESERVED).await > 0.0 {} };
    timeout(PATIENCE, given_back).await.expect("the memory of the answer is free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_client_gets_all_of_its_answer() {
    let house = echo(|plan| {
        plan.http.keep_alive_timeout = 2 * GRACE;
        plan.http.min_answer_rate = 256 << 10;
    })
    .await;
    let mut slow = asked(house.address).await;
    // Longer than the grace, and faster than the least rate.
    assert!(read_slowly(&mut slow, 2 << 20).await >= LARGE, "cut off, and it read fast enough");
}
