//! The tiers of the cache. Promised: no fault of Redis fails a request or makes it wait for more than 25 ms, and it is
//! asked again within 5 s of its return; a directory with 100,000 files is indexed within 3 s, while requests are
//! answered; its capacity holds within 1 %. Hits of each tier are counted in a second.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use testkit::redis::{FakeRedis, Fault, RedisServer};
use tokio::time::sleep;

use crate::client::{Connection, ask, crowd, post};
use crate::picture;
use crate::server::Server;
use crate::table::{Row, Scale};
use crate::times::Times;

const QUERY: &str = "target=20KB&format=png";
const REDIS_OPEN: &str = r#"bytefit_breaker_open{target="redis"}"#;
const REDIS_MISSES: &str = r#"bytefit_cache_requests_total{result="miss",tier="redis"}"#;
const DISK_BYTES: &str = r#"bytefit_cache_bytes{tier="disk"}"#;

/// What a file occupies.
const BLOCK: u64 = 4096;

/// Clients at once, and answers that they ask for in turn.
const CLIENTS: usize = 8;
const ANSWERS: usize = 50;

pub(crate) async fn rows(scale: Scale) -> Vec<Row> {
    let mut rows = faults(scale).await;
    rows.push(many_files(scale).await);
    rows.push(twice_over(scale).await);
    rows.push(hits(scale).await);
    rows
}

async fn faults(scale: Scale) -> Vec<Row> {
    let fake = FakeRedis::start();
    let server = Server::open(&[("CACHE__REDIS_URL", &fake.url())]).await;
    let count = scale.count(2000);
    let mut seed = 0;
    until_asked(&server, &mut seed).await;
    let sound = different(&server, count, &mut seed).await;
    let mut rows = Vec::new();
    for fault in Fault::ALL {
        fake.fail(fault);
        let times = different(&server, count, &mut seed).await;
        fake.fail(Fault::None);
        let returned = Instant::now();
        until_asked(&server, &mut seed).await;
        let back = returned.elapsed();
        let added = [0.5, 0.99].map(|share| times.at(share) - sound.at(share));
        rows.push(Row::new(
            name(fault),
            "0 failed, p99 + 25 ms at most, back within 5 s",
            format!(
                "{} requests: {times}; p50 {:+.2} ms, p99 {:+.2} ms; back in {:.1} s",
                times.count(),
                added[0],
                added[1],
                back.as_secs_f64()
            ),
            times.failed == 0 && added[1] <= 25.0 && back <= Duration::from_secs(5),
        ));
    }
    rows
}

fn name(fault: Fault) -> &'static str {
    match fault {
        Fault::None => "Redis works",
        Fault::Refused => "Redis refuses connections",
        Fault::Silent => "Redis is silent",
        Fault::Late => "Redis answers 50 ms late",
        Fault::Reset => "Redis resets in mid-answer",
        Fault::OutOfMemory => "Redis is full",
        Fault::ReadOnly => "Redis is a replica",
        Fault::NoAuth => "Redis wants a password",
        Fault::Garbage => "Redis answers garbage",
        Fault::Scribbled => "Redis has garbage for values",
    }
}

/// Sends `count` pictures that no tier has, one after the other.
async fn different(server: &Server, count: usize, seed: &mut usize) -> Times {
    let picture = picture::png(16, 1);
    let mut connection = Connection::open(server.address).await.expect("a connection");
    let mut times = Times::default();
    for _ in 0..count {
        *seed += 1;
        let started = Instant::now();
        let answer = connection.ask(&post(QUERY, &picture::marked(picture, *seed))).await;
        times.add(answer.is_ok_and(|answer| answer.status == 200).then(|| started.elapsed()));
    }
    times
}

/// Sends pictures until Redis is asked for one.
async fn until_asked(server: &Server, seed: &mut usize) {
    let before = server.series(&[REDIS_MISSES]).await;
    while server.series(&[REDIS_OPEN]).await != 0.0 || server.series(&[REDIS_MISSES]).await <= before {
        different(server, 1, seed).await;
        sleep(Duration::from_millis(10)).await;
    }
}

async fn many_files(scale: Scale) -> Row {
    let folder = tempfile::tempdir().expect("a directory");
    let files = scale.count(100_000);
    fill(folder.path(), files);
    let server = Server::open(&[("CACHE__DISK_DIR", &folder.path().to_string_lossy())]).await;
    let started = Instant::now();
    let answered = ask(server.address, &post(QUERY, picture::png(16, 1))).await;
    let accepting = started.elapsed();
    while server.series(&[DISK_BYTES]).await < (files as u64 * BLOCK) as f64 {
        sleep(Duration::from_millis(5)).await;
    }
    let indexed = started.elapsed();
    Row::new(
        "a directory with 100,000 files",
        "answers at once, indexed within 3 s",
        format!("{files} files: first answer in {accepting:.0?}, indexed in {indexed:.2?}"),
        answered.is_ok_and(|answer| answer.status == 200) && indexed <= Duration::from_secs(3),
    )
}

