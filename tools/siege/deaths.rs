//! Workers that die while clients ask without a pause. Promised: a death costs the request that the worker was busy
//! with and no other, and /health is answered within 10 ms.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::client::{Connection, crowd, post};
use crate::picture;
use crate::server::Server;
use crate::table::{Row, Scale};
use crate::watch::Watch;

const CLIENTS: usize = 2;
const DEATHS: &str = r#"bytefit_worker_deaths_total{cause="#;
/// The first SIGSEGV from outside ends no process: the handler that tells of stack overflows takes it.
const SIGNALS: [libc::c_int; 3] = [libc::SIGKILL, libc::SIGSEGV, libc::SIGABRT];
const QUIET: Duration = Duration::from_millis(150);

pub(crate) async fn rows(scale: Scale) -> Vec<Row> {
    let server = Server::open(&[("CACHE__CAPACITY", "0"), ("ENGINE__WORKERS", "processes")]).await;
    let length = scale.seconds(60);
    let alone = Watch::health(server.address);
    load(&server, length / 4, false).await;
    let alone = alone.end();
    let beside = Watch::health(server.address);
    let deaths = load(&server, length, true).await;
    let beside = beside.end();
    let counted = server.series_starting_with(DEATHS).await;
    let Load { answered, died, other, killed } = deaths;
    vec![
        Row::new(
            "workers die under load",
            "each death costs one request, and no other is lost",
            format!("{killed} signals, {counted} deaths; {answered} x 200, {died} x 500, {other} others"),
            died > 0 && other == 0 && (died as f64..=killed as f64).contains(&counted),
        ),
        Row::new(
            "/health beside it",
            "p99 within 10 ms",
            format!("{beside}; without deaths {alone}"),
            beside.failed == 0 && beside.at(0.99) <= 10.0,
        ),
    ]
}

/// What came of the requests, and how many workers were ended.
struct Load {
    answered: usize,
    died: usize,
    other: usize,
    killed: usize,
}

async fn load(server: &Server, length: Duration, kills: bool) -> Load {
    let until = Instant::now() + length;
    let (address, file) = (server.address, picture::jpeg(600, 1));
    let clients = tokio::spawn(crowd(CLIENTS, move |client| statuses(address, file, client, until)));
    let mut killed = 0;
    while kills && Instant::now() < until - QUIET {
        sleep(QUIET).await;
        if let Some(worker) = server.busy_workers().first() {
            // SAFETY: a signal to a worker of the service that this program started.
            unsafe { libc::kill(*worker, SIGNALS[killed % SIGNALS.len()]) };
            killed += 1;
        }
    }
    let statuses = clients.await.expect("clients don't panic").concat();
    let count = |status: u16| statuses.iter().filter(|found| **found == status).count();
    let (answered, died) = (count(200), count(500));
    Load { answered, died, other: statuses.len() - answered - died, killed }
}

/// The status of each answer to one client; 0 where there was none.
async fn statuses(address: SocketAddr, file: &'static [u8], client: usize, until: Instant) -> Vec<u16> {
    let mut connection = Connection::open(address).await.expect("a connection");
    let mut statuses = Vec::new();
    while Instant::now() < until {
        let request = post("target=20KB&format=webp", &picture::marked(file, client << 32 | statuses.len()));
        statuses.push(connection.ask(&request).await.map_or(0, |answer| answer.status));
    }
    statuses
}
