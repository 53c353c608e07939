//! Many requests, many connections. Promised: 200 requests a second for a minute, cached and tiny pictures,
//! with fewer than 0.2 % errors; 10,000 idle connections are held, and /health answers within 100 ms.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::client::{Connection, crowd, post, request};
use crate::picture;
use crate::server::{Server, file_limit};
use crate::table::{Row, Scale};
use crate::times::Times;
use crate::watch::Watch;

const CONNECTIONS: usize = 100;
const REQUESTS_A_SECOND: f64 = 200.0;

pub(crate) async fn rows(scale: Scale) -> Vec<Row> {
    vec![steady(scale).await, idle(scale).await]
}

async fn steady(scale: Scale) -> Row {
    let server = Server::open(&[]).await;
    let pictures = [picture::jpeg(128, 1), picture::jpeg(32, 2)];
    let (address, start, length) = (server.address, Instant::now(), scale.seconds(60));
    let requests = (length.as_secs_f64() * REQUESTS_A_SECOND) as usize / CONNECTIONS;
    let seen = crowd(CONNECTIONS, |client| stream(address, pictures, client, start, requests)).await;
    let times: Times = seen.into_iter().flatten().collect();
    let asked = CONNECTIONS * requests;
    let measured = format!("{times} of {asked}");
    Row::new("200 requests a second on 100 connections", "errors below 0.2 %", measured, times.failed * 500 < asked)
}

/// The requests of one connection, each at its time: three with the picture in the cache, then one with a new tiny
/// picture.
async fn stream(
    address: SocketAddr,
    pictures: [&'static [u8]; 2],
    client: usize,
    start: Instant,
    requests: usize,
) -> Vec<Option<Duration>> {
    let mut times = Vec::new();
    let mut connection = None;
    for number in 0..requests {
        let due = start + Duration::from_secs_f64((number * CONNECTIONS + client) as f64 / REQUESTS_A_SECOND);
        sleep_until(due).await;
        let tiny = picture::marked(pictures[1], client << 32 | number);
        let request = post("target=2KB&format=webp", if number % 4 < 3 { pictures[0] } else { &tiny });
        if connection.is_none() {
            connection = Connection::open(address).await.ok();
        }
        let answered = match &mut connection {
            Some(open) => open.ask(&request).await.is_ok_and(|answer| answer.status == 200),
            None => false,
        };
        if !answered {
            connection = None;
        }
        times.push(answered.then(|| due.elapsed()));
    }
    times
}

async fn idle(scale: Scale) -> Row {
    let server = Server::open(&[("SERVER__MAX_CONNECTIONS", "12000")]).await;
    // A connection is a file for both sides, and each side needs some more.
    let wanted = scale.count(10_000).min(file_limit().saturating_sub(200) as usize);
    let base = server.resident_mib();
    let mut connections = Vec::new();
    for _ in 0..wanted {
        let Ok(mut connection) = Connection::open(server.address).await else { continue };
        if connection.ask(&request("GET /health", "", b"")).await.is_ok_and(|answer| answer.status == 200) {
            connections.push(connection);
        }
    }
    let health = Watch::health(server.address);
    sleep(scale.seconds(20)).await;
    let (health, files, held) = (health.end(), server.files(), connections.len());
    let each = (server.resident_mib() - base) * 1024.0 / held as f64;
    Row::new(
        "10,000 idle connections",
        "all held; /health within 100 ms",
        format!("{held} of {wanted}, {files} files, {each:.1} KiB each; {health}"),
        held == wanted && files >= held && health.all_within(100.0),
    )
}
