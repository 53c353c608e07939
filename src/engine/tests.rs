//! Tests of the engine with scripted work, which counts its runs, and waits or panics as its input says. It reports
//! when it starts and waits until it is released, so that no test sleeps.

mod sets;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};

use futures_util::future::join_all;
use futures_util::poll;
use tokio::sync::mpsc as signals;

use super::*;
use crate::codec::{DecodeError, Format, Limits};
use crate::job::{Answer, Effort, Facts, Formats, JobError, Mode, Outcome, Report, SizeParameter, StopReason, Timings};

const MIB: u64 = 1 << 20;

const HIT: ServedFrom = ServedFrom::Hit { tier: CacheTier::Memory };

/// Memory that a small body takes, in bytes.
const BODY: u64 = 64 << 10;

/// An ordinary job.
pub(super) fn job() -> Job {
    Job { deadline: Duration::from_secs(3600), ..Job::new(1000, Formats::Keep) }
}

fn answer(job: &Job, input: &[u8], outcome: Outcome) -> Answer {
    let facts = Facts { bytes: input.len() as u64, format: Format::Png, width: 1, height: 1 };
    Answer {
        bytes: input.to_vec(),
        report: Report {
            input: facts,
            output: facts,
            target: job.target,
            outcome,
            cut_short: false,
            damaged: false,
            padded: false,
            quality: None,
            score: None,
            encodes: 1,
            encodes_by_format: vec![(Format::Png, 1)],
            steps: Vec::new(),
            timings: Timings::default(),
        },
    }
}

fn cut_short(answer: Answer) -> Answer {
    Answer { report: Report { cut_short: true, ..answer.report }, ..answer }
}

fn upload(text: &str, lease: MemoryLease) -> Upload {
    Upload { bytes: Bytes::from(text.to_owned()), hash: blake3::hash(text.as_bytes()), lease }
}

#[tokio::test]
async fn effort_is_lowered_when_there_is_not_enough_memory_for_it() {
    let test = TestEngine::new(1, 4);
    let served = test.run_job("heavy", Job { effort: Effort::Best, ..job() }).await.unwrap();
    assert_eq!(served.answer.bytes, b"Balanced");
    assert_eq!(served.served_from, ServedFrom::Miss { stored: false }, "another instance may have the memory");
}

#[tokio::test]
async fn padding_to_a_size_that_could_not_be_sent_is_refused() {
    let test = TestEngine::new(1, 4);
    let exact = |target| test.run_job("picture", Job { target, mode: Mode::Exact, ..job() });
    let refused = exact(25 * MIB + 1).await.unwrap_err();
    let EngineError::Job(error) = refused else { panic!("{refused:?}") };
    let parameter = SizeParameter::Target;
    assert_eq!(*error, JobError::TooMuchPadding { parameter, bytes: 25 * MIB + 1, limit: 25 * MIB });
    assert_eq!(test.runs(), 0);
    assert!(exact(25 * MIB).await.is_ok());
}

#[tokio::test]
async fn a_request_does_not_wait_for_a_step_that_outlasts_its_deadline() {
    let mut test = TestEngine::new(1, 4);
    let run = tokio::spawn(test.run_job("hold", Job { deadline: Duration::from_millis(20), ..job() }));
    let stop = test.started.recv().await.unwrap();
    let error = run.await.unwrap().unwrap_err();
    assert!(matches!(&error, EngineError::Job(error) if matches!(**error, JobError::DeadlineExceeded { .. })));
    assert_eq!(stop.reason(), Some(StopReason::Cancelled), "the work is stopped");
    assert_eq!(test.metrics.jobs_in_flight(), 1, "its thread is not free yet");
    test.release.send(()).unwrap();
    test.run("next").await.unwrap();
}

/// Work whose input says what it does: `panic`; `deadline` and `missed` are cut short; `cut` is cut short the first
/// time, and `late` is late the first time; `cut, then late`; `roomy` has spare capacity; `bad header`; `panicking
/// header`; `long header` and `hold` wait until they are released; `big` needs 60 MiB; `heavy` needs 1000 MiB at the
/// best effort. Any other input is the answer at once.
struct Script {
    runs: AtomicUsize,
    started: signals::UnboundedSender<Stop>,
    released: Mutex<mpsc::Receiver<()>>,
}

