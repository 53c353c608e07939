//! Measures requests a second over loopback, with the service in this process:
//!
//! ```text
//! BYTEFIT_CORPUS=DIRECTORY cargo bench --bench service
//! ```
//!
//! Eight clients send one request after the other: distinct pictures (each photo mirrored and turned, as JPEG), to be
//! fitted to 80 KB of WebP. Without a corpus the pictures are drawn.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytefit::codec::lossy_coding::LossyCoding;
use bytefit::codec::{self, Effort, Limits};
use bytefit::engine::{Codecs, WorkersMode};
use bytefit::picture::{Orientation, Picture, transform};
use bytefit::settings::Settings;
use bytefit::workers::Spawner;
use testkit::drawing;
use testkit::http::{Connection, request};
use tokio::runtime;

const CLIENTS: usize = 8;
const PICTURES: usize = 60;

fn main() {
    // Forked before this process has a second thread.
    let spawner = runs_in_processes().then(|| Spawner::start(Arc::new(Codecs)).expect("worker processes"));
    let bodies = bodies();
    let (address, stop, server) = start(spawner);
    let next = AtomicUsize::new(0);
    let over = AtomicUsize::new(0);
    let started = Instant::now();
    let mut times: Vec<Duration> = std::thread::scope(|scope| {
        let client = || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let mut times = Vec::new();
            while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                let asked = Instant::now();
                let bytes = runtime.block_on(ask(address, body));
                times.push(asked.elapsed());
                over.fetch_add(usize::from(bytes > 80_000), Ordering::Relaxed);
            }
            times
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        clients.into_iter().flat_map(|client| client.join().expect("a client")).collect()
    });
    let elapsed = started.elapsed().as_secs_f64();
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_millis();
    println!("{} distinct pictures, {CLIENTS} clients, target 80 KB WebP", bodies.len());
    println!("requests a second {:.2}, p50 {} ms, p95 {} ms", times.len() as f64 / elapsed, at(0.5), at(0.95));
    println!("over target {}, peak memory {} MB", over.load(Ordering::Relaxed), peak_megabytes());
    stop.send(()).expect("the server runs");
    server.join().expect("the server stops");
}

/// `BYTEFIT_ENGINE__WORKERS=threads` measures the service without worker processes.
fn runs_in_processes() -> bool {
    std::env::var("BYTEFIT_ENGINE__WORKERS").map_or(true, |mode| mode != WorkersMode::Threads.name())
}

/// Starts the service on a free port. It stops when the sender sends.
fn start(spawner: Option<Spawner>) -> (SocketAddr, tokio::sync::oneshot::Sender<()>, std::thread::JoinHandle<()>) {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (bound, address) = std::sync::mpsc::channel();
    let server = std::thread::spawn(move || {
        let runtime = runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            bound.send(listener.local_addr().expect("an address")).expect("the bench waits");
            let shutdown = async {
                let _ = stopped.await;
            };
            bytefit::app::serve(Settings::default(), listener, spawner, shutdown).await.expect("the service runs");
        });
    });
    (address.recv().expect("the server starts"), stop, server)
}

/// Sends `body` and returns the bytes of the answer's body.
async fn ask(address: SocketAddr, body: &[u8]) -> usize {
    let request = request("POST /compress?target=80KB&format=webp&deadline=60s", "connection: close\r\n", body);
    let answer = Connection::open(address).await.expect("a connection").ask(&request).await.expect("answered");
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    answer.body.len()
}

/// JPEGs of quality 92: the pictures of the corpus, mirrored and turned until there are enough.
fn bodies() -> Vec<Vec<u8>> {
    let pictures = pictures();
    (0..PICTURES)
        .map(|index| {
            let turn = Orientation::from_exif(1 + (index / pictures.len()) as u32);
            let picture = transform::orient(pictures[index % pictures.len()].clone(), turn);
            let coding = LossyCoding::JpegHalved;
            let encoder = coding.encoder(&picture, Effort::Fast).expect("fits");
            encoder.encode(-1.8).expect("encodes")
        })
        .collect()
}

fn pictures() -> Vec<Picture> {
    let Some(corpus) = std::env::var_os("BYTEFIT_CORPUS").map(PathBuf::from) else {
        return (0..10).map(|seed| drawing::photo(1024, 768, seed)).collect();
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(corpus.join("photos"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    let load = |file: &PathBuf| {
        let bytes = std::fs::read(file).expect("readable");
        transform::flatten(&codec::decode(&bytes, &Limits::default()).expect("a picture").picture, [255; 3])
    };
    files.iter().map(load).collect()
}

fn peak_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() / 1000
}
