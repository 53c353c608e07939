//! Worker processes and what goes wrong in them. The spawner is forked before this process has a second thread, so that
//! the tests have a `main` of their own, which runs one after the other.

mod faults;
mod processes;
mod seal;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytefit::codec::DecodeError;
use bytefit::engine::{self, CacheConfig, Engine, EngineError, Served, SetJob, Upload, Work, WorkError, WorkersMode};
use bytefit::job::{Answer, Formats, Job, JobError};
use bytefit::metrics::{Metrics, WorkerDeath};
use bytefit::picture::transform::{Resize, ResizeFit};
use bytefit::workers::{Spawner, Workers};
use faults::Faults;
use testkit::drawing;
use testkit::processes::{runs, wait_until};

/// Time for what should take moments.
const PATIENCE: Duration = Duration::from_secs(10);

type Test = (&'static str, fn(&Bench));

const TESTS: &[Test] = &[
    ("a_worker_can_reach_nothing_outside_itself", seal::nothing_is_reached),
    ("answers_are_those_of_threads", answers_are_those_of_threads),
    ("every_format_is_read_and_written_in_a_worker", every_format_is_read_and_written_in_a_worker),
    ("a_set_is_what_its_jobs_are_alone", a_set_is_what_its_jobs_are_alone),
    ("a_total_is_shared_in_a_worker_as_on_a_thread", a_total_is_shared_in_a_worker_as_on_a_thread),
    ("a_set_whose_file_ends_its_worker_costs_one_process", a_set_whose_file_ends_its_worker_costs_one_process),
    ("a_fault_costs_one_job_and_no_other", a_fault_costs_one_job_and_no_other),
    ("a_panic_says_where_and_keeps_its_worker", a_panic_says_where_and_keeps_its_worker),
    ("an_endless_job_ends_at_its_deadline", an_endless_job_ends_at_its_deadline),
    ("a_job_that_nobody_waits_for_frees_its_core_at_once", a_job_that_nobody_waits_for_frees_its_core_at_once),
    ("a_file_that_ended_three_workers_is_refused", a_file_that_ended_three_workers_is_refused),
    ("a_worker_that_dies_while_idle_costs_nothing", a_worker_that_dies_while_idle_costs_nothing),
    ("a_worker_is_replaced_after_many_jobs_or_a_large_one", a_worker_is_replaced_after_many_jobs_or_a_large_one),
    ("a_large_file_comes_after_a_small_job", a_large_file_comes_after_a_small_job),
    ("a_thousand_deaths_leave_nothing_behind", a_thousand_deaths_leave_nothing_behind),
    // The last: it ends the spawner.
    ("without_a_spawner_jobs_are_refused", without_a_spawner_jobs_are_refused),
];

fn main() {
    let spawner = Spawner::start(Arc::new(Faults)).expect("a spawner");
    let bench = Bench::new(spawner);
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    for (name, test) in TESTS.iter().filter(|(name, _)| name.contains(&filter)) {
        let started = Instant::now();
        test(&bench);
        println!("test {name} ... ok ({} ms)", started.elapsed().as_millis());
    }
}

/// An engine over workers, and a runtime for its requests.
struct Bench {
    engine: Engine,
    workers: Arc<Workers>,
    metrics: Arc<Metrics>,
    runtime: tokio::runtime::Runtime,
}

impl Bench {
    fn new(spawner: Spawner) -> Bench {
        let metrics = Arc::new(Metrics::new());
        let workers = Arc::new(Workers::new(spawner, metrics.clone()).unwrap());
        let config = engine::Config {
            threads: 2,
            workers: WorkersMode::Processes,
            memory_bytes: 4 << 30,
            // Nothing is cached: every request computes.
            cache: CacheConfig { capacity_bytes: 0, ..CacheConfig::default() },
            ..engine::Config::default()
        };
        let engine = Engine::with_work(config, metrics.clone(), workers.clone()).unwrap();
        Bench { engine, workers, metrics, runtime: tokio::runtime::Runtime::new().unwrap() }
    }

    /// The answer to a job on `input`.
    async fn ask(&self, input: &[u8], deadline: Duration) -> Result<Served, EngineError> {
        let lease = self.engine.admit()?.lease;
        lease.grow(input.len() as u64).unwrap();
        let upload = Upload { bytes: input.to_vec().into(), hash: blake3::hash(input), lease };
        self.engine.run(upload, Job { deadline, ..Job::new(80_000, Formats::Keep) }).await
    }

    fn run(&self, input: &str) -> Result<Served, EngineError> {
        self.runtime.block_on(self.ask(input.as_bytes(), Duration::from_secs(20)))
    }

    fn answers(&self) {
        assert_eq!(self.run("echo").expect("an answer").answer.bytes, b"echo");
    }

    /// Runs `fault` while two clients ask without a pause. Returns its result; panics if one of them loses a job.
    fn run_under_load(&self, fault: &str) -> Result<Served, EngineError> {
        let patience = Duration::from_secs(20);
        self.runtime.block_on(async {
            let (done, over) = tokio::sync::watch::channel(false);
            let neighbour = |client: u32| {
                let over = over.clone();
                async move {
                    let mut asked = 0;
                    while !*over.borrow() {
                        let text = format!("work {client} {asked}");
                        let served = self.ask(text.as_bytes(), patience).await.expect("a neighbour is answered");
                        assert_eq!(served.answer.bytes, text.as_bytes());
                        asked += 1;
                    }
                    asked
                }
            };
            let faulty = async {
                let result = self.ask(fault.as_bytes(), Duration::from_millis(500)).await;
                let _ = done.send(true);
                result
            };
            let (result, first, second) = tokio::join!(faulty, neighbour(1), neighbour(2));
            assert!(first + second > 0, "there was load");
            result
        })
    }
}

fn died(result: Result<Served, EngineError>) -> WorkerDeath {
    match result {
        Err(EngineError::Died(death)) => death.cause,
        other => panic!("{other:?}"),
    }
}

fn is_late(result: &Result<Served, EngineError>) -> bool {
    matches!(result, Err(EngineError::Job(error)) if matches!(**error, JobError::DeadlineExceeded { .. }))
}

fn answers_are_those_of_threads(bench: &Bench) {
    for seed in 0..3 {
        let input = drawing::noisy_jpeg(640, 480, seed);
        for formats in [Formats::Keep, Formats::Among(bytefit::codec::Format::OUTPUT.to_vec())] {
            let job = Job { deadline: Duration::from_secs(60), ..Job::new(30_000, formats) };
            let stop = bytefit::job::Stop::at(Instant::now() + job.deadline);
            let limits = bytefit::codec::Limits::default();
            let alone = bytefit::job::run(&job, &input, &limits, &stop).unwrap();
            let bounds = engine::Bounds { limits: &limits, stop: &stop, memory_bytes: 400 << 20, total: None };
            let sealed = bench.workers.run(&job, &input, &bounds).unwrap();
            assert_eq!(sealed.bytes, alone.bytes);
            assert_eq!(sealed.report.steps, alone.report.steps);
        }
    }
}

fn every_format_is_read_and_written_in_a_worker(bench: &Bench) {
    let picture = drawing::noisy_jpeg(320, 240, 3);
    let written = bytefit::codec::Format::OUTPUT.map(|format| (format, picture.clone()));
    // For its decoder's threads, of which a worker has one, a picture must be more than 128 pixels wide.
    let large = testkit::fixtures::three_across_jpeg(20);
    let read = testkit::fixtures::all().into_iter().map(|fixture| fixture.file).chain([large]);
    let read = read.map(|file| (bytefit::codec::Format::Png, file));
    for (format, input) in written.into_iter().chain(read) {
        let job = Job { deadline: Duration::from_secs(60), ..Job::new(9_000, Formats::Among(vec![format])) };
        let stop = bytefit::job::Stop::at(Instant::now() + job.deadline);
        let limits = bytefit::codec::Limits::default();
        let probe = bytefit::codec::probe(&input, &limits).unwrap();
        let memory_bytes = bytefit::job::memory_needed(&probe, &job, &limits, u64::MAX).unwrap();
        let alone = bytefit::job::run(&job, &input, &limits, &stop).unwrap();
        let bounds = engine::Bounds { limits: &limits, stop: &stop, memory_bytes, total: None };
        assert_eq!(bench.workers.run(&job, &input, &bounds).unwrap().bytes, alone.bytes, "{:?}", probe.format);
    }
}

fn sizes() -> Vec<Job> {
    let sizes = [None, Some(320), Some(320), Some(64)];
    let job = |(at, width): (usize, &Option<u32>)| {
        let resize =
            width.map(|width| Resize { width: Some(width), height: None, fit: ResizeFit::Inside, enlarge: false });
        let formats = Formats::Among(vec![bytefit::codec::Format::OUTPUT[at % 3]]);
        Job { resize, deadline: Duration::from_secs(60), ..Job::new(6_000, formats) }
    };
    sizes.iter().enumerate().map(job).collect()
}

/// The results of a set on `input`, in the order of its jobs.
fn run_set(bench: &Bench, jobs: &[Job], input: &[u8]) -> Vec<Result<Answer, WorkError>> {
    run_within(&*bench.workers, jobs, input, None)
}

/// The same by `work` within a total.
fn run_within(work: &dyn Work, jobs: &[Job], input: &[u8], total: Option<u64>) -> Vec<Result<Answer, WorkError>> {
    let limits = bytefit::codec::Limits::default();
    let stop = bytefit::job::Stop::at(Instant::now() + Duration::from_secs(60));
    let set: Vec<SetJob> = jobs.iter().map(|job| SetJob { job, stop: &stop }).collect();
    let bounds = engine::Bounds { limits: &limits, stop: &stop, memory_bytes: 200 << 20, total };
    let mut results = Vec::new();
    work.run_set(&set, input, &bounds, &mut |result| results.push(result));
    results
}

fn a_set_is_what_its_jobs_are_alone(bench: &Bench) {
    let input = drawing::noisy_jpeg(640, 480, 7);
    let jobs = sizes();
    for (job, result) in jobs.iter().zip(run_set(bench, &jobs, &input)) {
        let stop = bytefit::job::Stop::at(Instant::now() + job.deadline);
        let alone = bytefit::job::run(job, &input, &bytefit::codec::Limits::default(), &stop).unwrap();
        assert_eq!(result.unwrap().bytes, alone.bytes, "{job:?}");
    }
}

fn a_total_is_shared_in_a_worker_as_on_a_thread(bench: &Bench) {
    let input = drawing::noisy_jpeg(640, 480, 7);
    let jobs: Vec<Job> = sizes().into_iter().map(|job| Job { target: 50_000, ..job }).collect();
    let bytes = |result: Result<Answer, WorkError>| result.unwrap().bytes;
    let shared: Vec<Vec<u8>> =
        run_within(&*bench.workers, &jobs, &input, Some(50_000)).into_iter().map(bytes).collect();
    let alone = run_within(&engine::Codecs, &jobs, &input, Some(50_000)).into_iter().map(bytes);
    assert_eq!(shared, alone.collect::<Vec<_>>());
    let sum: usize = shared.iter().map(Vec::len).sum();
    assert!((40_000..=50_000).contains(&sum), "{sum}");
    let refused = run_within(&*bench.workers, &jobs, &input, Some(100));
    let is_too_low = |result: &Result<Answer, WorkError>| {
        matches!(result, Err(WorkError::Job(JobError::TotalUnreachable { total: 100, .. })))
    };
    assert!(refused.len() == 4 && refused.iter().all(is_too_low), "{refused:?}");
}

fn a_set_whose_file_ends_its_worker_costs_one_process(bench: &Bench) {
    bench.answers();
    let before = processes::workers().len();
    let results = run_set(bench, &sizes(), b"abort the set");
    assert!(results.iter().all(|result| matches!(result, Err(WorkError::Died(_)))), "{results:?}");
    assert_eq!(results.len(), 4);
    wait_until("the dead worker is reaped", PATIENCE, || processes::workers().len() < before);
    assert_eq!(processes::workers().len(), before - 1);
    bench.answers();
}

fn a_fault_costs_one_job_and_no_other(bench: &Bench) {
    for (fault, cause) in [
        ("abort", WorkerDeath::Abort),
        ("overflow", WorkerDeath::StackOverflow),
        ("overflow in c", WorkerDeath::StackOverflow),
        ("allocate 4 GB", WorkerDeath::Memory),
        ("segfault", WorkerDeath::Crash),
        ("kill", WorkerDeath::Killed),
        ("exit", WorkerDeath::Other),
        ("close all", WorkerDeath::Other),
        ("answer nonsense", WorkerDeath::Other),
    ] {
        assert_eq!(died(bench.run_under_load(fault)), cause, "{fault}");
        bench.answers();
    }
    assert!(is_late(&bench.run_under_load("loop")));
    bench.answers();
}

fn a_panic_says_where_and_keeps_its_worker(bench: &Bench) {
    let before = processes::workers();
    for _ in 0..3 {
        let Err(EngineError::Panicked { message }) = bench.run("panic") else { panic!() };
        assert!(message.contains("a bug at tests/workers/faults.rs:"), "{message}");
    }
    assert_eq!(processes::workers(), before);
}

fn an_endless_job_ends_at_its_deadline(bench: &Bench) {
    let deadline = Duration::from_millis(300);
    let started = Instant::now();
    let result = bench.runtime.block_on(bench.ask(b"loop", deadline));
    let took = started.elapsed();
    assert!(is_late(&result));
    assert!(took <= deadline + Duration::from_millis(200), "{took:?}");
    wait_until("its thread is free", PATIENCE, || bench.metrics.jobs_in_flight() == 0);
    assert!(processes::busy_workers().is_empty());
}

fn a_job_that_nobody_waits_for_frees_its_core_at_once(bench: &Bench) {
    let stopped = bench.runtime.block_on(async {
        let mut job = Box::pin(bench.ask(b"loop, and nobody waits", Duration::from_secs(20)));
        while bench.metrics.jobs_in_flight() == 0 {
            assert!(futures_util::poll!(&mut job).is_pending());
            tokio::task::yield_now().await;
        }
        drop(job);
        Instant::now()
    });
    wait_until("its thread is free", PATIENCE, || bench.metrics.jobs_in_flight() == 0);
    assert!(stopped.elapsed() < Duration::from_millis(100), "{:?}", stopped.elapsed());
    assert!(processes::busy_workers().is_empty());
}

fn a_file_that_ended_three_workers_is_refused(bench: &Bench) {
    // It starts as a JPEG, and is refused as one.
    let file = b"\xFF\xD8\xFF\xE0abort";
    let ask = || bench.runtime.block_on(bench.ask(file, Duration::from_secs(20)));
    for _ in 0..3 {
        assert_eq!(died(ask()), WorkerDeath::Abort);
    }
    let deaths = bench.metrics.worker_deaths();
    let Err(EngineError::Job(error)) = ask() else { panic!() };
    assert!(matches!(&*error, JobError::Decode(DecodeError::Undecodable { .. })), "{error}");
    assert_eq!(bench.metrics.worker_deaths(), deaths, "no process was risked");
}

fn a_worker_that_dies_while_idle_costs_nothing(bench: &Bench) {
    bench.answers();
    let idle = processes::workers();
    assert!(!idle.is_empty());
    idle.iter().for_each(|worker| processes::kill(*worker));
    for _ in 0..5 {
        bench.answers();
    }
    assert!(processes::workers().iter().all(|worker| !idle.contains(worker)));
}

fn a_worker_is_replaced_after_many_jobs_or_a_large_one(bench: &Bench) {
    let recycled = bench.metrics.workers_recycled();
    for job in 0..200 {
        bench.run(&format!("echo {job}")).unwrap();
    }
    assert!(bench.metrics.workers_recycled() >= recycled + 2);
    let recycled = bench.metrics.workers_recycled();
    bench.run("large").unwrap();
    assert_eq!(bench.metrics.workers_recycled(), recycled + 1);
}

/// The limit of the memory of a worker is that of its jobs so far.
fn a_large_file_comes_after_a_small_job(bench: &Bench) {
    bench.answers();
    let workers = processes::workers();
    let large = format!("count{}", "!".repeat(150 << 20));
    let served = bench.run(&large).expect("an answer");
    assert_eq!(served.answer.bytes, large.len().to_string().as_bytes());
    assert_eq!(processes::workers(), workers, "none died of the file");
}

fn a_thousand_deaths_leave_nothing_behind(bench: &Bench) {
    bench.answers();
    let before = processes::Footprint::now();
    for death in 0..1000 {
        assert_eq!(died(bench.run(&format!("abort {death}"))), WorkerDeath::Abort);
    }
    bench.answers();
    wait_until("every dead worker is reaped", PATIENCE, || processes::Footprint::now().children <= before.children);
    let after = processes::Footprint::now();
    assert_eq!(after.descriptors, before.descriptors);
    assert_eq!(after.zombies, 0);
    println!("  resident: {} to {} KiB", before.resident_kib, after.resident_kib);
    assert!(after.resident_kib <= before.resident_kib + 2048, "{} to {} KiB", before.resident_kib, after.resident_kib);
}

fn without_a_spawner_jobs_are_refused(bench: &Bench) {
    bench.answers();
    let workers = processes::workers();
    processes::kill(processes::spawner());
    bench.runtime.block_on(bench.workers.spawner_gone());
    assert!(matches!(bench.run("echo after"), Err(EngineError::NoWorker { .. })));
    wait_until("its workers are gone", PATIENCE, || workers.iter().all(|worker| !runs(*worker)));
}