impl Work for Script {
    fn memory_needed(&self, job: &Job, header: &Header<'_>, available: u64) -> Result<u64, JobError> {
        match header.input {
            text if text.starts_with(b"long header") => {
                self.started.send(Stop::at(Instant::now())).unwrap();
                self.released.lock().unwrap().recv().unwrap();
                Ok(1)
            }
            b"heavy" if job.effort == Effort::Best => {
                Err(JobError::TooMuchMemory { width: 1, height: 1, needed: 1000 * MIB, available })
            }
            b"bad header" => Err(DecodeError::Unsupported { found: Some("heic".into()) }.into()),
            b"panicking header" => panic!("header"),
            text if text.starts_with(b"big") => Ok(60 * MIB),
            _ => Ok(1),
        }
    }

    fn run(&self, job: &Job, input: &[u8], bounds: &Bounds<'_>) -> Result<Answer, WorkError> {
        let stop = bounds.stop;
        let earlier = self.runs.fetch_add(1, Ordering::SeqCst);
        match input {
            b"panic" => panic!("codec bug"),
            b"heavy" => {
                Ok(Answer { bytes: format!("{:?}", job.effort).into_bytes(), ..answer(job, input, Outcome::Quality) })
            }
            b"deadline" => Ok(cut_short(answer(job, input, Outcome::Deadline))),
            b"cut" | b"cut, then late" if earlier == 0 => Ok(cut_short(answer(job, input, Outcome::Deadline))),
            b"late" if earlier == 0 => Err(JobError::DeadlineExceeded { deadline: job.deadline }.into()),
            b"cut, then late" => Err(JobError::DeadlineExceeded { deadline: job.deadline }.into()),
            b"roomy" => Ok(Answer { bytes: Vec::with_capacity(100_000), ..answer(job, input, Outcome::Quality) }),
            b"missed" => Ok(cut_short(answer(job, input, Outcome::Missed))),
            text if text.starts_with(b"hold") || text.starts_with(b"big") => {
                self.started.send(stop.clone()).unwrap();
                self.released.lock().unwrap().recv().unwrap();
                if text == b"hold and panic" {
                    panic!("codec bug");
                }
                Ok(answer(job, input, Outcome::Quality))
            }
            _ => Ok(answer(job, input, Outcome::Quality)),
        }
    }
}

/// An engine with scripted work, and what the tests need to control it.
struct TestEngine {
    engine: Engine,
    metrics: Arc<Metrics>,
    script: Arc<Script>,
    started: signals::UnboundedReceiver<Stop>,
    release: mpsc::Sender<()>,
}

impl TestEngine {
    fn new(threads: usize, queue_slots: usize) -> TestEngine {
        let (report_start, started) = signals::unbounded_channel();
        let (release, released) = mpsc::channel();
        let script =
            Arc::new(Script { runs: AtomicUsize::new(0), started: report_start, released: Mutex::new(released) });
        let metrics = Arc::new(Metrics::new());
        let config = Config {
            workers: WorkersMode::Threads,
            threads,
            queue_slots,
            memory_bytes: 100 * MIB,
            max_body_bytes: 1 << 20,
            cache: CacheConfig { capacity_bytes: 1 << 20, ttl: Duration::from_secs(3600), ..CacheConfig::default() },
            limits: Limits::default(),
        };
        let engine = Engine::with_work(config, Arc::clone(&metrics), script.clone()).unwrap();
        TestEngine { engine, metrics, script, started, release }
    }

    fn run(&self, input: &str) -> impl Future<Output = Result<Served, EngineError>> + Send + 'static {
        self.run_job(input, job())
    }

    fn run_job(&self, input: &str, job: Job) -> impl Future<Output = Result<Served, EngineError>> + Send + 'static {
        let engine = self.engine.clone();
        let lease = self.engine.admit().map(|admitted| admitted.lease);
        let input = input.to_owned();
        async move {
            let lease = lease?;
            lease.grow(input.len() as u64).unwrap();
            engine.run(upload(&input, lease), job).await
        }
    }

    /// Starts a run that holds a thread, and returns when it holds it.
    async fn hold(&mut self, input: &str) -> (tokio::task::JoinHandle<Result<Served, EngineError>>, Stop) {
        let run = tokio::spawn(self.run(input));
        let stop = self.started.recv().await.unwrap();
        (run, stop)
    }

    fn runs(&self) -> usize {
        self.script.runs.load(Ordering::SeqCst)
    }

    fn gauges(&self) -> [u64; 3] {
        [self.metrics.jobs_in_flight(), self.metrics.queue_depth(), self.metrics.memory_reserved_now()]
    }
}

