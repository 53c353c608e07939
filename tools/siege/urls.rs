//! Pictures by URL, and limits. Promised: each fault of a host ends within its limit and 100 ms; 500 equal requests are
//! one fetch and one computation; 64 hosts that hang don't slow uploads by more than a tenth; a host that is left alone
//! is refused within 5 ms; what is fresh is not asked for, what is stale once; links are served as fast from the cache
//! as uploads; clients that are made up take no memory; a limit lets through what it says; a signature tells nothing by
//! time.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytefit::source::{HexSecret, Signer};
use testkit::http::Answer;
use tokio::time::{sleep, timeout};

use crate::client::{Connection, ask, crowd, get, post, request};
use crate::origin::Origin;
use crate::picture;
use crate::server::Server;
use crate::table::{Row, Scale};
use crate::times::Times;

/// Time of a fetch where it ends by its limit.
const LIMIT: Duration = Duration::from_secs(2);

/// How much later than its limit a fetch may end.
const SLACK: Duration = Duration::from_millis(100);

const HANGING: usize = 64;
const MISSES: &str = r#"bytefit_cache_requests_total{result="miss",tier="memory"}"#;

pub(crate) async fn rows(scale: Scale) -> Vec<Row> {
    let mut rows = faults().await;
    rows.push(together().await);
    rows.push(hanging(scale).await);
    rows.push(left_alone().await);
    rows.push(fresh_and_stale().await);
    rows.push(hits(scale).await);
    rows.push(made_up_clients(scale).await);
    rows.push(accuracy(scale).await);
    rows.push(signatures(scale));
    rows
}

/// A service that fetches from this machine, where links need no signature.
async fn service(origin: &Origin, settings: &[(&str, &str)]) -> Server {
    let (port, hosts) = (origin.port(), allowed_hosts());
    let own = [
        ("SOURCE__ENABLED", "true"),
        ("SOURCE__ALLOW_PRIVATE", "true"),
        ("SOURCE__UNSIGNED", "true"),
        ("SOURCE__ALLOWED_HOSTS", hosts.as_str()),
        ("SOURCE__PORTS", port.as_str()),
        ("SERVER__MAX_CONNECTIONS", "2048"),
    ];
    Server::open(&[&own[..], settings].concat()).await
}

fn allowed_hosts() -> String {
    let hosts: Vec<String> = (1..=HANGING).map(|host| format!("127.0.0.{host}")).collect();
    hosts.join(",")
}

/// A request for the picture at `url`, which may have no `%`, `?`, `#` or `@`.
fn link(url: &str, target: usize) -> String {
    format!("/fit/unsigned/target:{target}/format:jpeg/plain/{url}")
}

