//! Files that promise more than they are: a few bytes that would take gigabytes, or seconds. Each is made here. What is
//! over a limit is refused before a pixel is allocated; what is within them takes no more memory than admission
//! reserves for it. Memory is counted by an allocator of this test's own, which sees what Rust allocates: all that
//! decoders do.

mod allocator;
mod avif;
mod bytes;
mod heic;
mod jpeg;
mod jxl;
mod others;
mod png;
mod tiff;
mod webp;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytefit::codec::{self, DecodeError, Format, Limits};
use bytefit::engine::{Bounds, Codecs, SetJob, Work};
use bytefit::job::{self, Effort, Formats, Job, JobError, Stop};
use bytefit::picture::transform::{Crop, Gravity, Length, Resize, ResizeFit, Rotation};
use testkit::drawing::{self, Content};
use testkit::fixtures;

/// What a refusal may allocate.
const REFUSAL_BYTES: u64 = 5 << 20;

/// Ten times what a refusal may take where it is built for speed: only a bomb takes longer.
const REFUSAL_TIME: Duration = Duration::from_millis(500);

/// What a step may take that the deadline passes in, a decode or an encode of 81 megapixels, on a machine that does ten
/// other things: only a hang takes longer.
const LONGEST_STEP: Duration = Duration::from_secs(300);

/// What Rust allocates beside what admission counts: tables, headers, the file that is written.
const SLACK_BYTES: u64 = 8 << 20;

/// A file, and what is to come of it.
struct Bomb {
    name: &'static str,
    file: Vec<u8>,
    end: End,
}

/// What is to come of a file.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// It is refused by its header.
    Refused,
    /// It may be decoded, or fail to; either way within the memory that admission reserves.
    Bounded,
    /// The same for a small picture, in the time that a refusal may take.
    BoundedAndQuick,
}

fn bombs() -> Vec<Bomb> {
    let formats = [
        png::bombs(),
        jpeg::bombs(),
        webp::bombs(),
        avif::bombs(),
        jxl::bombs(),
        heic::bombs(),
        tiff::bombs(),
        others::bombs(),
    ];
    formats.into_iter().flatten().collect()
}

/// The small file of this name, whole.
fn fixture(name: &str) -> Vec<u8> {
    let fixture = fixtures::all().into_iter().find(|fixture| fixture.name == name).expect("there is one");
    assert_eq!(codec::sniff(&fixture.file), Ok(fixture.format));
    fixture.file
}

fn job() -> Job {
    let job = Job::new(20_000, Formats::Among(vec![Format::Png]));
    Job { effort: Effort::Fast, deadline: Duration::from_secs(5), ..job }
}

/// Memory is counted for the whole process, so tests take turns.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn no_bomb_goes_off() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let limits = Limits::default();
    let bombs = bombs();
    assert!(bombs.len() >= 30, "{} bombs", bombs.len());
    for Bomb { name, file, end } in bombs {
        let reserved = codec::probe(&file, &limits)
            .ok()
            .and_then(|probe| job::memory_needed(&probe, &job(), &limits, u64::MAX).ok());
        let started = Instant::now();
        let (result, peak) =
            allocator::peak_of(|| job::run(&job(), &file, &limits, &Stop::at(started + job().deadline)));
        let elapsed = started.elapsed();
        let outcome =
            result.as_ref().map_or_else(ToString::to_string, |answer| answer.report.outcome.name().to_owned());
        println!("{name}: {} bytes, peak {} kB, {elapsed:?}: {outcome}", file.len(), peak / 1000);
        if end == End::Refused {
            assert!(matches!(result, Err(JobError::Decode(_))), "{name}: {outcome}");
            assert!(peak <= REFUSAL_BYTES, "{name} took {peak} bytes to refuse");
            assert!(elapsed <= REFUSAL_TIME, "{name} took {elapsed:?} to refuse");
            continue;
        }
        assert!(peak <= reserved.unwrap_or(0) + SLACK_BYTES, "{name} took {peak} bytes");
        let longest = if end == End::BoundedAndQuick { REFUSAL_TIME } else { job().deadline + LONGEST_STEP };
        assert!(elapsed <= longest, "{name} took {elapsed:?}");
        if let Err(error) = result {
            let clients = matches!(
                error,
                JobError::Decode(DecodeError::Undecodable { .. } | DecodeError::TooManyPixels { .. })
                    | JobError::TargetUnreachable { .. }
                    | JobError::DeadlineExceeded { .. }
            );
            assert!(clients, "{name}: {error}");
        }
    }
}

