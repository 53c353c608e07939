//! Overload: ten times the work that the service can do. Promised: refusals come within 20 ms of the head, with a
//! Retry-After that is about right; throughput stays at 90 % of the highest; an admitted request is answered by the
//! deadline; small pictures are admitted as often as large ones.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use crate::client::{Connection, crowd, request};
use crate::picture;
use crate::server::Server;
use crate::table::{Row, Scale};
use crate::times::Times;
use crate::watch::Watch;

const LINE: &str = "POST /compress?target=20KB&format=webp&effort=fast&deadline=10s";
const DEADLINE_MS: f64 = 10_000.0;
const SETTINGS: &[(&str, &str)] =
    &[("CACHE__CAPACITY", "0"), ("SERVER__MAX_CONNECTIONS", "8192"), ("ENGINE__QUEUE_SLOTS", "32")];
const QUEUE_SLOTS: f64 = 32.0;

pub(crate) async fn rows(scale: Scale) -> Vec<Row> {
    let server = Server::open(SETTINGS).await;
    let (address, picture, length) = (server.address, picture::jpeg(512, 1), scale.seconds(60));
    let before = peak(address, picture, scale.seconds(10)).await;
    let (health, until) = (Watch::health(address), Instant::now() + length);
    let flood = offer(address, &[picture], 10.0 * before, length).await;
    let health = health.end();
    // The speed of a shared machine changes: measure again.
    let after = peak(address, picture, scale.seconds(10)).await;
    let in_time = flood.iter().filter(|attempt| attempt.status == 200 && attempt.ended < until).count();
    let mut rows = Vec::from(flooded(&flood, in_time as f64 / length.as_secs_f64(), (before + after) / 2.0));
    rows.push(Row::new("/health beside it", "within 100 ms", health.to_string(), health.all_within(100.0)));
    let pictures = [picture::jpeg(64, 1), picture::jpeg(2000, 2)];
    rows.push(fair(&offer(address, &pictures, 10.0 * before, length).await));
    rows
}

/// What came of one request.
struct Attempt {
    kind: usize,
    /// Whether the service asked for the body.
    admitted: bool,
    status: u16,
    /// From the end of the head to the refusal, or to the whole answer.
    took: Duration,
    ended: Instant,
    retry_after: Option<u64>,
}

/// Sends a head, then the body if it is wanted.
async fn attempt(address: SocketAddr, kind: usize, body: &[u8]) -> std::io::Result<Attempt> {
    let request = request(LINE, "expect: 100-continue\r\n", body);
    let (head, body) = request.split_at(request.len() - body.len());
    let mut connection = Connection::open(address).await?;
    connection.send(head).await?;
    let asked = Instant::now();
    let mut answer = connection.answer().await?;
    let admitted = answer.status == 100;
    if admitted {
        connection.send(body).await?;
        answer = connection.answer().await?;
    }
    let ended = Instant::now();
    let (status, took, retry_after) = (answer.status, ended - asked, answer.retry_after());
    Ok(Attempt { kind, admitted, status, took, ended, retry_after })
}

/// The highest throughput: answers a second to as many clients as there are cores.
async fn peak(address: SocketAddr, picture: &'static [u8], length: Duration) -> f64 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let until = Instant::now() + length;
    let client = |client: usize| async move {
        let mut done = 0;
        while Instant::now() < until {
            let body = picture::marked(picture, client << 32 | done);
            done += usize::from(attempt(address, 0, &body).await.is_ok_and(|attempt| attempt.status == 200));
        }
        done
    };
    crowd(cores, client).await.iter().sum::<usize>() as f64 / length.as_secs_f64()
}

/// Sends requests at this rate, with each of the pictures in turn, without waiting for answers.
async fn offer(address: SocketAddr, pictures: &[&'static [u8]], rate: f64, length: Duration) -> Vec<Attempt> {
    let mut ticks = interval(Duration::from_secs_f64(1.0 / rate));
    let mut attempts = JoinSet::new();
    for number in 0..(rate * length.as_secs_f64()) as usize {
        ticks.tick().await;
        let kind = number % pictures.len();
        let picture = pictures[kind];
        attempts.spawn(async move { attempt(address, kind, &picture::marked(picture, 1 << 60 | number)).await });
    }
    let attempts: Result<Vec<Attempt>, _> = attempts.join_all().await.into_iter().collect();
    attempts.expect("everyone is answered")
}

/// Times of the attempts that were admitted and answered, or that were refused at once.
fn times(attempts: &[Attempt], kind: usize, admitted: bool) -> Times {
    let status = if admitted { 200 } else { 503 };
    let these =
        attempts.iter().filter(|attempt| (attempt.kind, attempt.admitted, attempt.status) == (kind, admitted, status));
    these.map(|attempt| Some(attempt.took)).collect()
}

/// Judges the `attempts` of a flood, in which `goodput` requests a second were answered.
fn flooded(attempts: &[Attempt], goodput: f64, peak: f64) -> [Row; 4] {
    const NAME: &str = "ten times the load";
    let (admitted, refused) = (times(attempts, 0, true), times(attempts, 0, false));
    let late = attempts.len() - admitted.count() - refused.count();
    let refusals = attempts.iter().filter(|attempt| !attempt.admitted);
    let said: Vec<u64> = refusals.filter_map(|attempt| attempt.retry_after).collect();
    let (least, most) = (said.iter().min().map_or(0, |s| *s), said.iter().max().map_or(0, |s| *s));
    let wait = QUEUE_SLOTS / goodput;
    let honest = said.len() == refused.count() && most as f64 <= 2.0 * wait + 1.0 && least as f64 >= wait / 2.0;
    let counts = format!("{} answered, {} refused, {late} let in and then refused", admitted.count(), refused.count());
    let answers = format!("{goodput:.1} a second of {peak:.1}; {counts}");
    let waits = format!("{least} to {most} s in {} of {}; the queue takes {wait:.1} s", said.len(), refused.count());
    let says = "Retry-After always: from half to twice what the queue takes, and a second";
    let done = "90 % of the peak is done; at most one in 20 is refused after it was let in";
    [
        Row::new(NAME, done, answers, goodput >= 0.9 * peak && 20 * late <= admitted.count()),
        Row::new(NAME, "refused: p99 within 20 ms", refused.to_string(), refused.at(0.99) <= 20.0),
        Row::new(NAME, says, waits, honest),
        Row::new(NAME, "let in: answered within 10 s", admitted.to_string(), admitted.all_within(DEADLINE_MS)),
    ]
}

fn fair(attempts: &[Attempt]) -> Row {
    let [small, large] = [0, 1].map(|kind| times(attempts, kind, true));
    let share = 100.0 * small.count() as f64 / (small.count() + large.count()) as f64;
    Row::new(
        "64x64 and 2000x2000 in turn, as many",
        "40 to 60 % of those let in are small",
        format!("{share:.0} %; p95 small {:.0} ms, large {:.0}", small.at(0.95), large.at(0.95)),
        (40.0..=60.0).contains(&share),
    )
}