async fn twice_over(scale: Scale) -> Row {
    let folder = tempfile::tempdir().expect("a directory");
    let files = scale.count(20_000);
    fill(folder.path(), files);
    let capacity = files as u64 * BLOCK / 2;
    let path = folder.path().to_string_lossy();
    let server = Server::open(&[("CACHE__DISK_DIR", &path), ("CACHE__DISK_CAPACITY", &format!("{capacity}"))]).await;
    let (started, mut seed) = (Instant::now(), 0);
    while held(folder.path()) > capacity && started.elapsed() < Duration::from_secs(30) {
        sleep(Duration::from_millis(20)).await;
    }
    let cut = started.elapsed();
    let times = different(&server, scale.count(2000), &mut seed).await;
    sleep(Duration::from_millis(500)).await;
    let share = held(folder.path()) as f64 / capacity as f64;
    Row::new(
        "a directory filled twice over",
        "capacity held within 1 %, 0 failed",
        format!("cut in {cut:.2?}; {share:.3} of it after {} writes; {} failed", times.count(), times.failed),
        times.failed == 0 && (0.99..=1.01).contains(&share),
    )
}

/// Files with names as the cache has them, and nothing of it in them.
fn fill(folder: &Path, files: usize) {
    for number in 0..files as u64 {
        let name = format!("{:02x}{number:062x}", number % 256);
        let place = folder.join(&name[..2]);
        if number < 256 {
            fs::create_dir_all(&place).expect("a directory");
        }
        fs::write(place.join(name), [7; 1000]).expect("a file");
    }
}

/// What the files occupy.
fn held(folder: &Path) -> u64 {
    let folders = fs::read_dir(folder).expect("the directory").flatten();
    let files = folders.filter_map(|folder| fs::read_dir(folder.path()).ok()).flatten().flatten();
    files.filter_map(|file| Some(file.metadata().ok()?.len().next_multiple_of(BLOCK))).sum()
}

async fn hits(scale: Scale) -> Row {
    let folder = tempfile::tempdir().expect("a directory");
    let (real, fake) = (RedisServer::start(folder.path()), FakeRedis::start());
    let (url, kind) = match &real {
        Some(real) => (real.url(), "redis-server"),
        None => (fake.url(), "a server of the tests"),
    };
    let path = folder.path().join("cache");
    let mut measured = Vec::new();
    for (tier, setting) in [
        ("memory", ("CACHE__TTL", "1h")),
        ("disk", ("CACHE__DISK_DIR", &*path.to_string_lossy())),
        ("redis", ("CACHE__REDIS_URL", &url)),
    ] {
        let capacity = if tier == "memory" { "256MiB" } else { "0" };
        let server = Server::open(&[setting, ("CACHE__CAPACITY", capacity)]).await;
        measured.push(format!("{tier} {:.0}", hits_per_second(&server, tier, scale.seconds(5)).await));
    }
    Row::new(
        "hits a second",
        "none",
        format!("{}; {CLIENTS} clients, answers of 20 KB, {kind}", measured.join(", ")),
        true,
    )
}

/// Hits of `tier` in a second, each client asking for all answers in turn.
async fn hits_per_second(server: &Server, tier: &str, length: Duration) -> f64 {
    let picture = picture::jpeg(400, 1);
    let request = |number: usize| post("target=20KB&format=jpeg&effort=fast", &picture::marked(picture, number));
    let detail = format!("bytefit; hit; detail={tier}");
    for number in 0..ANSWERS {
        let is_hit = async || {
            let answer = ask(server.address, &request(number)).await.expect("an answer");
            answer.header("cache-status") == detail
        };
        while !is_hit().await {
            sleep(Duration::from_millis(20)).await;
        }
    }
    let requests: &[Vec<u8>] = (0..ANSWERS).map(request).collect::<Vec<_>>().leak();
    let (address, ends) = (server.address, Instant::now() + length);
    let counts = crowd(CLIENTS, move |client| async move {
        let mut connection = Connection::open(address).await.expect("a connection");
        let mut count = 0;
        while Instant::now() < ends {
            let answer = connection.ask(&requests[(client + count) % ANSWERS]).await.expect("an answer");
            assert_eq!(answer.status, 200);
            count += 1;
        }
        count
    })
    .await;
    counts.iter().sum::<usize>() as f64 / length.as_secs_f64()
}
