//! Sets of jobs on one upload.

use futures_util::StreamExt;

use super::*;
use crate::picture::transform::{Resize, ResizeFit};

/// A set of jobs with these targets.
fn jobs(targets: &[u64]) -> Vec<Job> {
    targets.iter().map(|target| Job { target: *target, ..job() }).collect()
}

fn set_of(jobs: Vec<Job>) -> JobSet {
    JobSet { jobs, total: None, deadline: Duration::from_secs(3600) }
}

impl TestEngine {
    async fn start_set(&self, input: &str, jobs: Vec<Job>) -> SetResults {
        self.start(input, set_of(jobs)).await
    }

    async fn start(&self, input: &str, set: JobSet) -> SetResults {
        let lease = self.engine.admit().unwrap().lease;
        lease.grow(input.len() as u64).unwrap();
        self.engine.run_set(Instant::now(), upload(input, lease), set).await
    }

    /// The results of a set in the order in which they came.
    async fn run_set(&self, input: &str, jobs: Vec<Job>) -> Vec<(usize, Result<Served, EngineError>)> {
        self.start_set(input, jobs).await.collect().await
    }
}

fn sources(results: &[(usize, Result<Served, EngineError>)]) -> Vec<(usize, ServedFrom)> {
    results.iter().map(|(index, result)| (*index, result.as_ref().unwrap().served_from)).collect()
}

const MISS: ServedFrom = ServedFrom::Miss { stored: true };
const COLLAPSED: ServedFrom = ServedFrom::Collapsed { stored: true };

#[tokio::test]
async fn a_set_takes_one_slot_and_one_permit_and_the_smallest_comes_first() {
    let test = TestEngine::new(1, 0);
    let results = test.run_set("picture", jobs(&[900, 100, 500])).await;
    assert_eq!(sources(&results), [(1, MISS), (2, MISS), (0, MISS)]);
    assert_eq!(test.runs(), 3);
    let text = test.metrics.render();
    assert!(text.contains("bytefit_queue_wait_seconds_count 1\n"), "{text}");
    assert_eq!(test.gauges()[..2], [0, 0]);
}

#[tokio::test]
async fn small_pictures_come_before_large_ones_whatever_their_targets() {
    let test = TestEngine::new(1, 0);
    let sized = |width, height, target| {
        let resize = Resize { width, height, fit: ResizeFit::Inside, enlarge: false };
        Job { resize: Some(resize), target, ..job() }
    };
    let set = vec![
        Job { target: 1, ..job() },
        sized(Some(640), None, 5),
        sized(Some(100), Some(900), 9),
        sized(Some(640), None, 4),
    ];
    let order: Vec<usize> = test.run_set("picture", set).await.iter().map(|(index, _)| *index).collect();
    assert_eq!(order, [2, 3, 1, 0]);
}

#[tokio::test]
async fn sets_and_single_requests_share_the_cache_both_ways() {
    let test = TestEngine::new(1, 4);
    test.run_job("picture", Job { target: 500, ..job() }).await.unwrap();
    let results = test.run_set("picture", jobs(&[100, 500])).await;
    assert_eq!(sources(&results), [(1, HIT), (0, MISS)]);
    let single = test.run_job("picture", Job { target: 100, ..job() }).await.unwrap();
    assert_eq!(single.served_from, HIT);
    assert_eq!(test.runs(), 2);
}

#[tokio::test]
async fn sets_and_single_requests_share_computations_both_ways() {
    let mut test = TestEngine::new(2, 4);
    let mut set = test.start_set("hold", jobs(&[100, 200])).await;
    test.started.recv().await.unwrap();
    let mut single = Box::pin(test.run_job("hold", Job { target: 200, ..job() }));
    assert!(poll!(&mut single).is_pending());
    let mut other = test.start_set("hold", jobs(&[200, 100])).await;
    assert!(poll!(other.next()).is_pending());
    test.release.send(()).unwrap();
    test.started.recv().await.unwrap();
    test.release.send(()).unwrap();
    assert_eq!(single.await.unwrap().served_from, COLLAPSED);
    let mut others = [other.next().await.unwrap(), other.next().await.unwrap()];
    others.sort_by_key(|(index, _)| *index);
    assert_eq!(sources(&others), [(0, COLLAPSED), (1, COLLAPSED)]);
    let own = [set.next().await.unwrap(), set.next().await.unwrap()];
    assert_eq!(sources(&own), [(0, MISS), (1, MISS)]);
    assert_eq!(test.runs(), 2);

    let (first, _) = test.hold("hold single").await;
    let mut set = test.start_set("hold single", vec![job(), Job { target: 7, ..job() }]).await;
    test.started.recv().await.unwrap();
    test.release.send(()).unwrap();
    test.release.send(()).unwrap();
    first.await.unwrap().unwrap();
    let mut both = [set.next().await.unwrap(), set.next().await.unwrap()];
    both.sort_by_key(|(index, _)| *index);
    assert_eq!(sources(&both), [(0, COLLAPSED), (1, MISS)]);
}

