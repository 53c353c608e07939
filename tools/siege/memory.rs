//! Memory: 200 clients at once with pictures at the pixel limit; clients that read nothing of large answers; forms that
//! never reach a part; large bodies in chunks. Promised: the service never holds more than its memory at rest and the
//! budget of `engine.memory` plus 10 %, bodies and unread answers included; a request without memory gets 503 with
//! Retry-After, and alone it succeeds; /health answers within 100 ms.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::client::{Connection, ask, crowd, post};
use crate::picture;
use crate::server::Server;
use crate::table::{Row, Scale};
use crate::watch::Watch;

const CLIENTS: usize = 200;
const BUDGET_MIB: f64 = 256.0;
const SETTINGS: &[(&str, &str)] = &[
    ("LIMITS__MAX_PIXELS", "4000000"),
    ("ENGINE__MEMORY", "256MiB"),
    ("ENGINE__QUEUE_SLOTS", "14"),
    ("ENGINE__THREADS", "2"),
    ("CACHE__CAPACITY", "0"),
];

pub(crate) async fn rows(scale: Scale) -> Vec<Row> {
    let fast = attack(scale, "200 pictures of 4 megapixels, WebP, fast", "format=webp&effort=fast").await;
    let best = attack(scale, "the same, every format, best", "format=webp,jpeg,png,avif&effort=best").await;
    let mut rows: Vec<Row> = fast.into_iter().chain(best).collect();
    rows.extend(unread().await);
    rows.extend(forms().await);
    rows.push(idle(scale).await);
    rows.extend(chunked().await);
    rows
}

async fn attack(scale: Scale, name: &'static str, query: &str) -> [Row; 3] {
    let mut server = Server::open(SETTINGS).await;
    let (address, base) = (server.address, server.resident_mib());
    let query: &str = format!("target=100KB&deadline=60s&{query}").leak();
    let bodies = [picture::jpeg(2000, 1), picture::png(2000, 2)];
    let health = Watch::health(address);
    let until = Instant::now() + scale.seconds(60);
    let statuses =
        crowd(CLIENTS, |number| keep_asking(address, query, bodies[number % 2], number, until)).await.concat();
    let (health, alive, peak) = (health.end(), server.is_alive(), server.peak_mib());
    let count = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
    let (good, refused, late) = (count(200), count(503), count(504));
    let other = statuses.len() - good - refused - late;
    let allowed = base + BUDGET_MIB * 1.1;
    let outcome = format!("alive {alive}; {good} x 200, {refused} x 503, {late} x 504, {other} other");
    let memory = format!("{peak:.0} MiB of {base:.0} + 256 + 10 % = {allowed:.0}");
    let holds = alive && good > 0 && other == 0;
    [
        Row::new(name, "lives; 200, 503 with Retry-After, or 504 after 60 s", outcome, holds),
        Row::new(name, "peak memory at most base, budget and 10 %", memory, peak <= allowed),
        Row::new(name, "/health within 100 ms", health.to_string(), health.all_within(100.0)),
    ]
}

/// Sends requests one after the other, after a refusal when Retry-After allows it. Returns the statuses, 0 for no
/// answer or a refusal without Retry-After.
async fn keep_asking(
    address: SocketAddr,
    query: &'static str,
    body: &'static [u8],
    number: usize,
    until: Instant,
) -> Vec<u16> {
    let mut statuses = Vec::new();
    while statuses.is_empty() || Instant::now() < until {
        let body = picture::marked(body, number + CLIENTS * statuses.len());
        let (status, wait) =
            match ask(address, &post(query, &body)).await.map(|answer| (answer.status, answer.retry_after())) {
                Ok((503, None)) | Err(_) => (0, 1),
                Ok((status, wait)) => (status, wait.unwrap_or(0)),
            };
        statuses.push(status);
        sleep_until(until.min(Instant::now() + Duration::from_secs(wait))).await;
    }
    statuses
}

/// A picture padded to [`PADDED_MIB`]: a small request with a large answer.
const PADDED: &str = "format=webp&effort=fast&mode=exact&target=20MiB&deadline=60s";
const PADDED_MIB: f64 = 20.0;
const ANSWERED: &str = r#"bytefit_http_requests_total{method="POST",route="compress",status="200"}"#;
const RESERVED: &str = "bytefit_memory_reserved_bytes";

fn within_budget(name: &'static str, server: &Server, base: f64, budget_mib: f64) -> Row {
    let (peak, allowed) = (server.peak_mib(), base + budget_mib * 1.1);
    let memory = format!("{peak:.0} MiB of {base:.0} + {budget_mib:.0} + 10 % = {allowed:.0}");
    Row::new(name, "peak memory at most base, budget and 10 %", memory, peak <= allowed)
}

