//! Clients that make no progress, or leave. Promised: a connection without progress is closed within its timeout and a
//! second, answers that nobody reads cost little memory, other clients hardly notice, and clients that leave at any
//! moment leave nothing reserved.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use testkit::random::Random;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

use crate::client::{Connection, ask, crowd, post, request};
use crate::picture;
use crate::server::Server;
use crate::table::{Row, Scale};
use crate::times::Times;
use crate::watch::Watch;

const SECOND: Duration = Duration::from_secs(1);
const SETTINGS: &[(&str, &str)] = &[
    ("SERVER__HEADER_TIMEOUT", "2s"),
    ("SERVER__UPLOAD_TIMEOUT", "5s"),
    ("SERVER__KEEP_ALIVE_TIMEOUT", "3s"),
    ("SERVER__MAX_CONNECTIONS", "2048"),
];
const QUERY: &str = "target=4KB&format=webp&effort=fast";

pub(crate) async fn rows(scale: Scale) -> Vec<Row> {
    let server = Server::open(SETTINGS).await;
    let mut rows = Vec::from(slow(&server, scale).await);
    rows.push(unread(&server, scale).await);
    rows.push(leaving(&server, scale).await);
    rows
}

/// A way to hold a connection without using it: what is sent at once, whether more trickles in, and the seconds after
/// which the service has to close it.
struct Shape {
    name: &'static str,
    opening: &'static [u8],
    trickles: bool,
    limit: u64,
}

