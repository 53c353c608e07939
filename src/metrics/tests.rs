use std::time::Duration;

use super::labels::{CacheResult, Shed, Status};
use super::*;
use crate::codec::Format;
use crate::job::{Facts, Outcome, Report, Timings};

fn report() -> Report {
    let facts = |bytes, format| Facts { bytes, format, width: 8, height: 8 };
    Report {
        input: facts(5000, Format::Png),
        output: facts(900, Format::Webp),
        target: 1000,
        outcome: Outcome::Quality,
        cut_short: false,
        damaged: false,
        padded: false,
        quality: Some(70.0),
        score: None,
        encodes: 3,
        encodes_by_format: vec![(Format::Webp, 2), (Format::Jpeg, 1)],
        steps: Vec::new(),
        timings: Timings::default(),
    }
}

#[track_caller]
fn assert_line(metrics: &Metrics, line: &str) {
    let text = metrics.render();
    assert!(text.lines().any(|found| found == line), "no line {line:?} in\n{text}");
}

const ROUTES: [RouteLabel; 2] =
    [RouteLabel { name: "compress", computes: true }, RouteLabel { name: "health", computes: false }];

#[test]
fn every_label_set_exists_at_zero_from_the_start() {
    let metrics = Metrics::with_routes(ROUTES);
    for line in [
        r#"bytefit_http_requests_total{method="POST",route="compress",status="422"} 0"#,
        r#"bytefit_http_requests_total{method="GET",route="health",status="200"} 0"#,
        "bytefit_http_request_duration_seconds_count 0",
        "bytefit_jobs_in_flight 0",
        "bytefit_queue_depth 0",
        "bytefit_queue_wait_seconds_count 0",
        r#"bytefit_stage_duration_seconds_count{stage="search"} 0"#,
        r#"bytefit_encodes_total{format="avif"} 0"#,
        r#"bytefit_encodes_per_job_count{format="png"} 0"#,
        r#"bytefit_target_fill_ratio_count{format="jpeg"} 0"#,
        r#"bytefit_results_total{format="webp",outcome="passthrough"} 0"#,
        "bytefit_input_bytes_count 0",
        "bytefit_output_bytes_count 0",
        "bytefit_bytes_saved_total 0",
        r#"bytefit_cache_requests_total{result="collapsed",tier="memory"} 0"#,
        r#"bytefit_cache_requests_total{result="off",tier="redis"} 0"#,
        r#"bytefit_cache_requests_total{result="error",tier="disk"} 0"#,
        r#"bytefit_cache_bytes{tier="memory"} 0"#,
        r#"bytefit_cache_bytes{tier="disk"} 0"#,
        r#"bytefit_breaker_open{target="redis"} 0"#,
        r#"bytefit_breaker_open{target="batch_redis"} 0"#,
        "bytefit_coalesced_total 0",
        r#"bytefit_shed_total{reason="queue_full"} 0"#,
        "bytefit_memory_reserved_bytes 0",
        "bytefit_memory_limit_bytes 0",
        "bytefit_panics_total 0",
        "bytefit_workers 0",
        "bytefit_workers_recycled_total 0",
        "bytefit_workers_stopped_total 0",
        r#"bytefit_worker_deaths_total{cause="stack_overflow"} 0"#,
        r#"bytefit_batches{state="running"} 0"#,
        r#"bytefit_batch_items_total{result="failed"} 0"#,
        "bytefit_batch_oldest_seconds 0",
        concat!(r#"bytefit_build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""} 1"#),
    ] {
        assert_line(&metrics, line);
    }
}

#[test]
fn help_text_is_the_doc_comment() {
    assert_line(&Metrics::new(), "# HELP bytefit_jobs_in_flight Jobs that run on the pool now.");
}

#[test]
fn the_process_is_measured() {
    let metrics = Metrics::new();
    assert!(metrics.render().contains("process_resident_memory_bytes"));
    assert!(metrics.resident_bytes() > Some(100_000));
}

#[test]
fn clients_cannot_name_a_series() {
    let metrics = Metrics::with_routes(ROUTES);
    let series = |text: &str| text.lines().filter(|line| line.starts_with("bytefit_")).count();
    let before = series(&metrics.render());
    for route in ROUTES {
        for status in 100..600 {
            metrics.http_request(route, "BREW", status, Duration::ZERO);
            metrics.http_request(route, "GET", status, Duration::ZERO);
        }
    }
    assert_eq!(series(&metrics.render()), before);
    assert!(!metrics.render().contains("BREW"));
    assert_line(&metrics, r#"bytefit_http_requests_total{method="GET",route="health",status="other"} 491"#);
}

#[test]
fn a_computed_job_counts_its_encodes_and_stages() {
    let metrics = Metrics::new();
    metrics.job_waited(Duration::from_millis(3));
    metrics.job_done(&report(), Duration::from_secs(2));
    assert_line(&metrics, r#"bytefit_encodes_total{format="webp"} 2"#);
    assert_line(&metrics, r#"bytefit_encodes_per_job_sum{format="jpeg"} 1"#);
    assert_line(&metrics, r#"bytefit_encodes_per_job_count{format="avif"} 0"#);
    assert_line(&metrics, r#"bytefit_stage_duration_seconds_sum{stage="total"} 2"#);
    assert_line(&metrics, r#"bytefit_stage_duration_seconds_count{stage="queue"} 1"#);
    assert_line(&metrics, "bytefit_queue_wait_seconds_count 1");
}

#[test]
fn a_served_answer_counts_its_bytes_and_outcome() {
    let metrics = Metrics::new();
    metrics.answer_served(&report());
    assert_line(&metrics, r#"bytefit_results_total{format="webp",outcome="quality"} 1"#);
    assert_line(&metrics, r#"bytefit_target_fill_ratio_sum{format="webp"} 0.9"#);
    assert_line(&metrics, "bytefit_bytes_saved_total 4100");
    assert_eq!(metrics.outcomes().nth(2), Some((Outcome::Quality, 1)));
    assert_eq!(metrics.outcomes().map(|(_, count)| count).sum::<u64>(), 1);
}

#[test]
fn gauges_fall_back_when_their_guards_are_dropped() {
    let metrics = Metrics::new();
    let guards = (metrics.job_queued(), metrics.job_started(), metrics.memory_reserved(1 << 20));
    assert_eq!((metrics.queue_depth(), metrics.jobs_in_flight(), metrics.memory_reserved_now()), (1, 1, 1 << 20));
    drop(guards);
    assert_eq!((metrics.queue_depth(), metrics.jobs_in_flight(), metrics.memory_reserved_now()), (0, 0, 0));
}

#[test]
fn fills_are_counts_of_each_class() {
    let metrics = Metrics::new();
    metrics.answer_served(&report());
    metrics.answer_served(&report());
    let fills = metrics.fills();
    assert_eq!(fills.iter().find(|(bound, _)| *bound == 0.9), Some(&(0.9, 2)));
    assert_eq!(fills.iter().map(|(_, count)| count).sum::<u64>(), 2);
}

#[test]
fn an_interval_of_the_history_has_what_was_counted() {
    let metrics = Metrics::with_routes(ROUTES);
    metrics.http_request(ROUTES[0], "POST", 422, Duration::from_millis(3));
    metrics.http_request(ROUTES[1], "GET", 200, Duration::from_secs(9));
    metrics.shed(Shed::QueueFull);
    metrics.cache_request(CacheResult::Hit);
    metrics.cache_request(CacheResult::Miss);
    metrics.cache_request(CacheResult::Collapsed);
    metrics.job_done(&report(), Duration::ZERO);
    metrics.answer_served(&report());
    let _job = metrics.job_started();
    metrics.end_interval();
    let interval = metrics.history(Interval::clone).remove(0);
    assert_eq!((interval.requests, interval.client_errors, interval.shed), (1, 1, 1));
    assert_eq!((interval.hit_ratio(), interval.jobs, interval.encodes), (Some(0.5), 1, 3));
    assert_eq!((interval.input_bytes, interval.saved_bytes, interval.gauges.in_flight), (5000, 4100, 1));
    assert_eq!(interval.statuses().collect::<Vec<_>>(), [(Status::S422, 1)]);
}

#[test]
fn only_answers_of_compress_make_up_the_latency() {
    let metrics = Metrics::with_routes(ROUTES);
    metrics.http_request(ROUTES[1], "GET", 200, Duration::from_secs(9));
    metrics.http_request(ROUTES[0], "POST", 422, Duration::from_millis(1));
    metrics.http_request(ROUTES[0], "POST", 200, Duration::from_secs(1));
    assert_eq!((metrics.latency().requests, metrics.latency().p99), (1, Duration::from_secs(1)));
}

#[test]
fn a_collapsed_lookup_is_coalesced() {
    let metrics = Metrics::new();
    metrics.cache_request(CacheResult::Collapsed);
    metrics.cache_request(CacheResult::Hit);
    assert_line(&metrics, "bytefit_coalesced_total 1");
    assert_eq!(metrics.cache_requests(CacheResult::Hit), 1);
}
