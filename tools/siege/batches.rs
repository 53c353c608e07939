//! Batches of one instance. Promised: a batch survives kill -9 at any moment, and an object store that fails, with
//! every item done once and the counts exact; a removed one frees its threads within a second.

use std::path::PathBuf;
use std::slice;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use testkit::random::Random;
use testkit::s3::S3Server;
use tokio::time::{sleep, timeout};

use crate::batch::{Answers, Kept, answers, busy_after, files_left, is_there, kept, remove, submit, until};
use crate::picture;
use crate::server::Server;
use crate::table::{Row, Scale};

/// A batch ends in this time, whatever happens meanwhile.
const PATIENCE: Duration = Duration::from_secs(240);

/// How long an object store fails.
const AWAY: Duration = Duration::from_secs(20);

/// After this time a removed batch costs nothing.
const SOON: Duration = Duration::from_secs(1);

const DEFAULTS: &str = r#"{"target":"9KB","format":"webp","deadline":"60s"}"#;

/// A place for batches, which outlives the instance.
struct Place {
    folder: TempDir,
    s3: Option<S3Server>,
}

/// What goes wrong while a batch is worked on.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    Killed,
    StoreAway,
    StoreRefuses,
}

pub(crate) async fn rows(scale: Scale) -> Vec<Row> {
    let items = scale.count(500);
    let base = picture::jpeg(320, 3);
    let pictures: Vec<Vec<u8>> = (0..items).map(|number| picture::marked(base, number)).collect();
    let kills = scale.count(20);
    let (mut rows, mut expected) = (Vec::new(), None);
    for (fault, in_objects, name) in [
        (Fault::None, false, "a batch in a directory"),
        (Fault::Killed, false, "kill -9, 20 times, a directory"),
        (Fault::None, true, "a batch in an object store"),
        (Fault::Killed, true, "kill -9, 20 times, an object store"),
        (Fault::StoreAway, true, "the object store away for 20 s"),
        (Fault::StoreRefuses, true, "the object store answers 503 for 20 s"),
    ] {
        let place = Place::new(in_objects).await;
        rows.push(whole(place, fault, name, &pictures, kills, &mut expected).await);
    }
    for (in_objects, name) in
        [(false, "DELETE of a batch in a directory"), (true, "DELETE of a batch in an object store")]
    {
        rows.push(removed(Place::new(in_objects).await, name, &pictures).await);
    }
    rows
}

impl Place {
    async fn new(in_objects: bool) -> Place {
        let folder = TempDir::new().expect("a directory");
        let s3 = if in_objects { Some(S3Server::start(folder.path()).await) } else { None };
        Place { folder, s3 }
    }

    /// The folder of the batches.
    fn batches(&self) -> PathBuf {
        let bucket = if self.s3.is_some() { "pictures" } else { "" };
        self.folder.path().join(bucket).join("batches")
    }

    async fn instance(&self) -> Server {
        let (key, value) = match &self.s3 {
            Some(s3) => ("BATCH__STORE_URL", s3.url("batches")),
            None => ("BATCH__DIR", self.batches().to_string_lossy().into_owned()),
        };
        Server::open(&[(key, &value), ("BATCH__MAX_CONCURRENT", "10")]).await
    }

    /// Has the store fail for a while.
    async fn fail(&mut self, fault: Fault) {
        let Some(s3) = &mut self.s3 else { return };
        if fault == Fault::StoreAway {
            s3.go_away();
            sleep(AWAY).await;
            s3.come_back().await;
        } else {
            s3.refuse(true);
            sleep(AWAY).await;
            s3.refuse(false);
        }
    }
}

/// A batch that is worked on to its end.
async fn whole(
    mut place: Place,
    fault: Fault,
    name: &'static str,
    pictures: &[Vec<u8>],
    kills: usize,
    expected: &mut Option<Answers>,
) -> Row {
    let started = Instant::now();
    let mut server = place.instance().await;
    let url = submit(server.address, DEFAULTS, pictures).await;
    let mut killed = 0;
    match fault {
        Fault::None => {}
        Fault::Killed => (server, killed) = kill_often(&place, server, &url, kills).await,
        Fault::StoreAway | Fault::StoreRefuses => {
            until(server.address, &url, |status| status.done >= pictures.len() as u64 / 4).await;
            place.fail(fault).await;
        }
    }
    let Ok(status) = timeout(PATIENCE, until(server.address, &url, |status| status.is_over)).await else {
        return Row::new(name, "all done", format!("not in {PATIENCE:?}"), false);
    };
    let took = started.elapsed();
    let answers = answers(server.address, &url, pictures.len()).await;
    let is_same = *expected.get_or_insert_with(|| answers.clone()) == answers;
    let Kept { records, numbers, .. } = kept(&place.batches(), &url);
    let all = [status.done as usize, records, numbers].iter().all(|count| *count == pictures.len());
    Row::new(
        name,
        "every item done once, counts exact, the same bytes",
        format!(
            "{} done in {:.1} s; {records} records, {numbers} numbers; killed {killed} times; answers {}",
            status.done,
            took.as_secs_f64(),
            if is_same { "identical" } else { "DIFFER" }
        ),
        all && is_same && (fault != Fault::Killed || killed == kills),
    )
}

/// Kills the instance at random moments, and starts another each time.
async fn kill_often(place: &Place, mut server: Server, url: &str, kills: usize) -> (Server, usize) {
    let mut random = Random::new(11);
    let mut killed = 0;
    for _ in 0..kills {
        sleep(Duration::from_millis(50 + random.below(700) as u64)).await;
        let is_over = async { until(server.address, url, |_| true).await.is_over };
        if timeout(Duration::from_secs(5), is_over).await.unwrap_or(false) {
            break;
        }
        server.signal(libc::SIGKILL);
        server.ended(Duration::from_secs(5)).await;
        killed += 1;
        server = place.instance().await;
    }
    (server, killed)
}

/// A batch that is removed in the middle.
async fn removed(place: Place, name: &'static str, pictures: &[Vec<u8>]) -> Row {
    let server = place.instance().await;
    let url = submit(server.address, DEFAULTS, pictures).await;
    until(server.address, &url, |status| status.done >= pictures.len() as u64 / 4).await;
    let since = Instant::now();
    let removal = async { (remove(server.address, &url).await, since.elapsed()) };
    let ((status, answered), idle) = tokio::join!(removal, busy_after(since, slice::from_ref(&server)));
    let is_gone = !is_there(server.address, &url).await;
    sleep(SOON).await;
    let left = files_left(&place.batches(), &url);
    Row::new(
        name,
        "no thread busy after 1 s, nothing left",
        format!("{status} after {answered:.2?}, no job after {idle:.2?}; {left} files left"),
        status == 204 && is_gone && idle <= SOON && left == 0,
    )
}