#[tokio::test]
async fn equal_jobs_of_a_set_are_computed_once() {
    let test = TestEngine::new(1, 0);
    let results = test.run_set("picture", jobs(&[100, 100, 100])).await;
    assert_eq!(results.len(), 3);
    assert_eq!(test.runs(), 1);
}

#[tokio::test]
async fn a_result_comes_as_soon_as_it_is_done() {
    let mut test = TestEngine::new(1, 0);
    let mut set = test.start_set("hold", jobs(&[100, 200])).await;
    test.started.recv().await.unwrap();
    test.release.send(()).unwrap();
    let (index, result) = set.next().await.unwrap();
    assert!(index == 0 && result.is_ok());
    test.started.recv().await.unwrap();
    assert!(poll!(set.next()).is_pending(), "the second is at work");
    test.release.send(()).unwrap();
    assert_eq!(set.next().await.unwrap().0, 1);
}

/// A set with a total of 100 bytes.
fn within_100(targets: &[u64]) -> JobSet {
    JobSet { total: Some(100), ..set_of(jobs(targets)) }
}

#[tokio::test]
async fn shares_of_a_total_come_from_the_cache_when_it_has_them_all() {
    let test = TestEngine::new(1, 4);
    let run = async || -> Vec<_> { test.start("picture", within_100(&[100, 50])).await.collect().await };
    assert_eq!(sources(&run().await), [(1, MISS), (0, MISS)]);
    assert_eq!(sources(&run().await), [(1, HIT), (0, HIT)]);
    assert_eq!(test.runs(), 2);
    let other = test.run_set("picture", jobs(&[100, 50])).await;
    assert_eq!(sources(&other), [(1, MISS), (0, MISS)], "a share is no answer to a job alone");
}

#[tokio::test]
async fn a_share_that_was_cut_short_is_not_computed_again_alone() {
    let test = TestEngine::new(1, 4);
    let results: Vec<_> = test.start("cut", within_100(&[100, 50])).await.collect().await;
    assert_eq!(sources(&results), [(1, ServedFrom::Miss { stored: false }), (0, MISS)]);
    assert_eq!(test.runs(), 2);
}

#[tokio::test]
async fn identical_sets_share_the_computation_of_a_total() {
    let mut test = TestEngine::new(2, 4);
    let mut first = test.start("hold", within_100(&[50, 100])).await;
    test.started.recv().await.unwrap();
    test.release.send(()).unwrap();
    assert_eq!(sources(&[first.next().await.unwrap()]), [(0, MISS)]);
    test.started.recv().await.unwrap();
    let mut second = test.start("hold", within_100(&[50, 100])).await;
    assert_eq!(sources(&[second.next().await.unwrap()]), [(0, HIT)]);
    drop(first);
    assert!(poll!(second.next()).is_pending());
    test.release.send(()).unwrap();
    assert_eq!(sources(&[second.next().await.unwrap()]), [(1, COLLAPSED)]);
    assert_eq!(test.runs(), 2);
}

#[tokio::test]
async fn answers_over_the_total_are_a_bug_that_nobody_is_sent() {
    let test = TestEngine::new(1, 4);
    for (source, runs) in [(MISS, 2), (HIT, 4)] {
        let set = JobSet { total: Some(10), ..set_of(jobs(&[10, 9])) };
        let results: Vec<_> = test.start("picture", set).await.collect().await;
        assert_eq!(sources(&results[..1]), [(1, source)]);
        let (_, second) = &results[1];
        let Err(EngineError::Job(error)) = second else { panic!("{second:?}") };
        assert_eq!(**error, JobError::OverTarget { bytes: 7, target: 3 });
        assert_eq!(test.runs(), runs, "a missing share is computed with all before it");
    }
}

