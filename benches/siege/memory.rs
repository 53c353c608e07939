//! Memory: 200 clients at once with pictures at the pixel limit. Promised: the service never has more than
//! its base and the budget of `engine.memory` with 10 % on top, bodies included; who finds no room is told 503
//! and when to come back, and comes back; /health answers within 100 ms.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::client::{ask, crowd, post};
use crate::house::House;
use crate::picture;
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

pub async fn rows(scale: Scale) -> Vec<Row> {
    let fast = attack(scale, "200 pictures of 4 megapixels, WebP, fast", "format=webp&effort=fast").await;
    let best = attack(scale, "the same, every format, best", "format=webp,jpeg,png,avif&effort=best").await;
    fast.into_iter().chain(best).collect()
}

async fn attack(scale: Scale, name: &'static str, query: &str) -> [Row; 3] {
    let mut house = House::open(SETTINGS).await;
    let (address, base) = (house.address, house.resident_mib());
    let query: &str = format!("target=100KB&deadline=60s&{query}").leak();
    let bodies = [picture::jpeg(2000, 1), picture::png(2000, 2)];
    let health = Watch::health(address);
    let until = Instant::now() + scale.seconds(60);
    let statuses = crowd(CLIENTS, |number| insist(address, query, bodies[number % 2], number, until)).await.concat();
    let (health, alive, peak) = (health.end(), house.is_alive(), house.peak_mib());
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

/// Asks again and again, as soon as it may; the statuses, 0 for no answer or a refusal that doesn't say when.
async fn insist(
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