/// Clients that ask for 20 MiB each and read only the status.
async fn unread() -> [Row; 2] {
    const NAME: &str = "200 clients that read nothing of 20 MiB";
    let server = Server::open(SETTINGS).await;
    let (address, base) = (server.address, server.resident_mib());
    let picture = picture::jpeg(512, 1);
    let open = crowd(CLIENTS, |number| async move {
        let mut connection = Connection::open(address).await.expect("a connection");
        let _ = connection.send(&post(PADDED, &picture::marked(picture, number))).await;
        let status = connection.status().await.unwrap_or(0);
        (connection, status)
    })
    .await;
    let good = open.iter().filter(|(_, status)| *status == 200).count();
    let other = open.iter().filter(|(_, status)| *status != 200 && *status != 503).count();
    let (answers, reserved) = (server.series(&[ANSWERED]).await, server.series(&[RESERVED]).await / f64::from(1 << 20));
    let counted =
        format!("{good} x 200, {other} neither 200 nor 503; {reserved:.0} MiB reserved for {answers} answers");
    let holds = good > 0 && other == 0 && reserved >= answers * PADDED_MIB;
    [
        Row::new(NAME, "200 or 503; what is unread is counted", counted, holds),
        within_budget(NAME, &server, base, BUDGET_MIB),
    ]
}

/// Forms of 60 MB that are all preamble, or all part head.
async fn forms() -> [Row; 2] {
    const NAME: &str = "64 forms of 60 MB without a part's data";
    const BYTES: usize = 60_000_000;
    let server = Server::open(SETTINGS).await;
    let (address, base) = (server.address, server.resident_mib());
    let body: &[u8] = vec![b'x'; BYTES].leak();
    let statuses = crowd(64, |number| async move {
        let part = if number % 2 == 0 { "" } else { "--seam\r\nX: " };
        let head = format!(
            "POST /compress HTTP/1.1\r\nhost: siege\r\ncontent-type: multipart/form-data; boundary=seam\r\n\
             content-length: {}\r\n\r\n{part}",
            BYTES + part.len()
        );
        let mut connection = Connection::open(address).await?;
        let _ = connection.send(head.as_bytes()).await;
        let _ = connection.send(body).await;
        connection.status().await
    })
    .await;
    let refused = statuses.iter().filter(|status| matches!(status, Ok(400))).count();
    [
        Row::new(
            NAME,
            "400",
            format!("{refused} x 400, {} other", statuses.len() - refused),
            refused == statuses.len(),
        ),
        within_budget(NAME, &server, base, BUDGET_MIB),
    ]
}

/// Connections that have sent a picture and read a large answer, and stay open.
async fn idle(scale: Scale) -> Row {
    let server = Server::open(&[("CACHE__CAPACITY", "64MiB"), ("SERVER__MAX_CONNECTIONS", "2048")]).await;
    let (address, picture) = (server.address, picture::jpeg(512, 1));
    let client = |_| async move {
        let mut connection = Connection::open(address).await.expect("a connection");
        let answer = connection.ask(&post("format=webp&effort=fast&mode=exact&target=4MiB", picture)).await;
        answer.is_ok_and(|answer| answer.status == 200).then_some(connection)
    };
    // The first connections are not measured: what they allocate is shared by the later ones.
    let mut open = Vec::new();
    let (first, all) = (scale.count(500), scale.count(1500));
    let mut before = 0.0;
    while open.len() < all {
        if open.len() == first {
            before = server.resident_mib();
        }
        open.push(client(()).await);
    }
    let each = (server.resident_mib() - before) * 1024.0 / (all - first) as f64;
    let good = open.iter().flatten().count();
    let measured = format!("{each:.0} KiB each; {good} of {all} x 200");
    Row::new("idle connections after an answer of 4 MiB", "less than 64 KiB each", measured, each < 64.0 && good == all)
}

/// Bodies of 40 MB in chunks; the memory suffices for one at a time.
async fn chunked() -> [Row; 2] {
    const NAME: &str = "16 bodies of 40 MB in chunks, then 4 one after another";
    let server = Server::open(&[("ENGINE__MEMORY", "128MiB"), ("ENGINE__THREADS", "2")]).await;
    let (address, base) = (server.address, server.resident_mib());
    // A client that is refused may be reset while it sends.
    let crowd = crowd(16, |_| send_chunked(address)).await;
    let at_once = crowd.iter().filter(|status| matches!(status, Ok(415))).count();
    let mut alone = 0;
    for _ in 0..4 {
        alone += usize::from(matches!(send_chunked(address).await, Ok(415)));
    }
    let measured = format!("{at_once} of 16 read at once, {alone} of 4 alone");
    [Row::new(NAME, "one alone is read", measured, alone == 4), within_budget(NAME, &server, base, 128.0)]
}

async fn send_chunked(address: SocketAddr) -> io::Result<u16> {
    const HEAD: &[u8] = b"POST /compress?target=9KB HTTP/1.1\r\nhost: siege\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = [b"f4240\r\n", &vec![0; 1_000_000][..], b"\r\n"].concat();
    let mut connection = Connection::open(address).await?;
    connection.send(HEAD).await?;
    for _ in 0..40 {
        if connection.send(&chunk).await.is_err() {
            break;
        }
    }
    let _ = connection.send(b"0\r\n\r\n").await;
    connection.status().await
}
