//! A soak: good pictures of every format, broken ones, bad parameters and clients that leave, for 20 minutes. Promised:
//! the service does not exit, no 5xx but 503 and 504, no answer over its target; memory, threads and open files don't
//! grow.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytefit::codec::Format;
use testkit::fixtures::{self, Fixture};
use testkit::random::Random;
use tokio::time::{Instant, sleep};

use crate::client::{Connection, ask, crowd, post};
use crate::picture;
use crate::server::Server;
use crate::table::{Row, Scale};

const CLIENTS: usize = 6;
const SETTINGS: &[(&str, &str)] = &[
    ("CACHE__CAPACITY", "16MiB"),
    ("ENGINE__MEMORY", "512MiB"),
    ("LIMITS__MAX_PIXELS", "4000000"),
    ("FIT__DEADLINE", "5s"),
];
const TARGET: usize = 12_000;
#[rustfmt::skip]
const QUERIES: [&str; 12] = [
    "effort=fast", "format=jpeg", "format=png&on_miss=smallest", "format=avif&effort=fast", "format=webp&width=100",
    "format=keep", "mode=exact&format=jpeg", "min_bytes=10KB", "metadata=keep&downscale=never", "min_score=60",
    "width=300&height=90&resize=cover&enlarge=true", "deadline=50ms",
];
#[rustfmt::skip]
const BAD_QUERIES: [&str; 6] =
    ["", "target=80k", "target=1KB&target=2KB", "target=9KB&width=-1", "target=9KB&x=y", "target=%ff"];

pub(crate) async fn rows(scale: Scale) -> Vec<Row> {
    let mut server = Server::open(SETTINGS).await;
    let (address, good, hostile) = (server.address, kinds(server.address).await, hostile());
    let until = Instant::now() + Duration::from_secs(if scale.quick { 60 } else { 20 * 60 });
    let clients =
        tokio::spawn(crowd(CLIENTS, move |client| requests(address, good, hostile, Random::new(client as u64), until)));
    let mut vitals = Vec::new();
    while Instant::now() < until && server.is_alive() {
        sleep(Duration::from_millis(500)).await;
        vitals.push([server.resident_mib(), server.threads(), server.files() as f64]);
    }
    let alive = server.is_alive();
    let mut counts = BTreeMap::new();
    for outcome in clients.await.expect("clients don't panic").into_iter().flatten() {
        *counts.entry(outcome).or_insert(0) += 1;
    }
    let panics = server.series(&["bytefit_panics_total"]).await;
    verdicts(alive && panics == 0.0, &counts, &vitals).into()
}

fn verdicts(healthy: bool, counts: &BTreeMap<String, usize>, vitals: &[[f64; 3]]) -> [Row; 3] {
    const NAME: &str = "mixed and hostile traffic";
    let tolerated = |outcome: &String| matches!(outcome.as_bytes(), b"503" | b"504" | b"left" | [b'2' | b'4', ..]);
    let list: Vec<String> = counts.iter().map(|(outcome, count)| format!("{count} x {outcome}")).collect();
    let third = vitals.len() / 3;
    let [memory, threads, files] = [0, 1, 2].map(|of| [median(&vitals[..third], of), median(&vitals[2 * third..], of)]);
    [
        Row::new(
            NAME,
            "no exit, no panic, no 5xx but 503 and 504, none over its target",
            format!("{}, {}", if healthy { "alive" } else { "exited or panicked" }, list.join(", ")),
            healthy && counts.keys().all(tolerated),
        ),
        Row::new(
            NAME,
            "memory: the last third within 10 % and 16 MiB of the first",
            format!("{:.0} MiB, then {:.0}", memory[0], memory[1]),
            memory[1] <= memory[0] * 1.1 + 16.0,
        ),
        Row::new(
            NAME,
            "threads and files: no more than before, but for the clients'",
            format!("{} threads, then {}; {} files, then {}", threads[0], threads[1], files[0], files[1]),
            threads[1] <= threads[0] && files[1] <= files[0] + CLIENTS as f64,
        ),
    ]
}