fn by_url(url: &str) -> Vec<u8> {
    let body = format!(r#"{{"url":"{url}","target":"20KB","format":"jpeg"}}"#);
    request("POST /compress", "content-type: application/json\r\n", body.as_bytes())
}

fn code(answer: &Answer) -> String {
    answer.json()["code"].as_str().unwrap_or_default().to_owned()
}

async fn faults() -> Vec<Row> {
    let origin = Origin::start().await;
    let limits = [("SOURCE__TIMEOUT", "2s"), ("SOURCE__MAX_BYTES", "1MB")];
    let server = service(&origin, &limits).await;
    let mut rows = Vec::new();
    for (number, (fault, path, expected)) in [
        ("a host that sends no head", "/slow-head", "504 source_timeout"),
        ("one that trickles", "/trickle", "504 source_timeout"),
        ("one that never ends", "/endless", "413 source_too_large"),
        ("one that declares 100 GB", "/long", "413 source_too_large"),
        ("one that breaks off", "/short", "502 source_failed"),
        ("100 MiB in 100 KiB of gzip", "/bomb", "413 source_too_large"),
        ("redirects in a circle", "/loop", "502 source_failed"),
    ]
    .into_iter()
    .enumerate()
    {
        let asked = Instant::now();
        let answer = ask(server.address, &by_url(&origin.url(number, path))).await.expect("an answer");
        let took = asked.elapsed();
        let given = format!("{} {}", answer.status, code(&answer));
        let held = given == expected && took < LIMIT + SLACK;
        rows.push(Row::new(fault, "its code within 2 s + 100 ms", format!("{given}, {} ms", took.as_millis()), held));
    }
    rows
}

async fn together() -> Row {
    let origin = Origin::start().await;
    let server = service(&origin, &[("ENGINE__QUEUE_SLOTS", "1000")]).await;
    let (address, request) = (server.address, &*get(&link(&origin.url(0, "/slow"), 20_000)).leak());
    let answers = crowd(500, |_| ask(address, request)).await;
    let answered = answers.iter().flatten().filter(|answer| answer.status == 200).count();
    let (fetched, computed) = (origin.requests(), server.series(&[MISSES]).await);
    Row::new(
        "500 equal links at once",
        "one fetch, one computation",
        format!("{answered} x 200, {fetched} fetched, {computed} computed"),
        answered == 500 && fetched == 1 && computed == 1.0,
    )
}

/// Uploads alone and beside hosts that hang, in turns.
async fn hanging(scale: Scale) -> Row {
    let origin = Origin::start().await;
    let server = service(&origin, &[("SOURCE__TIMEOUT", "10m"), ("ENGINE__QUEUE_SLOTS", "1000")]).await;
    let (address, pairs) = (server.address, scale.count(10));
    let mut shares = Vec::new();
    let mut number = 0;
    for _ in 0..pairs {
        let alone = uploads(address, &mut number).await;
        let waiting: Vec<_> = (0..HANGING).map(|host| by_url(&origin.url(host, "/slow-head"))).collect();
        let before = origin.requests();
        let clients = waiting.into_iter().map(|request| tokio::spawn(async move { ask(address, &request).await }));
        let clients: Vec<_> = clients.collect();
        let _ = timeout(LIMIT, async {
            while origin.requests() < before + HANGING {
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        let asked = origin.requests() - before;
        let beside = uploads(address, &mut number).await;
        clients.iter().for_each(|client| client.abort());
        if asked < HANGING {
            return Row::new("64 hosts that hang", "all are asked", format!("{asked}"), false);
        }
        shares.push(beside.at(0.95) / alone.at(0.95));
    }
    shares.sort_by(f64::total_cmp);
    let median = shares[shares.len() / 2];
    let measured = format!("{median:.3} (median of {pairs} pairs, {:.3} to {:.3})", shares[0], shares[pairs - 1]);
    Row::new("64 hosts that hang", "p95 of uploads at most 1.1 times", measured, median <= 1.1)
}

/// The times of uploads that are new to the cache.
async fn uploads(address: SocketAddr, number: &mut usize) -> Times {
    let mut connection = Connection::open(address).await.expect("a connection");
    let mut times = Times::default();
    for _ in 0..60 {
        *number += 1;
        let request = post("target=8KB&format=jpeg", &picture::marked(picture::jpeg(256, 3), *number));
        let asked = Instant::now();
        let answered = connection.ask(&request).await.is_ok_and(|answer| answer.status == 200);
        times.add(answered.then(|| asked.elapsed()));
    }
    times
}

async fn left_alone() -> Row {
    let origin = Origin::start().await;
    let server = service(&origin, &[]).await;
    for number in 0..5 {
        let _ = ask(server.address, &by_url(&origin.url(0, &format!("/broken?{number}")))).await;
    }
    let before = origin.requests();
    let request = by_url(&origin.url(0, "/a"));
    let mut connection = Connection::open(server.address).await.expect("a connection");
    let (mut times, until) = (Times::default(), Instant::now() + Duration::from_secs(3));
    while Instant::now() < until {
        let asked = Instant::now();
        let answered = connection.ask(&request).await.is_ok_and(|answer| answer.status == 503);
        times.add(answered.then(|| asked.elapsed()));
    }
    let asked = origin.requests() - before;
    Row::new(
        "a host that is left alone",
        "refused within 5 ms (p99)",
        format!("{} times, {times}; {asked} fetched", times.count()),
        times.failed == 0 && times.at(0.99) <= 5.0 && asked == 0,
    )
}

async fn fresh_and_stale() -> Row {
    let origin = Origin::start().await;
    let server = service(&origin, &[("SOURCE__TTL", "1s")]).await;
    let request = get(&link(&origin.url(0, "/a"), 20_000));
    let started = Instant::now();
    let mut statuses = Vec::new();
    for _ in 0..20 {
        statuses.push(ask(server.address, &request).await.map_or(0, |answer| answer.status));
    }
    let (fresh, in_time) = (origin.requests(), started.elapsed() < Duration::from_secs(1));
    sleep(Duration::from_millis(1100)).await;
    for _ in 0..20 {
        statuses.push(ask(server.address, &request).await.map_or(0, |answer| answer.status));
    }
    let (all, conditional) = (origin.requests(), origin.conditional());
    Row::new(
        "20 links while fresh, 20 after",
        "one fetch, then one question for changes",
        format!("{fresh} fetched, then {} asked, {conditional} of them for changes", all - fresh),
        in_time && statuses.iter().all(|status| *status == 200) && (fresh, all, conditional) == (1, 2, 1),
    )
}

/// Requests a second from the cache, links and uploads in turns.
async fn hits(scale: Scale) -> Row {
    let origin = Origin::start().await;
    let server = service(&origin, &[("SOURCE__TTL", "1h"), ("SOURCE__KEYS", "00ff"), ("SOURCE__SALTS", "01")]).await;
    let signer = signer("00ff", "01");
    let path = format!("/target:20000/format:jpeg/plain/{}", origin.url(0, "/a"));
    let signed = format!("/fit/{}{path}", signer.sign(&path).expect("a key"));
    let (address, pairs) = (server.address, scale.count(20));
    let link: &[u8] = request(&format!("GET {signed}"), "", b"").leak();
    let upload: &[u8] = post("target=20000&format=jpeg", picture::jpeg(256, 1)).leak();
    let mut shares = Vec::new();
    let mut counts = [0; 2];
    for _ in 0..pairs {
        let (links, uploads) = (rate(address, link).await, rate(address, upload).await);
        counts = [counts[0] + links, counts[1] + uploads];
        shares.push(links as f64 / uploads as f64);
    }
    shares.sort_by(f64::total_cmp);
    let median = shares[shares.len() / 2];
    Row::new(
        "links and uploads from the cache",
        "links at least 0.9 times as many",
        format!(
            "{median:.2} (median of {pairs} pairs); {} links, {} uploads a second",
            counts[0] / pairs,
            counts[1] / pairs
        ),
        median >= 0.9,
    )
}

/// Answers to `request` within a second, on 4 connections.
async fn rate(address: SocketAddr, request: &'static [u8]) -> usize {
    let until = Instant::now() + Duration::from_secs(1);
    let counts = crowd(4, move |_| async move {
        let mut connection = Connection::open(address).await.expect("a connection");
        let mut count = 0;
        while Instant::now() < until {
            let answer = connection.ask(request).await.expect("an answer");
            assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
            count += 1;
        }
        count
    });
    counts.await.into_iter().sum()
}

/// Each request comes from another address, if its header is believed, and is charged for an output.
async fn made_up_clients(scale: Scale) -> Row {
    let settings =
        [("SERVER__TRUSTED_PROXIES", "1"), ("LIMITS__RATE__PER_MINUTE", "60"), ("SERVER__MAX_CONNECTIONS", "64")];
    let server = Server::open(&settings).await;
    let (address, clients) = (server.address, scale.count(100_000));
    forge(address, 0, 1000).await;
    let before = server.resident_mib();
    let refused = forge(address, 1000, clients).await;
    sleep(Duration::from_secs(2)).await;
    let grown = server.resident_mib() - before;
    Row::new(
        "100,000 made-up X-Forwarded-For",
        "at most 20 MB more",
        format!("{clients} addresses, {refused} of them refused as too many, {grown:+.1} MiB"),
        grown * 1.048_576 <= 20.0 && refused == 0,
    )
}

/// Sends what is no picture from `count` addresses, and returns how many of them were limited.
async fn forge(address: SocketAddr, first: usize, count: usize) -> usize {
    let each = count / 8;
    let limited = crowd(8, move |part| async move {
        let mut connection = Connection::open(address).await.expect("a connection");
        let mut limited = 0;
        for number in first + part * each..first + (part + 1) * each {
            let [_, b, c, d] = (number as u32).to_be_bytes();
            let header = format!("x-forwarded-for: 1.{b}.{c}.{d}\r\n");
            let request = request("POST /compress?target=1KB", &header, &number.to_be_bytes());
            let answer = connection.ask(&request).await.expect("an answer");
            limited += usize::from(answer.status == 429);
        }
        limited
    });
    limited.await.into_iter().sum()
}

async fn accuracy(scale: Scale) -> Row {
    const PER_MINUTE: f64 = 6000.0;
    const BURST: f64 = 50.0;
    let settings = [("LIMITS__RATE__PER_MINUTE", "6000"), ("LIMITS__RATE__BURST", "50")];
    let server = Server::open(&settings).await;
    let mut connection = Connection::open(server.address).await.expect("a connection");
    let (started, length) = (Instant::now(), scale.seconds(30));
    let (mut passed, mut number) = (0, 0_u64);
    while started.elapsed() < length {
        number += 1;
        let request = request("POST /compress?target=1KB", "", &number.to_be_bytes());
        let answer = connection.ask(&request).await.expect("an answer");
        passed += usize::from(answer.status != 429);
    }
    let allowed = BURST + PER_MINUTE / 60.0 * started.elapsed().as_secs_f64();
    let off = (passed as f64 / allowed - 1.0) * 100.0;
    Row::new(
        "more requests than a limit of 6,000 a minute",
        "lets through what it says, within 2 %",
        format!("{passed} of {number} let through, {allowed:.0} allowed: {off:+.2} %"),
        off.abs() <= 2.0 && number as f64 > 2.0 * allowed,
    )
}

/// How long it takes to refuse a signature whose first or last byte is wrong, in turns.
fn signatures(scale: Scale) -> Row {
    let signer = signer("736563726574", "68656c6c6f");
    let path = "/target:80KB/format:webp/aHR0cHM6Ly9pbWFnZXMuZXhhbXBsZS5jb20vYS5qcGc";
    let right = signer.sign(path).expect("a key");
    // The last character of 32 bytes in base64url has two bits that are always 0.
    let first = format!("{}{}", if right.starts_with('A') { 'B' } else { 'A' }, &right[1..]);
    let last = format!("{}{}", &right[..42], if right.ends_with('A') { 'E' } else { 'A' });
    let mut shares: Vec<f64> =
        (0..scale.count(400)).map(|_| refusal(&signer, &first, path) / refusal(&signer, &last, path)).collect();
    shares.sort_by(f64::total_cmp);
    let median = shares[shares.len() / 2];
    Row::new(
        "signatures whose first or last byte is wrong",
        "refused after the same time, within 1 %",
        format!("{median:.4} (median of {} pairs)", shares.len()),
        (median - 1.0).abs() <= 0.01,
    )
}

/// Seconds that 500 refusals take.
fn refusal(signer: &Signer, signature: &str, path: &str) -> f64 {
    let asked = Instant::now();
    let accepted = (0..500).filter(|_| signer.verifies(std::hint::black_box(signature), path)).count();
    assert_eq!(accepted, 0);
    asked.elapsed().as_secs_f64()
}

fn signer(key: &str, salt: &str) -> Signer {
    let secret = |text: &str| text.parse::<HexSecret>().expect("hexadecimal digits");
    Signer::new(&[secret(key)], &[secret(salt)])
}
