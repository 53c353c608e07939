//! One source, several jobs.

use std::time::{Duration, Instant};

use bytefit::codec::{Format, Limits};
use bytefit::job::{Formats, Job, JobError, Outcome, Source, Stop};
use bytefit::picture::transform::{Resize, ResizeFit};

use super::{job, run};
use testkit::drawing::{Content, file};

fn stop() -> Stop {
    Stop::at(Instant::now() + Duration::from_secs(120))
}

#[test]
fn a_source_gives_every_job_the_bytes_that_a_run_gives() {
    for content in [Content::Photo, Content::Alpha] {
        let input = file(content, 160, 120);
        let smaller = Resize { width: Some(80), height: None, fit: ResizeFit::Inside, enlarge: false };
        let jobs = [
            job(Format::Jpeg, 4_000),
            Job { resize: Some(smaller), ..job(Format::Webp, 2_000) },
            Job { formats: Formats::Among(vec![Format::Jpeg, Format::Webp, Format::Avif]), ..job(Format::Jpeg, 1_500) },
            job(Format::Png, 1_000_000),
            job(Format::Jpeg, 4_000),
        ];
        let source = Source::open(&input, &Limits::default(), &stop()).unwrap();
        for job in jobs {
            let answer = source.fit(&job, &stop()).unwrap();
            assert_eq!(answer.bytes, run(&job, &input).unwrap().bytes, "{content:?} {job:?}");
            assert_eq!(answer.report.outcome == Outcome::Passthrough, job.target == 1_000_000, "{content:?} {job:?}");
        }
    }
}

#[test]
fn a_source_refuses_a_size_over_the_limits_and_fits_the_next_job() {
    let input = file(Content::Photo, 40, 30);
    let limits = Limits { max_side: 100, ..Limits::default() };
    let source = Source::open(&input, &limits, &stop()).unwrap();
    let larger = Resize { width: Some(101), height: None, fit: ResizeFit::Inside, enlarge: true };
    let refused = source.fit(&Job { resize: Some(larger), ..job(Format::Jpeg, 2_000) }, &stop());
    assert!(matches!(refused, Err(JobError::Decode(_))), "{refused:?}");
    assert!(source.fit(&job(Format::Jpeg, 2_000), &stop()).is_ok());
}

#[test]
fn a_source_that_nobody_waits_for_is_not_opened() {
    let stop = stop();
    stop.cancel();
    let input = file(Content::Photo, 40, 30);
    let opened = Source::open(&input, &Limits::default(), &stop);
    assert_eq!(opened.err(), Some(JobError::Cancelled));
}