#[rustfmt::skip]
const SHAPES: [Shape; 7] = [
    Shape { name: "silent", opening: b"", trickles: false, limit: 2 },
    Shape { name: "half a head", opening: b"GET /health HTTP/1.1\r\nhost: siege\r\n", trickles: false, limit: 2 },
    Shape { name: "trickled head", opening: b"GET /health HTTP/1.1\r\nx: ", trickles: true, limit: 2 },
    Shape { name: "trickled body", opening: b"POST /compress?target=9KB HTTP/1.1\r\nhost: siege\r\ncontent-length: 9999\r\n\r\n", trickles: true, limit: 5 },
    Shape { name: "idle", opening: b"GET /health HTTP/1.1\r\nhost: siege\r\n\r\n", trickles: false, limit: 3 },
    Shape { name: "half an HTTP/2 preface", opening: b"PRI * HTT", trickles: false, limit: 2 },
    Shape { name: "HTTP/2", opening: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", trickles: false, limit: 2 },
];

impl Shape {
    /// Time until the service closes the connection; the longest there is when no connection can be opened.
    async fn held(&self, address: SocketAddr) -> Duration {
        let Ok(mut connection) = Connection::open(address).await else { return Duration::MAX };
        let since = Instant::now();
        let _ = connection.send(self.opening).await;
        // A silent connection that found no slot in the system's queue is never closed.
        while timeout(SECOND / 5, connection.rest()).await.is_err() && since.elapsed() < 30 * SECOND {
            if self.trickles {
                let _ = connection.send(b"x").await;
            }
        }
        since.elapsed()
    }
}

/// The slowest of each shape, and the times of good clients beside them.
async fn slow(server: &Server, scale: Scale) -> [Row; 3] {
    let address = server.address;
    let watches = || [Watch::health(address), Watch::picture(address, QUERY, picture::png(64, 1))];
    let before = watches();
    sleep(scale.seconds(10)).await;
    let [health, cached] = before.map(Watch::end);
    let during = watches();
    let client = |number: usize| async move { (number % 7, SHAPES[number % 7].held(address).await) };
    let held = crowd(scale.count(1000), client).await;
    let [health_during, cached_during] = during.map(Watch::end);
    let slowest = |shape| held.iter().filter(|(of, _)| *of == shape).map(|(_, held)| *held).max().unwrap_or_default();
    let shapes = || SHAPES.iter().enumerate().map(|(number, shape)| (shape, slowest(number)));
    let list: Vec<String> =
        shapes().map(|(shape, held)| format!("{} {:.1} s", shape.name, held.as_secs_f64())).collect();
    let in_time = shapes().all(|(shape, held)| held <= Duration::from_secs(shape.limit) + SECOND);
    [
        Row::new(
            "1,000 slow clients of seven shapes",
            "closed within 2 s, a body within 5 s, an idle one within 3 s; and a second",
            list.join(", "),
            in_time,
        ),
        beside("/health beside them", &health, &health_during),
        beside("a cached picture beside them", &cached, &cached_during),
    ]
}

fn beside(name: &'static str, alone: &Times, during: &Times) -> Row {
    let (before, beside) = (alone.at(0.95), during.at(0.95));
    let measured = format!("p95 {before:.1} ms alone, {beside:.1} beside; {} failed", during.failed);
    let held = during.failed == 0 && (beside < before * 2.0 || beside < 20.0);
    Row::new(name, "p95 below twice that alone, or below 20 ms", measured, held)
}

/// Clients that ask for megabytes and read none.
async fn unread(server: &Server, scale: Scale) -> Row {
    const ANSWERS: &str = r#"bytefit_http_requests_total{method="GET",route="openapi",status="200"}"#;
    let (readers, address) = (scale.count(500), server.address);
    let (memory, kernel, files) = (server.resident_mib(), kernel_mib(), server.files());
    let sockets = crowd(readers, |_| read_nothing_on(address)).await;
    let (mut peak, mut peak_kernel, mut answers, mut full) = (0.0_f64, 0.0_f64, 0.0, Instant::now());
    let since = Instant::now();
    while server.files() > files && since.elapsed() < 60 * SECOND {
        (peak, peak_kernel) = (peak.max(server.resident_mib()), peak_kernel.max(kernel_mib()));
        // While the system still takes its answers, the service can't know that nobody reads them.
        let more = server.series(&[ANSWERS]).await;
        if more > answers {
            (answers, full) = (more, Instant::now());
        }
        sleep(SECOND / 20).await;
    }
    let (closed, left) = (full.elapsed(), server.files().saturating_sub(files));
    drop(sockets);
    let each = |mib: f64| mib * 1024.0 / readers as f64;
    let (own, system) = (each(peak - memory), each(peak_kernel - kernel));
    Row::new(
        "500 clients that read no answer",
        "at most 128 KiB each; closed 3 s after the system's buffers are full, and a second",
        format!("{own:.0} KiB each and {system:.0} in the system; {left} open {closed:.1?} after they are full"),
        left == 0 && own <= 128.0 && closed <= 4 * SECOND,
    )
}

async fn read_nothing_on(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let mut stream = socket.connect(address).await.expect("a connection");
    let requests = request("GET /openapi.json", "", b"").repeat(400);
    stream.write_all(&requests).await.expect("the requests fit in the buffers");
    stream
}

/// What the system holds for all TCP connections.
fn kernel_mib() -> f64 {
    let counts = std::fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let pages = counts.lines().find(|line| line.starts_with("TCP:")).and_then(|line| line.split("mem ").nth(1));
    pages.and_then(|pages| pages.trim().parse::<f64>().ok()).unwrap_or(0.0) * 4096.0 / f64::from(1 << 20)
}

/// Clients that leave in the head, in the body or before the answer.
async fn leaving(server: &Server, scale: Scale) -> Row {
    let (address, files, body) = (server.address, server.files(), picture::jpeg(512, 3));
    let asked = Instant::now();
    ask(address, &post(QUERY, body)).await.expect("an answer");
    let step = asked.elapsed();
    let each = scale.count(20);
    crowd(50, |client| async move {
        let mut random = Random::new(client as u64);
        for round in 0..each {
            let _ = leave(address, &post(QUERY, &picture::marked(body, client * 1000 + round)), &mut random).await;
        }
    })
    .await;
    let (gone, within) = (Instant::now(), SECOND + step);
    let gauges = ["bytefit_jobs_in_flight", "bytefit_queue_depth", "bytefit_memory_reserved_bytes"];
    while server.series(&gauges).await != 0.0 && gone.elapsed() < within {
        sleep(SECOND / 100).await;
    }
    let settled = gone.elapsed();
    let closed = server.closes_down_to(files, within).await;
    Row::new(
        "1,000 clients that leave at any moment",
        "gauges at 0 and files closed within 1 s and the longest step",
        format!(
            "gauges at 0 after {settled:.1?}, files closed: {closed}, after {:.1?}; the step {step:.1?}",
            gone.elapsed()
        ),
        settled <= within && closed && gone.elapsed() <= within,
    )
}

async fn leave(address: SocketAddr, request: &[u8], random: &mut Random) -> std::io::Result<()> {
    let mut connection = Connection::open(address).await?;
    let cut = match random.below(3) {
        0 => random.below(120),
        1 => random.below(request.len()),
        _ => request.len(),
    };
    connection.send(&request[..cut]).await?;
    sleep(Duration::from_millis(random.below(50) as u64)).await;
    if random.below(2) == 0 {
        connection.hang_up();
    }
    Ok(())
}
