//! Signals and shortages. Promised: after SIGTERM the service answers at once that it is not ready, loses no request
//! that was sent before, and exits 0 in time whatever clients do; SIGKILL and a full disk leave no half-written file; a
//! service that is out of file descriptors serves again when some are free.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bytefit::codec::{self, Limits};
use tempfile::TempDir;
use testkit::random::Random;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::client::{Connection, ask, crowd, get, post};
use crate::picture;
use crate::server::{Server, binary};
use crate::table::{Row, Scale};
use crate::times::Times;

const DRAIN: Duration = Duration::from_secs(8);
/// Time that may pass until the end of a process is seen.
const SLACK_MS: f64 = 200.0;
/// Time for a drain that no client delays: half a second for requests that are on their way, and the work that waits.
const PROMPT_DRAIN_MS: f64 = 2000.0;

pub(crate) async fn rows(scale: Scale) -> Vec<Row> {
    let mut rows = Vec::from(terminated(scale).await);
    rows.push(killed(scale).await);
    rows.push(out_of_files().await);
    rows.extend(no_room());
    rows
}

/// What one SIGTERM did: requests answered, refused and lost; time until the service was not ready; time until it
/// exited, if it exited with 0; whether clients had sent half a request.
struct Termination {
    is_delayed: bool,
    ends: [usize; 3],
    unready: Duration,
    exit: Option<Duration>,
}

async fn terminated(scale: Scale) -> [Row; 4] {
    const NAME: &str = "SIGTERM under load, 50 times";
    let pictures = [picture::jpeg(512, 1), picture::jpeg(32, 2)];
    let mut random = Random::new(5);
    let mut terminations = Vec::new();
    for round in 0..scale.count(50) {
        let load = Duration::from_millis(100 + random.below(400) as u64);
        terminations.push(termination(&pictures, round, load).await);
    }
    let [whole, refused, lost] =
        [0, 1, 2].map(|end| terminations.iter().map(|termination| termination.ends[end]).sum::<usize>());
    let unready: Times = terminations.iter().map(|termination| Some(termination.unready)).collect();
    let [prompt, delayed]: [Times; 2] = [false, true].map(|is_delayed| {
        terminations.iter().filter(|found| found.is_delayed == is_delayed).map(|found| found.exit).collect()
    });
    let answers = format!("{whole} x 200, {refused} x 503, {lost} lost");
    let in_time = delayed.all_within(DRAIN.as_secs_f64() * 1e3 + SLACK_MS);
    [
        Row::new(NAME, "every request sent before it gets a whole answer", answers, lost == 0),
        Row::new(NAME, "not ready within 200 ms", unready.to_string(), unready.all_within(200.0)),
        Row::new(NAME, "exit 0 within 2 s", prompt.to_string(), prompt.all_within(PROMPT_DRAIN_MS)),
        Row::new(NAME, "beside half requests within a drain_timeout of 8 s", delayed.to_string(), in_time),
    ]
}

