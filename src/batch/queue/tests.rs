//! Tests with the real server, where it is installed.

use std::slice::from_ref;
use std::time::Instant;

use tempfile::TempDir;
use testkit::redis::RedisServer;

use super::*;

const KEPT: Duration = Duration::from_secs(60);

/// Instances with one Redis.
struct Shared {
    server: RedisServer,
    _folder: TempDir,
}

impl Shared {
    fn start() -> Option<Shared> {
        let folder = tempfile::tempdir().unwrap();
        let server = RedisServer::start(folder.path());
        assert!(server.is_some() || std::env::var_os("BYTEFIT_TOOLS").is_none(), "redis-server is not installed");
        Some(Shared { server: server?, _folder: folder })
    }

    async fn instance(&self, writer: u64) -> Arc<Queue> {
        let queue = Queue::new(self.server.url().parse().unwrap(), "store", writer, Arc::new(Metrics::new()));
        let queue = Arc::new(queue);
        let keeping = Arc::clone(&queue);
        tokio::spawn(async move { keeping.keep().await });
        queue.works().await;
        queue
    }

    /// Makes an entry look as if its instance had given no sign for a minute.
    fn age(&self, entry: &Entry, owner: &Queue) {
        let key = &owner.keys.items;
        self.server.send(&format!("XCLAIM {key} {GROUP} {} 0 {} IDLE 60000 JUSTID", owner.instance, entry.id));
    }
}

fn indexes(entries: &[Entry]) -> Vec<usize> {
    entries.iter().map(|entry| entry.index).collect()
}

#[tokio::test]
async fn no_more_items_of_a_batch_are_taken_than_it_asks_for_whoever_takes_them() {
    let Some(shared) = Shared::start() else { return };
    let (one, other) = (shared.instance(1).await, shared.instance(2).await);
    let batch = BatchId::generate().unwrap();
    one.add(&batch, &[0, 1, 2, 3], 2, KEPT).await.unwrap();
    let first = one.take(1).await.unwrap();
    let second = other.take(9).await.unwrap();
    assert_eq!((indexes(&first), indexes(&second)), (vec![0], vec![1]));
    assert!(other.take(9).await.unwrap().is_empty(), "two at once");
    assert_eq!(other.waiting(&batch).await.unwrap(), HashSet::from([2, 3]));
    assert_eq!(other.queued().await.unwrap()[&batch], HashSet::from([0, 1]));
    other.finish(&second[0], Follow::Next).await.unwrap();
    other.finish(&second[0], Follow::Next).await.unwrap();
    let third = one.take(9).await.unwrap();
    assert_eq!(indexes(&third), [2], "ended twice, followed once");
    one.finish(&third[0], Follow::Nothing).await.unwrap();
    one.finish(&first[0], Follow::Next).await.unwrap();
    assert!(one.take(9).await.unwrap().is_empty() && one.waiting(&batch).await.unwrap().is_empty());
    assert!(one.queued().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_item_whose_instance_gives_no_sign_is_taken_over() {
    let Some(shared) = Shared::start() else { return };
    let (one, other) = (shared.instance(1).await, shared.instance(2).await);
    let batch = BatchId::generate().unwrap();
    one.add(&batch, &[7], 1, KEPT).await.unwrap();
    let entry = one.take(1).await.unwrap().remove(0);
    assert_eq!(entry.deliveries, 1);
    assert!(other.take_over(9).await.unwrap().is_empty(), "it is worked on");
    shared.age(&entry, &one);
    assert!(one.renew(from_ref(&entry.id)).await.unwrap().is_empty());
    assert!(other.take_over(9).await.unwrap().is_empty(), "a sign was given");
    for deliveries in 2..=4 {
        let (from, to) = if deliveries % 2 == 0 { (&one, &other) } else { (&other, &one) };
        shared.age(&entry, from);
        let taken = to.take_over(9).await.unwrap();
        assert_eq!(taken, [Entry { deliveries, ..entry.clone() }]);
        assert_eq!(from.renew(from_ref(&entry.id)).await.unwrap(), from_ref(&entry.id), "it is told so");
        assert!(to.renew(from_ref(&entry.id)).await.unwrap().is_empty());
    }
    other.give_back(&entry).await.unwrap();
    let again = one.take(1).await.unwrap().remove(0);
    assert_eq!((again.index, again.deliveries), (7, 1), "what is given back counts as not begun");
}

#[tokio::test]
async fn news_come_in_order_and_none_twice() {
    let Some(shared) = Shared::start() else { return };
    let (one, other) = (shared.instance(1).await, shared.instance(2).await);
    let batch = BatchId::generate().unwrap();
    let mut last = None;
    assert!(other.news(&mut last).await.unwrap().is_empty());
    one.tell(&batch, Some(3)).await.unwrap();
    one.tell(&batch, None).await.unwrap();
    let mut heard = Vec::new();
    while heard.len() < 2 {
        heard.extend(other.news(&mut last).await.unwrap());
    }
    let news = |begun| News { batch: batch.clone(), begun };
    assert_eq!(heard, [news(Some(3)), news(None)]);
    assert!(other.news(&mut last).await.unwrap().is_empty());
}

#[tokio::test]
async fn one_instance_is_in_charge_at_a_time() {
    let Some(shared) = Shared::start() else { return };
    let (one, other) = (shared.instance(1).await, shared.instance(2).await);
    assert!(one.is_in_charge(Duration::from_millis(300)).await.unwrap());
    assert!(!other.is_in_charge(Duration::from_millis(300)).await.unwrap());
    let started = Instant::now();
    while !other.is_in_charge(Duration::from_millis(300)).await.unwrap() {
        assert!(started.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    one.forget_the_gone().await.unwrap();
}

#[tokio::test]
async fn a_redis_that_forgets_everything_works_again() {
    let Some(mut shared) = Shared::start() else { return };
    let one = shared.instance(1).await;
    let batch = BatchId::generate().unwrap();
    let add_and_take = async || {
        let started = Instant::now();
        loop {
            assert!(started.elapsed() < Duration::from_secs(20), "it takes too long");
            one.works().await;
            if one.add(&batch, &[5], 1, KEPT).await.is_ok()
                && let Ok(taken) = one.take(1).await
                && !taken.is_empty()
            {
                return indexes(&taken);
            }
        }
    };
    assert_eq!(add_and_take().await, [5]);
    shared.server.send("FLUSHALL");
    assert_eq!(add_and_take().await, [5]);
    shared.server.restart();
    assert_eq!(add_and_take().await, [5]);
    shared.server.kill();
    while one.tell(&batch, None).await.is_ok() {}
    let started = Instant::now();
    assert!(one.tell(&batch, None).await.is_err());
    assert!(started.elapsed() < Duration::from_millis(100), "nobody waits for a Redis that is gone");
}