#[test]
fn transforms_take_no_more_memory_than_is_reserved() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let limits = Limits::default();
    let resize = |width, height, fit| Some(Resize { width: Some(width), height: Some(height), fit, enlarge: true });
    let crop = [10, 10, 2300, 1700].map(Length::Pixels);
    let crop = Some(Crop { left: crop[0], top: crop[1], width: crop[2], height: crop[3] });
    let plain = Job { deadline: Duration::from_secs(120), ..Job::new(300_000, Formats::Among(vec![Format::Jpeg])) };
    let jobs = [
        Job { crop, rotate: Rotation::Quarter, ..plain.clone() },
        Job { resize: resize(2400, 2400, ResizeFit::Contain), crop, ..plain.clone() },
        Job { resize: resize(1800, 1800, ResizeFit::Cover), gravity: Gravity::Smart, ..plain.clone() },
        Job { blur: Some(3.9), ..plain.clone() },
        Job { blur: Some(100.0), sharpen: Some(1.0), grayscale: true, ..plain },
    ];
    for content in [Content::Flat, Content::Alpha] {
        let file = drawing::file(content, 2400, 1800);
        let probe = codec::probe(&file, &limits).unwrap();
        for job in &jobs {
            let reserved = job::memory_needed(&probe, job, &limits, u64::MAX).unwrap();
            let stop = Stop::at(Instant::now() + job.deadline);
            let (result, peak) = allocator::peak_of(|| job::run(job, &file, &limits, &stop));
            println!("{content:?}: peak {} kB of {} kB", peak / 1000, reserved / 1000);
            assert!(result.is_ok(), "{job:?}: {result:?}");
            assert!(peak <= reserved, "{content:?} took {peak} bytes, {reserved} are reserved: {job:?}");
        }
    }
}

#[test]
fn a_set_takes_no_more_memory_than_its_largest_job() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let sized = |width| {
        let resize = Some(Resize { width: Some(width), height: None, fit: ResizeFit::Inside, enlarge: false });
        // Scoring takes most of the memory, and comes after the picture is resized.
        Job { resize, min_score: Some(1.0), ..Job::new(300_000, Formats::Among(vec![Format::Jpeg])) }
    };
    let jobs = [sized(200), sized(900), sized(900)];
    let (file, limits) = (drawing::file(Content::Flat, 2400, 1800), Limits::default());
    let stop = Stop::at(Instant::now() + Duration::from_secs(120));
    let (largest, of_largest) = allocator::peak_of(|| job::run(&jobs[2], &file, &limits, &stop));
    let set: Vec<SetJob> = jobs.iter().map(|job| SetJob { job, stop: &stop }).collect();
    let bounds = Bounds { limits: &limits, stop: &stop, memory_bytes: of_largest, total: None };
    let mut bytes = Vec::new();
    let (_, of_set) = allocator::peak_of(|| {
        Codecs.run_set(&set, &file, &bounds, &mut |result| bytes.push(result.map(|answer| answer.bytes)));
    });
    assert_eq!(bytes.pop(), Some(Ok(largest.unwrap().bytes)));
    assert!(bytes.len() == 2 && bytes.iter().all(Result::is_ok), "{bytes:?}");
    assert!(of_set <= of_largest + (1 << 20), "{of_set} bytes, {of_largest} for the largest");
}