async fn termination(pictures: &[&'static [u8]; 2], round: usize, load: Duration) -> Termination {
    let mut server = Server::open(&[("SERVER__DRAIN_TIMEOUT", "8s"), ("ENGINE__QUEUE_SLOTS", "16")]).await;
    let address = server.address;
    let is_delayed = round % 5 == 4;
    let idle_clients = hang_on(address, is_delayed).await;
    let (stop, stopped) = watch::channel(None);
    let clients = tokio::spawn(crowd(8, {
        let pictures = *pictures;
        move |client| ask_on(address, pictures[client % 2], client, stopped.clone())
    }));
    sleep(load).await;
    let signalled = Instant::now();
    server.terminate();
    stop.send_replace(Some(signalled));
    let unready = async {
        while ask(address, &get("/health")).await.is_ok_and(|answer| answer.status == 200) {}
        signalled.elapsed()
    };
    let exit = async { server.ended(2 * DRAIN).await?.success().then(|| signalled.elapsed()) };
    let (unready, exit) = tokio::join!(unready, exit);
    drop(idle_clients);
    let ends = clients.await.expect("clients don't panic");
    Termination { is_delayed, ends: [0, 1, 2].map(|end| ends.iter().map(|client| client[end]).sum()), unready, exit }
}

/// Clients that do nothing. Some can have sent half a head or half a body, and so keep their connection for the whole
/// drain timeout.
async fn hang_on(address: SocketAddr, with_halves: bool) -> Vec<Connection> {
    let body = "POST /compress?target=9KB HTTP/1.1\r\nhost: siege\r\ncontent-length: 9999\r\n\r\nabc";
    let openings = ["", "GET /health HTTP/1.1\r\nhost: siege\r\n\r\n", "GET /health HT", body];
    let mut connections = Vec::new();
    for opening in &openings[..if with_halves { 4 } else { 2 }] {
        let mut connection = Connection::open(address).await.expect("a connection");
        connection.send(opening.as_bytes()).await.expect("sent");
        connections.push(connection);
    }
    connections
}

/// Sends one request after the other, each on a new connection, until the service goes down. Returns the number of
/// answers, of refusals, and of requests that were sent before SIGTERM but got neither. Every other client sends the
/// same request again and again, which the cache answers fast: at SIGTERM some of its requests are sent but not read.
async fn ask_on(
    address: SocketAddr,
    picture: &'static [u8],
    client: usize,
    stopped: watch::Receiver<Option<Instant>>,
) -> [usize; 3] {
    let mut ends = [0; 3];
    for number in 0.. {
        let mark = if client.is_multiple_of(2) { client << 32 | number } else { 0 };
        let request = post("target=20KB&format=webp", &picture::marked(picture, mark));
        let Ok(mut connection) = Connection::open(address).await else { break };
        let sent = connection.send(&request).await.is_ok().then(Instant::now);
        let answer = connection.answer().await;
        let stopped = *stopped.borrow();
        match answer.map(|answer| answer.status) {
            Ok(200) => ends[0] += 1,
            Ok(503) => ends[1] += 1,
            Err(_) if stopped.is_some_and(|stopped| sent.is_none_or(|sent| sent >= stopped)) => {}
            _ => ends[2] += 1,
        }
        if stopped.is_some() {
            break;
        }
    }
    ends
}

/// 400 connections to a service that may open 256 files.
async fn out_of_files() -> Row {
    let mut server = Server::with_files(256, &[("SERVER__MAX_CONNECTIONS", "2048")]).await;
    let address = server.address;
    // Some find no slot in the system's queue either.
    let connections = crowd(400, |_| timeout(Duration::from_secs(2), Connection::open(address))).await;
    let (alive, files) = (server.is_alive(), server.files());
    drop(connections);
    let since = Instant::now();
    let served = ask(address, &get("/health")).await.is_ok_and(|answer| answer.status == 200);
    let after = since.elapsed();
    Row::new(
        "400 connections, 256 files",
        "lives, and serves within 2 s when they leave",
        format!("{files} files, alive {alive}, served {served} after {after:.1?}"),
        alive && served && after < Duration::from_secs(2),
    )
}

/// A folder with a picture in it.
fn folder() -> (TempDir, PathBuf) {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("in.jpg");
    fs::write(&file, picture::jpeg(800, 1)).expect("a picture");
    (folder, file)
}

/// `bytefit fit` on `file`, where files may grow to `largest` bytes.
fn fit(file: &Path, output: &Path, largest: u64) -> Command {
    let mut command = binary((libc::RLIMIT_FSIZE, largest));
    command.args(["fit", "--target", "60KB", "--format", "webp"]).arg(file).arg("-o").arg(output);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// SIGKILL at any moment of `bytefit fit`, every other time near its end, where it writes.
async fn killed(scale: Scale) -> Row {
    let (folder, file) = folder();
    let started = Instant::now();
    let first = fit(&file, &folder.path().join("first.webp"), u64::MAX).status();
    assert!(first.is_ok_and(|status| status.success()), "it works when nobody kills it");
    let length = started.elapsed();
    let mut random = Random::new(9);
    let (mut whole, mut half, mut left) = (0, 0, 0);
    for round in 0..scale.count(30) {
        let output = folder.path().join(round.to_string());
        fs::create_dir(&output).expect("a folder");
        let mut child = fit(&file, &output, u64::MAX).spawn().expect("it starts");
        let share = if round % 2 == 0 { random.below(1000) } else { 900 + random.below(200) };
        sleep(length.mul_f64(share as f64 / 1000.0)).await;
        child.kill().and_then(|()| child.wait()).expect("it ends");
        for entry in fs::read_dir(&output).expect("a folder").flatten() {
            let decodes = codec::decode(&fs::read(entry.path()).expect("a file"), &Limits::default()).is_ok();
            match (entry.file_name().to_string_lossy().starts_with(".bytefit-"), decodes) {
                (true, _) => left += 1,
                (false, true) => whole += 1,
                (false, false) => half += 1,
            }
        }
    }
    let measured = format!("{whole} whole, {half} half; {left} left as .bytefit-*");
    Row::new("SIGKILL of `bytefit fit`, 30 times", "no half file", measured, half == 0)
}

/// `bytefit fit` where its answer can't be written.
fn no_room() -> Vec<Row> {
    let (folder, file) = folder();
    let output = folder.path().join("out");
    fs::create_dir(&output).expect("a folder");
    // Its answer is shorter than the buffer of standard output.
    let small = folder.path().join("small.png");
    fs::write(&small, picture::png(8, 1)).expect("a picture");
    let mut full = fit(&small, Path::new("-"), u64::MAX);
    full.stdout(File::options().write(true).open("/dev/full").expect("/dev/full"));
    let cases = [
        ("no room on the disk", fit(&file, &output, 10_000)),
        ("a folder that takes no files", fit(&file, Path::new("/proc"), u64::MAX)),
        ("a folder that isn't there", fit(&file, &output.join("none/out.webp"), u64::MAX)),
        ("no room on standard output", full),
    ];
    let mut rows: Vec<Row> = cases.into_iter().map(|(name, command)| refused(name, command, &output)).collect();
    rows.push(pipe(&file, &folder.path().join("pipe")));
    rows
}

fn refused(name: &'static str, mut command: Command, output: &Path) -> Row {
    let ended = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    let (reason, code) = (said.trim().rsplit(": ").next().unwrap_or_default(), ended.status.code());
    let left = fs::read_dir(output).map_or(0, Iterator::count);
    let held = code == Some(1) && said.starts_with("bytefit: ") && left == 0;
    Row::new(name, "exit 1, a reason, no file", format!("exit {code:?}, {reason:?}, {left} files"), held)
}

/// A pipe or device must not be replaced by a file: think of /dev/null for root.
fn pipe(file: &Path, pipe: &Path) -> Row {
    let made = Command::new("mkfifo").arg(pipe).status().is_ok_and(|status| status.success());
    // Without a reader the writer would wait for ever.
    let reader = File::options().read(true).write(true).open(pipe);
    let code = fit(file, pipe, u64::MAX).status().ok().and_then(|status| status.code());
    drop(reader);
    let kept = fs::symlink_metadata(pipe).is_ok_and(|found| found.file_type().is_fifo());
    let measured = format!("exit {code:?}, still a pipe: {kept}");
    Row::new("the output is a pipe or a device", "it stays one", measured, made && kept)
}