#[tokio::test]
async fn thirty_identical_requests_make_one_computation() {
    let mut test = TestEngine::new(2, 64);
    let runs: Vec<_> = (0..30).map(|_| tokio::spawn(test.run("hold"))).collect();
    test.started.recv().await.unwrap();
    while test.metrics.cache_requests(CacheResult::Collapsed) < 29 {
        tokio::task::yield_now().await;
    }
    test.release.send(()).unwrap();
    let sources = join_all(runs).await.into_iter().map(|served| served.unwrap().unwrap().served_from);
    let (miss, rest): (Vec<_>, Vec<_>) = sources.partition(|source| *source == ServedFrom::Miss { stored: true });
    assert_eq!((miss.len(), rest.len()), (1, 29));
    assert!(rest.iter().all(|source| *source == ServedFrom::Collapsed { stored: true }));
    assert_eq!(test.runs(), 1);
    assert!(test.metrics.render().contains("bytefit_coalesced_total 29"));
}

#[tokio::test]
async fn the_second_time_is_a_hit() {
    let test = TestEngine::new(1, 8);
    let first = test.run("picture").await.unwrap();
    let second = test.run("picture").await.unwrap();
    assert_eq!((first.served_from, second.served_from), (ServedFrom::Miss { stored: true }, HIT));
    assert_eq!((&first.etag, &first.id), (&second.etag, &second.id));
    assert!(Arc::ptr_eq(&first.answer, &second.answer));
    assert_eq!(test.runs(), 1);
    let cache = test.engine.snapshot().cache[0].1;
    assert_eq!((cache.entries, cache.hits, cache.misses), (1, 1, 1));
    assert!(cache.bytes > 0 && cache.bytes <= cache.capacity_bytes);
    let text = test.metrics.render();
    assert!(text.contains(r#"bytefit_results_total{format="png",outcome="quality"} 2"#));
    assert!(text.contains(r#"bytefit_encodes_total{format="png"} 1"#));
    assert!(text.contains(&format!(r#"bytefit_cache_bytes{{tier="memory"}} {}"#, cache.bytes)));
}

#[tokio::test]
async fn another_job_on_the_same_input_is_another_answer() {
    let test = TestEngine::new(1, 8);
    test.run("picture").await.unwrap();
    let other = test.run_job("picture", Job { target: 999, ..job() }).await.unwrap();
    assert_eq!(other.served_from, ServedFrom::Miss { stored: true });
    assert_eq!(test.runs(), 2);
}

#[tokio::test]
async fn an_answer_is_found_by_its_id_while_it_is_kept() {
    let test = TestEngine::new(1, 8);
    let served = test.run("picture").await.unwrap();
    let again = test.engine.result(&served.id).await.unwrap();
    assert_eq!((again.etag, &again.answer.bytes[..]), (served.etag, &b"picture"[..]));
    assert!(test.engine.result(&"0".repeat(64)).await.is_none());
    assert!(test.engine.result("nonsense").await.is_none());
    assert_eq!(test.engine.snapshot().cache[0].1.hits, 0);
}

#[tokio::test]
async fn an_answer_cut_short_by_the_deadline_is_not_kept_whatever_its_outcome() {
    let test = TestEngine::new(1, 8);
    for input in ["deadline", "missed"] {
        let served = test.run(input).await.unwrap();
        assert_eq!(served.served_from, ServedFrom::Miss { stored: false }, "{input}");
        assert!(test.engine.result(&served.id).await.is_none(), "{input}");
        test.run(input).await.unwrap();
    }
    assert_eq!(test.runs(), 4);
}

#[tokio::test]
async fn an_answer_larger_than_the_cache_is_served_and_not_kept() {
    let test = TestEngine::new(1, 8);
    let served = test.run(&"x".repeat(2 << 20)).await.unwrap();
    assert_eq!(served.served_from, ServedFrom::Miss { stored: false });
    assert_eq!(test.engine.snapshot().cache[0].1.entries, 0);
}

#[tokio::test]
async fn no_answer_fills_more_than_an_eighth_of_the_cache() {
    let test = TestEngine::new(1, 8);
    let eighth = test.engine.snapshot().cache[0].1.capacity_bytes as usize / 8;
    // An entry takes less than 2 KiB besides its bytes.
    let small = test.run(&"x".repeat(eighth - 2048)).await.unwrap();
    let large = test.run(&"x".repeat(eighth + 1)).await.unwrap();
    assert_eq!(
        (small.served_from, large.served_from),
        (ServedFrom::Miss { stored: true }, ServedFrom::Miss { stored: false })
    );
    assert_eq!(test.engine.snapshot().cache[0].1.entries, 1);
    assert!(test.engine.result(&large.id).await.is_none());
}

#[tokio::test]
async fn a_cached_answer_takes_no_more_than_its_bytes() {
    let test = TestEngine::new(1, 8);
    test.run("roomy").await.unwrap();
    assert!(test.engine.snapshot().cache[0].1.bytes < 2048);
}

#[tokio::test]
async fn a_leader_that_disconnects_leaves_the_computation_to_the_others() {
    let mut test = TestEngine::new(1, 8);
    let (leader, stop) = test.hold("hold").await;
    let mut other = Box::pin(test.run("hold"));
    assert!(poll!(&mut other).is_pending());
    leader.abort();
    assert!(leader.await.unwrap_err().is_cancelled());
    test.release.send(()).unwrap();
    assert_eq!(other.await.unwrap().served_from, ServedFrom::Collapsed { stored: true });
    assert_eq!(stop.reason(), None);
    assert_eq!(test.runs(), 1);
}

#[tokio::test]
async fn work_stops_when_the_last_waiter_is_dropped_and_keeps_its_permit_until_then() {
    let mut test = TestEngine::new(1, 8);
    let (only, stop) = test.hold("hold").await;
    let mut queued = Box::pin(test.run("hold queued"));
    assert!(poll!(&mut queued).is_pending());
    while test.metrics.queue_depth() == 0 {
        tokio::task::yield_now().await;
    }
    drop(queued);
    only.abort();
    assert!(only.await.unwrap_err().is_cancelled());
    assert_eq!(stop.reason(), Some(StopReason::Cancelled));
    while test.metrics.queue_depth() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(test.gauges(), [1, 0, MIB + BODY], "the work has not noticed yet and still needs its input");

    let mut next = Box::pin(test.run("next"));
    assert!(poll!(&mut next).is_pending());
    test.release.send(()).unwrap();
    next.await.unwrap();
    assert_eq!(test.gauges(), [0, 0, 0]);
    assert_eq!(test.runs(), 2, "the queued work never started");
}

#[tokio::test]
async fn answers_being_sent_use_the_memory_of_bodies() {
    let test = TestEngine::new(1, 8);
    let held = test.engine.lease_for_answer(25 * MIB).unwrap();
    assert!(matches!(test.engine.lease_for_answer(1), Err(EngineError::Overloaded { .. })));
    assert_eq!(test.gauges(), [0, 0, 25 * MIB]);
    drop(held);
    assert!(test.engine.lease_for_answer(1).is_ok());
}

#[tokio::test]
async fn a_panic_reaches_everyone_who_waits_and_the_next_request_tries_again() {
    let mut test = TestEngine::new(1, 8);
    let (leader, _) = test.hold("hold and panic").await;
    let mut other = Box::pin(test.run("hold and panic"));
    assert!(poll!(&mut other).is_pending());
    test.release.send(()).unwrap();
    for result in [leader.await.unwrap(), other.await] {
        assert!(matches!(result, Err(EngineError::Panicked { message }) if message == "codec bug"));
    }
    assert!(test.metrics.render().contains("bytefit_panics_total 1"));
    let (_again, _) = test.hold("hold and panic").await;
    assert_eq!(test.runs(), 2);
    test.release.send(()).unwrap();
}

#[tokio::test]
async fn the_engine_survives_a_hundred_panics() {
    let test = TestEngine::new(2, 8);
    for _ in 0..100 {
        assert!(matches!(test.run("panic").await, Err(EngineError::Panicked { .. })));
    }
    assert!(test.run("picture").await.is_ok());
    assert_eq!(test.gauges(), [0, 0, 0]);
}

/// Runs four identical requests at once: the first computes, and three wait for it.
async fn run_together(test: &TestEngine, input: &str, job: &Job) -> Vec<Result<Served, EngineError>> {
    let mut runs: Vec<_> = (0..4).map(|_| Box::pin(test.run_job(input, job.clone()))).collect();
    for run in &mut runs {
        assert!(poll!(run).is_pending());
    }
    join_all(runs).await
}

#[tokio::test]
async fn a_request_that_waited_for_an_answer_cut_short_tries_again_in_its_own_time() {
    let test = TestEngine::new(1, 8);
    let results = run_together(&test, "cut", &job()).await;
    let served: Vec<_> = results.into_iter().map(Result::unwrap).collect();
    let cut: Vec<bool> = served.iter().map(|served| served.answer.report.cut_short).collect();
    assert_eq!(cut, [true, false, false, false]);
    assert_eq!(served[0].served_from, ServedFrom::Miss { stored: false });
    assert_eq!(served[1].served_from, ServedFrom::Miss { stored: true }, "the second attempt starts a computation");
    assert_eq!(served[3].served_from, ServedFrom::Collapsed { stored: true });
    assert_eq!(test.runs(), 2, "the others wait for it");
    assert_eq!(test.gauges(), [0, 0, 0]);
}

#[tokio::test]
async fn a_request_that_waited_for_one_that_was_late_tries_again() {
    let test = TestEngine::new(1, 8);
    let results = run_together(&test, "late", &job()).await;
    assert!(
        matches!(&results[0], Err(EngineError::Job(error)) if matches!(**error, JobError::DeadlineExceeded { .. }))
    );
    assert!(results[1..].iter().all(Result::is_ok));
    assert_eq!(test.runs(), 2);
}

#[tokio::test]
async fn an_answer_that_was_cut_short_is_better_than_a_second_attempt_that_fails() {
    let test = TestEngine::new(1, 8);
    let results = run_together(&test, "cut, then late", &job()).await;
    assert!(results.into_iter().all(|result| result.unwrap().answer.report.cut_short));
    assert_eq!(test.runs(), 2, "there is one second attempt");
}

#[tokio::test]
async fn a_request_without_time_left_does_not_try_again() {
    let test = TestEngine::new(1, 8);
    let results = run_together(&test, "late", &Job { deadline: Duration::from_millis(40), ..job() }).await;
    assert!(results.iter().all(Result::is_err));
    assert!(test.runs() <= 1);
}

#[tokio::test]
async fn a_later_request_is_not_refused_when_the_first_has_waited_too_long_in_the_queue() {
    let mut test = TestEngine::new(1, 8);
    let (running, _) = test.hold("hold").await;
    let second = Job { deadline: Duration::from_secs(1), ..job() };
    let first = tokio::spawn(test.run_job("picture", second.clone()));
    // Half of the first request's time passes.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let later = tokio::spawn(test.run_job("picture", second));
    assert!(matches!(first.await.unwrap(), Err(EngineError::Overloaded { .. })));
    test.release.send(()).unwrap();
    running.await.unwrap().unwrap();
    assert_eq!(later.await.unwrap().unwrap().served_from, ServedFrom::Miss { stored: true });
}

#[tokio::test]
async fn a_request_that_waits_for_another_holds_no_body_of_its_own() {
    let mut test = TestEngine::new(1, 8);
    let (leader, _) = test.hold("hold").await;
    let mut other = Box::pin(test.run("hold"));
    assert!(poll!(&mut other).is_pending());
    assert_eq!(test.gauges()[2], MIB + BODY);
    test.release.send(()).unwrap();
    leader.await.unwrap().unwrap();
    other.await.unwrap();
    assert_eq!(test.gauges(), [0, 0, 0]);
}

#[tokio::test]
async fn a_full_queue_is_refused_at_once() {
    let mut test = TestEngine::new(1, 1);
    let (running, _) = test.hold("hold").await;
    let admitted = test.run("picture");
    let waiting = tokio::spawn(test.run("waiting"));
    while test.metrics.queue_depth() == 0 {
        tokio::task::yield_now().await;
    }
    for refused in [test.run("picture").await, admitted.await] {
        assert!(matches!(refused, Err(EngineError::Overloaded { retry_after }) if retry_after.as_secs() >= 1));
    }
    test.release.send(()).unwrap();
    running.await.unwrap().unwrap();
    waiting.await.unwrap().unwrap();
    assert!(test.run("picture").await.is_ok());
}

#[tokio::test]
async fn memory_bounds_the_running_jobs() {
    let mut test = TestEngine::new(4, 8);
    let (first, _) = test.hold("big one").await;
    let second = tokio::spawn(test.run("big two"));
    while test.metrics.queue_depth() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(test.gauges(), [1, 1, 60 * MIB + 2 * BODY]);
    test.release.send(()).unwrap();
    first.await.unwrap().unwrap();
    test.started.recv().await.unwrap();
    assert_eq!(test.gauges(), [1, 0, 60 * MIB + BODY]);
    test.release.send(()).unwrap();
    second.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_deadline_that_passes_in_the_queue_is_overload_and_starts_no_work() {
    let mut test = TestEngine::new(1, 8);
    let (running, _) = test.hold("hold").await;
    let short = Job { deadline: Duration::from_millis(1), ..job() };
    let late = test.run_job("late", short).await.unwrap_err();
    assert!(matches!(late, EngineError::Overloaded { .. }), "{late:?}");
    test.release.send(()).unwrap();
    running.await.unwrap().unwrap();
    assert_eq!(test.runs(), 1);
}

#[tokio::test]
async fn a_deadline_of_zero_is_over_at_once() {
    let test = TestEngine::new(1, 8);
    let zero = Job { deadline: Duration::ZERO, ..job() };
    let result = test.run_job("picture", zero).await;
    assert!(matches!(result, Err(EngineError::Job(error)) if matches!(*error, JobError::DeadlineExceeded { .. })));
    assert_eq!(test.runs(), 0);
}

#[tokio::test]
async fn the_longest_deadline_does_not_overflow_the_clock() {
    let test = TestEngine::new(1, 8);
    assert!(test.run_job("picture", Job { deadline: Duration::MAX, ..job() }).await.is_ok());
}

#[tokio::test]
async fn a_bad_header_is_refused_without_a_permit() {
    let mut test = TestEngine::new(1, 8);
    let (running, _) = test.hold("hold").await;
    let refused = test.run("bad header").await;
    assert!(matches!(refused, Err(EngineError::Job(error)) if matches!(*error, JobError::Decode(_))));
    let panicked = test.run("panicking header").await;
    assert!(matches!(panicked, Err(EngineError::Panicked { message }) if message == "header"));
    test.release.send(()).unwrap();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn long_headers_block_no_async_thread_and_no_more_are_read_at_once_than_there_are_threads() {
    let mut test = TestEngine::new(2, 8);
    // This test has one async thread: it makes progress only if no header is read there.
    let runs: Vec<_> = (0..5).map(|number| tokio::spawn(test.run(&format!("long header {number}")))).collect();
    for _ in 0..2 {
        test.started.recv().await.unwrap();
    }
    while test.metrics.queue_depth() < 3 {
        tokio::task::yield_now().await;
    }
    assert!(test.started.try_recv().is_err());
    for _ in 0..5 {
        test.release.send(()).unwrap();
    }
    for run in runs {
        run.await.unwrap().unwrap();
    }
    assert_eq!(test.gauges(), [0, 0, 0]);
}

#[tokio::test]
async fn draining_admits_nobody_and_finishes_running_work() {
    let mut test = TestEngine::new(1, 8);
    let (running, _) = test.hold("hold").await;
    assert!(!test.engine.is_draining());
    let admitted = test.run("admitted");
    test.engine.drain();
    assert!(test.engine.is_draining());
    assert!(matches!(test.run("picture").await, Err(EngineError::ShuttingDown)));
    test.release.send(()).unwrap();
    assert!(running.await.unwrap().is_ok());
    assert!(admitted.await.is_ok());
}

#[tokio::test]
async fn the_snapshot_has_the_limits() {
    let snapshot = TestEngine::new(3, 8).engine.snapshot();
    assert_eq!((snapshot.threads, snapshot.queue_slots, snapshot.memory_limit_bytes), (3, 8, 100 * MIB));
    assert_eq!((snapshot.in_flight, snapshot.queued, snapshot.memory_reserved_bytes), (0, 0, 0));
}
