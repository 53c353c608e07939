//! Overload: ten times the work that there is room for. Promised: refusals come within 20 ms of the head and
//! say honestly when to come back, the work done stays at 90 % of the most that can be done, whoever is let in
//! is answered by the deadline, and small pictures are let in as often as large ones.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};

use crate::client::{Connection, crowd, request};
use crate::house::House;
use crate::picture;
use crate::table::{Row, Scale};
use crate::times::Times;
use crate::watch::Watch;

const LINE: &str = "POST /compress?target=20KB&format=webp&effort=fast&deadline=10s";
const DEADLINE_MS: f64 = 10_000.0;
const SETTINGS: &[(&str, &str)] =
    &[("CACHE__CAPACITY", "0"), ("SERVER__MAX_CONNECTIONS", "8192"), ("ENGINE__QUEUE_SLOTS", "32")];
const QUEUE_SLOTS: f64 = 32.0;

pub async fn rows(scale: Scale) -> Vec<Row> {
    let house = House::open(SETTINGS).await;
    let picture = picture::jpeg(512, 1);
    let peak = peak(house.address, picture, scale.seconds(20)).await;
    let mut rows = Vec::from(flooded(&house, picture, peak, scale.seconds(60)).await);
    // Those of the flood who were let in must not crowd the next.
    sleep(Duration::from_secs(2)).await;
    rows.push(mixed(&house, scale.seconds(60)).await);
    rows
}

/// What came of a knock at the door.
struct Knock {
    kind: usize,
    status: u16,
    /// From the end of the head to the refusal, or to the whole answer.
    took: Duration,
    ended: Instant,
    retry_after: Option<u64>,
}

/// Sends a head, then the body if it is wanted.
async fn knock(address: SocketAddr, kind: usize, body: &[u8]) -> std::io::Result<Knock> {
    let request = request(LINE, "expect: 100-continue\r\n", body);
    let (head, body) = request.split_at(request.len() - body.len());
    let mut connection = Connection::open(address).await?;
    connection.send(head).await?;
    let asked = Instant::now();
    let mut answer = connection.answer().await?;
    if answer.status == 100 {
        connection.send(body).await?;
        answer = connection.answer().await?;
    }
    let ended = Instant::now();
    Ok(Knock { kind, status: answer.status, took: ended - asked, ended, retry_after: answer.retry_after() })
}

/// The most that can be done: answers a second to as many clients as there are cores.
async fn peak(address: SocketAddr, picture: &'static [u8], length: Duration) -> f64 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let until = Instant::now() + length;
    let client = |client: usize| async move {
        let mut done = 0;
        while Instant::now() < until {
            let body = picture::marked(picture, client << 32 | done);
            done += usize::from(knock(address, 0, &body).await.is_ok_and(|knock| knock.status == 200));
        }
        done
    };
    crowd(cores, client).await.iter().sum::<usize>() as f64 / length.as_secs_f64()
}

/// Knocks at this rate, whatever comes of it, with each of the pictures in turn.
async fn offer(address: SocketAddr, pictures: &[&'static [u8]], rate: f64, length: Duration) -> Vec<Knock> {
    let mut ticks = interval(Duration::from_secs_f64(1.0 / rate));
    let mut knocks = JoinSet::new();
    for number in 0..(rate * length.as_secs_f64()) as usize {
        ticks.tick().await;
        let kind = number % pictures.len();
        let picture = pictures[kind];
        knocks.spawn(async move { knock(address, kind, &picture::marked(picture, 1 << 60 | number)).await });
    }
    let knocks: Result<Vec<Knock>, _> = knocks.join_all().await.into_iter().collect();
    knocks.expect("everyone is answered")
}

fn times(knocks: &[Knock], kind: usize, status: u16) -> Times {
    let asked = knocks.iter().filter(|knock| knock.kind == kind && knock.status == status);
    asked.map(|knock| Some(knock.took)).collect()
}

async fn flooded(house: &House, picture: &'static [u8], peak: f64, length: Duration) -> [Row; 5] {
    const NAME: &str = "ten times the load";
    let health = Watch::health(house.address);
    let until = Instant::now() + length;
    let knocks = offer(house.address, &[picture], 10.0 * peak, length).await;
    let health = health.end();
    let (admitted, refused) = (times(&knocks, 0, 200), times(&knocks, 0, 503));
    let other = knocks.len() - admitted.count() - refused.count();
    let in_time = knocks.iter().filter(|knock| knock.status == 200 && knock.ended < until).count();
    let goodput = in_time as f64 / length.as_secs_f64();
    let said: Vec<u64> = knocks.iter().filter_map(|knock| knock.retry_after).collect();
    let (least, most) = (said.iter().min().map_or(0, |s| *s), said.iter().max().map_or(0, |s| *s));
    let wait = QUEUE_SLOTS / goodput;
    let honest =
        said.len() == refused.count() && most as f64 <= 2.0 * wait + 1.0 && least as f64 >= (wait / 2.0).floor();
    let counts = format!("{} x 200, {} x 503, {other} other", admitted.count(), refused.count());
    [
        Row::new(
            NAME,
            "goodput at least 90 % of the peak; 200 or 503",
            format!("{goodput:.1} a second of {peak:.1}; {counts}"),
            goodput >= 0.9 * peak && other == 0,
        ),
        Row::new(NAME, "refused: p99 within 20 ms", refused.to_string(), refused.at(0.99) <= 20.0),
        Row::new(
            NAME,
            "Retry-After always, between half and twice what the queue takes, to the second",
            format!("{least} to {most} s in {} of {}; the queue takes {wait:.1} s", said.len(), refused.count()),
            honest,
        ),
        Row::new(NAME, "admitted: answered within 10 s", admitted.to_string(), admitted.all_within(DEADLINE_MS)),
        Row::new(NAME, "/health within 100 ms", health.to_string(), health.all_within(100.0)),
    ]
}

/// Small and large pictures in turn, far more than there is room for.
async fn mixed(house: &House, length: Duration) -> Row {
    let knocks = offer(house.address, &[picture::jpeg(64, 1), picture::jpeg(2000, 2)], 100.0, length).await;
    let [small, large] = [0, 1].map(|kind| times(&knocks, kind, 200));
    let share = 100.0 * small.count() as f64 / (small.count() + large.count()) as f64;
    Row::new(
        "64x64 and 2000x2000 in turn, 100 a second",
        "40 to 60 % of those let in are small",
        format!("{share:.0} %; p95 small {:.0} ms, large {:.0}", small.at(0.95), large.at(0.95)),
        (40.0..=60.0).contains(&share),
    )
}
