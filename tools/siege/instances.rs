//! Batches that three instances share by a directory, or an object store, and a Redis. Promised: whatever dies, every
//! item ends once, with the same bytes as without a fault; an item whose instance died runs again within 30 s. A batch
//! that is removed is gone from all of them, and from the store.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use testkit::redis::RedisServer;
use testkit::s3::S3Server;
use tokio::time::{sleep, timeout};

use crate::batch::{self, Answers, answers, busy_after, files_left, is_there, kept, read, remove, submit, until};
use crate::picture;
use crate::server::Server;
use crate::table::{Row, Scale};

/// A batch ends in this time, whatever happens meanwhile.
const PATIENCE: Duration = Duration::from_secs(240);

/// How long a stopped instance sleeps, and a directory is away.
const ASLEEP: Duration = Duration::from_secs(40);
const AWAY: Duration = Duration::from_secs(20);

/// After this time a removed batch costs nothing.
const SOON: Duration = Duration::from_secs(1);

const DEFAULTS: &str = r#"{"target":"9KB","format":"webp","deadline":"60s"}"#;

/// The share of the items that have ended when the fault comes.
const AT_FAULT: f64 = 0.3;
const NEAR_THE_END: f64 = 0.93;

/// Three instances with what they share.
struct Fleet {
    folder: TempDir,
    /// Where the batches are, in place of a directory.
    s3: Option<S3Server>,
    redis: RedisServer,
    _of_redis: TempDir,
    servers: Vec<Server>,
}

/// What goes wrong while a batch is worked on.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    Killed,
    KilledNearTheEnd,
    Stopped,
    RedisRestarted,
    RedisFlushed,
    StoreAway,
    /// Answers, but with 503.
    StoreRefuses,
}

/// What the instances share beside Redis.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Directory,
    Objects,
}

const FAULTS: [(Fault, Place, &str); 12] = [
    (Fault::None, Place::Directory, "three instances, nothing fails"),
    (Fault::Killed, Place::Directory, "kill -9 of one of three instances"),
    (Fault::KilledNearTheEnd, Place::Directory, "kill -9 of one, near the end"),
    (Fault::Stopped, Place::Directory, "SIGSTOP of one for 40 s"),
    (Fault::RedisRestarted, Place::Directory, "Redis killed and started empty"),
    (Fault::RedisFlushed, Place::Directory, "FLUSHALL"),
    (Fault::StoreAway, Place::Directory, "the directory away for 20 s"),
    (Fault::None, Place::Objects, "an object store, nothing fails"),
    (Fault::Killed, Place::Objects, "an object store, kill -9 of one"),
    (Fault::Stopped, Place::Objects, "an object store, SIGSTOP of one for 40 s"),
    (Fault::StoreAway, Place::Objects, "the object store away for 20 s"),
    (Fault::StoreRefuses, Place::Objects, "the object store answers 503 for 20 s"),
];

pub(crate) async fn rows(scale: Scale) -> Vec<Row> {
    let items = scale.count(500);
    let base = picture::jpeg(320, 3);
    let pictures: Vec<Vec<u8>> = (0..items).map(|number| picture::marked(base, number)).collect();
    let (mut rows, mut expected) = (Vec::new(), None);
    for (fault, place, name) in FAULTS {
        let Some(fleet) = Fleet::start(place).await else {
            rows.push(Row::new(name, "redis-server is installed", "it is not".to_owned(), false));
            return rows;
        };
        rows.push(row(fleet, fault, name, &pictures, &mut expected).await);
    }
    for (place, name) in
        [(Place::Directory, "DELETE at one of three instances"), (Place::Objects, "an object store, DELETE at one")]
    {
        if let Some(fleet) = Fleet::start(place).await {
            rows.push(removed(fleet, name, &pictures).await);
        }
    }
    rows
}

