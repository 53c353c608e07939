//! Batches that three instances share by a directory, or an object store, and a Redis. Promised: whatever dies, every item ends once, with the same
//! bytes as without a fault; an item whose instance died runs again within 30 s.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use testkit::redis::RedisServer;
use testkit::s3::S3Server;
use tokio::time::{sleep, timeout};

use crate::client::{Connection, ask, get, request};
use crate::picture;
use crate::server::Server;
use crate::table::{Row, Scale};

/// A batch ends in this time, whatever happens meanwhile.
const PATIENCE: Duration = Duration::from_secs(240);

/// How long a stopped instance sleeps, and a directory is away.
const ASLEEP: Duration = Duration::from_secs(40);
const AWAY: Duration = Duration::from_secs(20);

/// The share of the items that have ended when the fault comes.
const AT_FAULT: f64 = 0.3;
const NEAR_THE_END: f64 = 0.93;

/// The bytes of answers, in the order of the batch.
type Answers = Vec<Vec<u8>>;

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
}

/// What the instances share beside Redis.
#[derive(Clone, Copy, PartialEq)]
enum Kept {
    Directory,
    Objects,
}

const FAULTS: [(Fault, Kept, &str); 10] = [
    (Fault::None, Kept::Directory, "three instances, nothing fails"),
    (Fault::Killed, Kept::Directory, "kill -9 of one of three instances"),
    (Fault::KilledNearTheEnd, Kept::Directory, "kill -9 of one, near the end"),
    (Fault::Stopped, Kept::Directory, "SIGSTOP of one for 40 s"),
    (Fault::RedisRestarted, Kept::Directory, "Redis killed and started empty"),
    (Fault::RedisFlushed, Kept::Directory, "FLUSHALL"),
    (Fault::StoreAway, Kept::Directory, "the directory away for 20 s"),
    (Fault::None, Kept::Objects, "an object store, nothing fails"),
    (Fault::Killed, Kept::Objects, "an object store, kill -9 of one"),
    (Fault::StoreAway, Kept::Objects, "the object store away for 20 s"),
];

pub(crate) async fn rows(scale: Scale) -> Vec<Row> {
    let items = scale.count(500);
    let base = picture::jpeg(320, 3);
    let pictures: Vec<Vec<u8>> = (0..items).map(|number| picture::marked(base, number)).collect();
    let (mut rows, mut expected) = (Vec::new(), None);
    for (fault, kept, name) in FAULTS {
        let Some(fleet) = Fleet::start(kept).await else {
            rows.push(Row::new(name, "redis-server is installed", "it is not".to_owned(), false));
            break;
        };
        rows.push(row(fleet, fault, name, &pictures, &mut expected).await);
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
    let url = submit(fleet.servers[0].address, pictures).await;
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
    let (records, places) = counted(&fleet.batches(), &url);
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

impl Fleet {
    async fn start(kept: Kept) -> Option<Fleet> {
        let (folder, of_redis) = (TempDir::new().expect("a directory"), TempDir::new().expect("a directory"));
        let redis = RedisServer::start(of_redis.path())?;
        let s3 = match kept {
            Kept::Objects => Some(S3Server::start(folder.path()).await),
            Kept::Directory => None,
        };
        let (dir, url) = (folder.path().join("batches"), redis.url());
        let (key, place) = match &s3 {
            Some(s3) => ("BATCH__STORE_URL", s3.url("batches")),
            None => ("BATCH__DIR", dir.to_string_lossy().into_owned()),
        };
        let settings =
            [(key, &*place), ("BATCH__REDIS_URL", &*url), ("BATCH__MAX_CONCURRENT", "10"), ("ENGINE__THREADS", "2")];
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

/// How far a batch is.
struct Status {
    done: u64,
    is_over: bool,
}

async fn submit(address: SocketAddr, pictures: &[Vec<u8>]) -> String {
    let spec = r#"{"defaults":{"target":"9KB","format":"webp","deadline":"60s"},"max_concurrent":10}"#;
    let mut body = part("spec", None, spec.as_bytes());
    for (number, picture) in pictures.iter().enumerate() {
        body.extend(part("file", Some(&format!("{number}.jpg")), picture));
    }
    body.extend(b"--siege--\r\n");
    let head = "content-type: multipart/form-data; boundary=siege\r\n";
    let mut connection = Connection::open(address).await.expect("a connection");
    let answer = connection.ask(&request("POST /batches", head, &body)).await.expect("an answer");
    assert_eq!(answer.status, 202, "{}", String::from_utf8_lossy(&answer.body));
    answer.header("location").to_owned()
}

fn part(name: &str, file: Option<&str>, content: &[u8]) -> Vec<u8> {
    let file = file.map(|file| format!("; filename=\"{file}\"")).unwrap_or_default();
    let head = format!("--siege\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
    [head.as_bytes(), content, b"\r\n"].concat()
}

async fn read(address: SocketAddr, url: &str) -> Option<Status> {
    let answer = ask(address, &get(&format!("{url}?limit=0"))).await.ok()?;
    if answer.status != 200 {
        return None;
    }
    let status = answer.json();
    let is_over = ["done", "failed", "cancelled"].contains(&status["state"].as_str()?);
    Some(Status { done: status["counts"]["done"].as_u64()?, is_over })
}

async fn until(address: SocketAddr, url: &str, is_so: impl Fn(&Status) -> bool) -> Status {
    loop {
        if let Some(status) = read(address, url).await.filter(&is_so) {
            return status;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

async fn answers(address: SocketAddr, url: &str, items: usize) -> Answers {
    let mut answers = Vec::new();
    for index in 0..items {
        let answer = ask(address, &get(&format!("{url}/items/{index}"))).await;
        answers.push(answer.map(|answer| answer.body).unwrap_or_default());
    }
    answers
}

/// The records of a batch, and the items that have a place in its order.
fn counted(folder: &Path, url: &str) -> (usize, usize) {
    let batch = folder.join(url.trim_start_matches("/batches/"));
    let names = fs::read_dir(batch.join("out")).expect("the answers").flatten().map(|entry| entry.file_name());
    let records = names.filter(|name| name.to_string_lossy().ends_with(".json")).count();
    let places = fs::read_dir(batch.join("order")).expect("the order").flatten();
    let items: BTreeSet<String> = places.map(|place| fs::read_to_string(place.path()).unwrap_or_default()).collect();
    (records, items.len())
}