fn median(vitals: &[[f64; 3]], of: usize) -> f64 {
    let mut values: Vec<f64> = vitals.iter().map(|vitals| vitals[of]).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

type Files = &'static [Vec<u8>];

/// One client. Returns for each request its status, or `over` for an answer over its target, `cut` for one that broke
/// off, `left` when this client left.
async fn requests(address: SocketAddr, good: Files, hostile: Files, mut random: Random, until: Instant) -> Vec<String> {
    let mut outcomes = Vec::new();
    while Instant::now() < until {
        let body = random.pick(good);
        let query = format!("target={TARGET}&{}", random.pick(&QUERIES));
        outcomes.push(match random.below(8) {
            0..3 => outcome(address, &query, body).await,
            3 => outcome(address, &query, &mutated(body, &mut random)).await,
            4 => outcome(address, &query, &body[..random.below(body.len())]).await,
            5 => outcome(address, random.pick::<&str>(&BAD_QUERIES), body).await,
            6 if !hostile.is_empty() => outcome(address, &query, random.pick::<Vec<u8>>(hostile)).await,
            _ => left(address, &post(&query, body), &mut random).await,
        });
    }
    outcomes
}

async fn outcome(address: SocketAddr, query: &str, body: &[u8]) -> String {
    match ask(address, &post(query, body)).await {
        Ok(answer) if answer.status == 200 && answer.body.len() > TARGET => {
            answer.find("bytefit-outcome").filter(|outcome| *outcome == "missed").map_or("over", |_| "200").to_owned()
        }
        Ok(answer) => answer.status.to_string(),
        Err(_) => "cut".to_owned(),
    }
}

async fn left(address: SocketAddr, request: &[u8], random: &mut Random) -> String {
    if let Ok(mut connection) = Connection::open(address).await {
        let _ = connection.send(&request[..random.below(request.len() + 1)]).await;
        sleep(Duration::from_millis(random.below(40) as u64)).await;
    }
    "left".to_owned()
}

/// A copy with some bytes changed, most often few.
fn mutated(body: &[u8], random: &mut Random) -> Vec<u8> {
    let mut body = body.to_vec();
    for _ in 0..*random.pick(&[1, 2, 4, 16, 256]) {
        let at = random.below(body.len());
        body[at] = random.below(256) as u8;
    }
    body
}

/// A picture in every input format; the service itself makes those in WebP and AVIF, and small ones do for some.
async fn kinds(address: SocketAddr) -> Files {
    let drawn = [picture::png(300, 1), picture::jpeg(1200, 2), picture::jpeg(40, 3)].map(<[u8]>::to_vec);
    let mut kinds = Vec::from(drawn);
    kinds.extend([bmp(200), gif(120), tiff(150)]);
    let small = |fixture: &Fixture| matches!(fixture.format, Format::Jxl | Format::Heic | Format::Ico);
    kinds.extend(fixtures::all().into_iter().filter(small).map(|fixture| fixture.file));
    for format in ["webp", "avif"] {
        let request = post(&format!("target=40KB&format={format}"), picture::png(400, 4));
        kinds.push(ask(address, &request).await.expect("an answer").body);
    }
    kinds.leak()
}

fn bmp(side: u16) -> Vec<u8> {
    let pixels = picture::pixels(side, 5);
    let word = |number: usize| (number as u32).to_le_bytes();
    let head = [&b"BM"[..], &word(54 + pixels.len()), &[0; 4], &word(54), &word(40)].concat();
    let size = [word(side.into()), word(side.into()), [1, 0, 24, 0]].concat();
    [head, size, vec![0; 24], pixels].concat()
}

fn gif(side: u16) -> Vec<u8> {
    let mut encoder = gif::Encoder::new(Vec::new(), side, side, &[]).expect("a GIF");
    encoder.write_frame(&gif::Frame::from_rgb(side, side, &picture::pixels(side, 6))).expect("a frame");
    encoder.into_inner().expect("a whole GIF")
}

fn tiff(side: u16) -> Vec<u8> {
    use tiff::encoder::{TiffEncoder, colortype::RGB8};
    let mut file = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file).expect("a TIFF");
    encoder.write_image::<RGB8>(side.into(), side.into(), &picture::pixels(side, 7)).expect("pixels");
    file.into_inner()
}

/// The corpus's hostile files; none without a corpus.
fn hostile() -> Files {
    let mut files = Vec::new();
    if let Some(corpus) = std::env::var_os("BYTEFIT_CORPUS") {
        collect(&PathBuf::from(corpus).join("hostile"), &mut files);
        assert!(!files.is_empty(), "BYTEFIT_CORPUS has no hostile files");
    }
    files.leak()
}

/// Adds the files in `folder` and below.
fn collect(folder: &Path, files: &mut Vec<Vec<u8>>) {
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        match fs::read(&path) {
            Ok(file) => files.push(file),
            Err(_) => collect(&path, files),
        }
    }
}