async fn row(
    mut fleet: Fleet,
    fault: Fault,
    name: &'static str,
    pictures: &[Vec<u8>],
    expected: &mut Option<Answers>,
) -> Row {
    let started = Instant::now();
    let url = submit(fleet.servers[0].address, DEFAULTS, pictures).await;
    let (mut since, mut survivor) = (Instant::now(), fleet.servers[1].address);
    let items = pictures.len() as f64;
    let share = if fault == Fault::KilledNearTheEnd { NEAR_THE_END } else { AT_FAULT };
    if fault != Fault::None {
        until(survivor, &url, |status| status.done >= (items * share) as u64).await;
        since = Instant::now();
        survivor = fleet.apply(fault).await;
    }
    let ended = timeout(PATIENCE, until(survivor, &url, |status| status.is_over)).await;
    let (whole, after) = (started.elapsed(), since.elapsed());
    if fault == Fault::Stopped {
        sleep(ASLEEP.saturating_sub(since.elapsed())).await;
        fleet.servers[2].signal(libc::SIGCONT);
        sleep(Duration::from_secs(5)).await;
        survivor = fleet.servers[2].address;
    }
    let Ok(status) = ended else {
        let status = read(survivor, &url).await.map_or(0, |status| status.done);
        return Row::new(name, "all done", format!("{status} of {items} done in {PATIENCE:?}"), false);
    };
    let answers = answers(survivor, &url, pictures.len()).await;
    let is_same = *expected.get_or_insert_with(|| answers.clone()) == answers;
    let batch::Kept { records, places, .. } = kept(&fleet.batches(), &url);
    let in_time = fault != Fault::KilledNearTheEnd || after <= Duration::from_secs(30);
    let all = status.done == pictures.len() as u64 && records == pictures.len() && places == pictures.len();
    Row::new(
        name,
        "all done once, the same bytes, a dead one's items again within 30 s",
        format!(
            "{} done in {:.1} s, {:.1} s after the fault; {records} records, {places} items in order; answers {}",
            status.done,
            whole.as_secs_f64(),
            after.as_secs_f64(),
            if is_same { "identical" } else { "DIFFER" }
        ),
        all && is_same && in_time,
    )
}

/// A batch that is removed at one instance while all work on it.
async fn removed(fleet: Fleet, name: &'static str, pictures: &[Vec<u8>]) -> Row {
    let [asked, other] = [0, 1].map(|number| fleet.servers[number].address);
    let url = submit(asked, DEFAULTS, pictures).await;
    let share = (pictures.len() as f64 * AT_FAULT) as u64;
    until(other, &url, |status| status.done >= share).await;
    let since = Instant::now();
    let gone = async {
        let status = remove(asked, &url).await;
        for server in &fleet.servers {
            while is_there(server.address, &url).await {}
        }
        (status, since.elapsed())
    };
    let (gone, idle) = tokio::join!(timeout(PATIENCE, gone), busy_after(since, &fleet.servers));
    let (status, gone) = gone.unwrap_or((0, PATIENCE));
    sleep(Duration::from_secs(2)).await;
    let left = files_left(&fleet.batches(), &url);
    let held = status == 204 && gone <= SOON && idle <= SOON && left == 0;
    Row::new(
        name,
        "gone from all and no thread busy within 1 s, nothing left",
        format!("{status}; gone after {gone:.2?}, no job after {idle:.2?}; {left} files left"),
        held,
    )
}

impl Fleet {
    async fn start(place: Place) -> Option<Fleet> {
        let (folder, of_redis) = (TempDir::new().expect("a directory"), TempDir::new().expect("a directory"));
        let redis = RedisServer::start(of_redis.path())?;
        let s3 = match place {
            Place::Objects => Some(S3Server::start(folder.path()).await),
            Place::Directory => None,
        };
        let (dir, url) = (folder.path().join("batches"), redis.url());
        let (key, value) = match &s3 {
            Some(s3) => ("BATCH__STORE_URL", s3.url("batches")),
            None => ("BATCH__DIR", dir.to_string_lossy().into_owned()),
        };
        let settings =
            [(key, &*value), ("BATCH__REDIS_URL", &*url), ("BATCH__MAX_CONCURRENT", "10"), ("ENGINE__THREADS", "2")];
        let mut servers = Vec::new();
        for _ in 0..3 {
            servers.push(Server::open(&settings).await);
        }
        Some(Fleet { folder, s3, redis, _of_redis: of_redis, servers })
    }

    /// The folder of the batches.
    fn batches(&self) -> PathBuf {
        let bucket = if self.s3.is_some() { "pictures" } else { "" };
        self.folder.path().join(bucket).join("batches")
    }

    /// Makes the fault happen, and returns an instance that is asked from then on.
    async fn apply(&mut self, fault: Fault) -> SocketAddr {
        match fault {
            Fault::None => {}
            Fault::Killed | Fault::KilledNearTheEnd => self.servers[2].signal(libc::SIGKILL),
            Fault::Stopped => self.servers[2].signal(libc::SIGSTOP),
            Fault::RedisRestarted => self.redis.restart(),
            Fault::RedisFlushed => self.redis.send("FLUSHALL"),
            Fault::StoreAway if self.s3.is_some() => {
                self.s3.iter_mut().for_each(S3Server::go_away);
                sleep(AWAY).await;
                if let Some(s3) = &mut self.s3 {
                    s3.come_back().await;
                }
            }
            Fault::StoreRefuses => {
                self.s3.iter().for_each(|s3| s3.refuse(true));
                sleep(AWAY).await;
                self.s3.iter().for_each(|s3| s3.refuse(false));
            }
            Fault::StoreAway => {
                let [there, away] = ["batches", "away"].map(|name| self.folder.path().join(name));
                fs::rename(&there, &away).expect("the directory");
                sleep(AWAY).await;
                fs::rename(&away, &there).expect("the directory");
            }
        }
        self.servers[1].address
    }
}