#[tokio::test]
async fn dropping_the_results_stops_the_set() {
    let mut test = TestEngine::new(1, 4);
    let set = test.start_set("hold", jobs(&[100, 200, 300])).await;
    let stop = test.started.recv().await.unwrap();
    drop(set);
    assert_eq!(stop.reason(), Some(StopReason::Cancelled));
    test.release.send(()).unwrap();
    while test.metrics.jobs_in_flight() > 0 {
        tokio::task::yield_now().await;
    }
    test.run("next").await.unwrap();
    assert!(test.started.try_recv().is_err(), "no other output of the set was begun");
}

#[tokio::test]
async fn what_another_request_waits_for_goes_on_when_the_set_is_dropped() {
    let mut test = TestEngine::new(1, 4);
    let set = test.start_set("hold", jobs(&[100, 200, 300])).await;
    let first = test.started.recv().await.unwrap();
    let mut single = Box::pin(test.run_job("hold", Job { target: 300, ..job() }));
    assert!(poll!(&mut single).is_pending());
    drop(set);
    assert_eq!(first.reason(), Some(StopReason::Cancelled));
    test.release.send(()).unwrap();
    let last = test.started.recv().await.unwrap();
    assert_eq!((last.reason(), test.runs()), (None, 2), "the second output of the set is left out");
    test.release.send(()).unwrap();
    assert_eq!(single.await.unwrap().served_from, COLLAPSED);
}

#[tokio::test]
async fn what_fails_all_outputs_is_the_answer_of_each() {
    let mut test = TestEngine::new(1, 0);
    let results = test.run_set("bad header", jobs(&[1, 2])).await;
    assert!(results.iter().all(|(_, result)| matches!(result, Err(EngineError::Job(_)))), "{results:?}");
    let results = test.run_set("panic", jobs(&[1, 2])).await;
    assert!(results.iter().all(|(_, result)| matches!(result, Err(EngineError::Panicked { .. }))), "{results:?}");
    assert!(test.metrics.render().contains("bytefit_panics_total 1\n"), "one cause is counted once");
    let lease = test.engine.admit().unwrap().lease;
    let (held, _) = test.hold("hold").await;
    let set = test.engine.run_set(Instant::now(), upload("picture", lease), set_of(jobs(&[1, 2]))).await;
    let results: Vec<_> = set.collect().await;
    assert!(results.iter().all(|(_, result)| matches!(result, Err(EngineError::Overloaded { .. }))), "{results:?}");
    test.release.send(()).unwrap();
    held.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_time_of_a_set_counts_from_when_its_request_was_received() {
    let test = TestEngine::new(1, 0);
    let deadline = Duration::from_secs(3600);
    let run = async |received: Instant| {
        let lease = test.engine.admit().unwrap().lease;
        let set = test.engine.run_set(received, upload("picture", lease), set_of(jobs(&[100, 200]))).await;
        set.map(|(_, result)| result).collect::<Vec<_>>().await
    };
    let late = JobError::DeadlineExceeded { deadline };
    let results = run(Instant::now().checked_sub(deadline).unwrap()).await;
    assert!(
        results.iter().all(|result| matches!(result, Err(EngineError::Job(error)) if **error == late)),
        "{results:?}"
    );
    assert!(run(Instant::now()).await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_set_that_is_late_names_its_own_deadline() {
    let mut test = TestEngine::new(1, 0);
    let deadline = Duration::from_millis(20);
    let set = test.start("hold", JobSet { deadline, ..set_of(jobs(&[100, 200])) }).await;
    test.started.recv().await.unwrap();
    let results: Vec<_> = set.collect().await;
    let late = JobError::DeadlineExceeded { deadline };
    assert!(
        results.iter().all(|(_, result)| matches!(result, Err(EngineError::Job(error)) if **error == late)),
        "{results:?}"
    );
    test.release.send(()).unwrap();
}
