//! Tests of the tier with a server that fails in every way, and with the real one.

use testkit::redis::{FakeRedis, Fault, RedisServer};

use super::*;
use crate::engine::cache::tests::{cached, key};

/// Time for what the tasks do on their own.
const PATIENCE: Duration = Duration::from_secs(20);

struct TestRedis {
    redis: Redis,
    metrics: Arc<Metrics>,
}

impl TestRedis {
    fn new(url: &str) -> TestRedis {
        let metrics = Arc::new(Metrics::new());
        let redis = Redis::new(url.parse().unwrap(), Duration::from_secs(3600), metrics.clone());
        TestRedis { redis, metrics }
    }

    async fn connected(url: &str) -> TestRedis {
        let test = TestRedis::new(url);
        test.until_on().await;
        test
    }

    fn is_on(&self) -> bool {
        self.redis.shared.breaker.link().is_some()
    }

    async fn until_on(&self) {
        until(async || self.is_on()).await;
    }

    async fn get(&self, number: u64) -> Option<Vec<u8>> {
        match self.redis.get(&key(number)).await {
            TierAnswer::Answer(cached) => Some(cached.answer.bytes.clone()),
            _ => None,
        }
    }

    /// Writes an answer, and waits until it is there.
    async fn write(&self, number: u64) {
        assert!(self.redis.offer(key(number), &cached(b"an image")));
        until(async || self.redis.has(&key(number)).await).await;
    }
}

async fn until(is_so: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < PATIENCE, "it takes too long");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn what_one_writes_another_reads() {
    let fake = FakeRedis::start();
    let (one, other) = (TestRedis::connected(&fake.url()).await, TestRedis::connected(&fake.url()).await);
    assert_eq!(other.get(1).await, None);
    one.write(1).await;
    assert_eq!(other.get(1).await.unwrap(), b"an image");
    assert!(other.redis.has(&key(1)).await && !other.redis.has(&key(2)).await);
    assert!(!one.redis.offer(key(2), &cached(&vec![7; MAX_VALUE + 1])), "larger than what comes in time");
}

#[tokio::test]
async fn an_answer_is_there_as_soon_as_it_is_published() {
    let fake = FakeRedis::start();
    let test = TestRedis::connected(&fake.url()).await;
    for _ in 0..2 {
        test.redis.publish(&key(1), &cached(b"an image")).await;
        assert_eq!(fake.values(), 1);
    }
    assert_eq!(test.get(1).await.unwrap(), b"an image");
}

#[tokio::test]
async fn no_fault_makes_anyone_wait_and_all_end() {
    for fault in Fault::ALL {
        let fake = FakeRedis::start();
        let test = TestRedis::connected(&fake.url()).await;
        test.write(1).await;
        fake.fail(fault);
        let started = Instant::now();
        for round in 0..20 {
            let found = test.get(1).await;
            assert!(found.is_none() || fault.lets_read(), "{fault:?}, {round}");
            test.redis.offer(key(100 + round), &cached(b"another"));
            test.redis.publish(&key(200 + round), &cached(b"another")).await;
        }
        // A few answers that are late; then nothing is sent.
        assert!(started.elapsed() < Duration::from_millis(900), "{fault:?}: {:?}", started.elapsed());
        if !fault.lets_read() {
            assert!(!test.is_on(), "{fault:?}");
            assert!(matches!(test.redis.get(&key(1)).await, TierAnswer::Off), "{fault:?}");
            until(async || test.metrics.render().contains(r#"bytefit_breaker_open{target="redis"} 1"#)).await;
        }
        fake.fail(Fault::None);
        let healed = Instant::now();
        until(async || test.get(1).await.is_some()).await;
        assert!(healed.elapsed() < Duration::from_secs(5), "{fault:?}: {:?}", healed.elapsed());
        assert!(test.metrics.render().contains(r#"bytefit_breaker_open{target="redis"} 0"#), "{fault:?}");
        until(async || test.redis.offer(key(300), &cached(b"another"))).await;
        until(async || test.redis.has(&key(300)).await).await;
    }
}

#[tokio::test]
async fn nothing_is_sent_while_the_breaker_is_open() {
    let fake = FakeRedis::start();
    let test = TestRedis::connected(&fake.url()).await;
    fake.fail(Fault::Silent);
    until(async || test.get(1).await.is_none() && !test.is_on()).await;
    let before = fake.commands();
    let started = Instant::now();
    for number in 0..10_000 {
        assert!(matches!(test.redis.get(&key(number)).await, TierAnswer::Off));
    }
    assert!(started.elapsed() < Duration::from_secs(2), "0.2 ms each at most: {:?}", started.elapsed());
    // The task in the background asks once a second.
    assert!(fake.commands() - before <= 4, "{}", fake.commands() - before);
}

#[tokio::test]
async fn a_redis_that_comes_later_is_found() {
    let fake = FakeRedis::start();
    fake.fail(Fault::Refused);
    let test = TestRedis::new(&fake.url());
    until(async || test.metrics.render().contains(r#"bytefit_breaker_open{target="redis"} 1"#)).await;
    assert!(matches!(test.redis.get(&key(1)).await, TierAnswer::Off));
    fake.fail(Fault::None);
    test.until_on().await;
    test.write(1).await;
}

#[tokio::test]
async fn the_real_server_keeps_answers_and_may_come_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut server) = RedisServer::start(folder.path()) else {
        assert!(std::env::var_os("BYTEFIT_TOOLS").is_none(), "redis-server is not installed");
        return;
    };
    let test = TestRedis::connected(&server.url()).await;
    test.write(1).await;
    assert_eq!(test.get(1).await.unwrap(), b"an image");
    test.redis.publish(&key(2), &cached(b"another")).await;
    assert_eq!(test.get(2).await.unwrap(), b"another");
    until(async || !test.metrics.render().contains(r#"bytefit_cache_bytes{tier="redis"} 0"#)).await;
    server.send("FLUSHALL");
    assert_eq!(test.get(1).await, None);
    assert!(test.is_on());

    server.restart();
    until(async || !test.is_on() || test.get(1).await.is_none() && !test.is_on()).await;
    test.until_on().await;
    test.write(1).await;

    server.send("CONFIG SET maxmemory 1");
    until(async || !test.redis.offer(key(3), &cached(b"too much"))).await;
    assert_eq!(test.get(1).await.unwrap(), b"an image", "a full server is read");
    server.send("CONFIG SET maxmemory 0");
    until(async || test.redis.offer(key(3), &cached(b"enough"))).await;
    until(async || test.redis.has(&key(3)).await).await;

    server.send("CONFIG SET requirepass secret");
    let with_password = server.url().replace("//", "//:secret@");
    let other = TestRedis::connected(&with_password).await;
    assert_eq!(other.get(1).await.unwrap(), b"an image");
    let wrong = TestRedis::new(&server.url());
    until(async || wrong.metrics.render().contains(r#"bytefit_breaker_open{target="redis"} 1"#)).await;
}
