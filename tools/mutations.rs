//! Damages files at random and decodes them: no decoder may panic, keep a wrong size, or take long.
//!
//! ```text
//! cargo run -p bytefit-tools --bin mutations -- COUNT [FORMAT...] [FOLDER...]
//! ```
//!
//! The files are those of the testkit, and all up to [`LARGEST_FILE`] below the folders. Each is damaged as often as
//! the others of its format, and each format that is read as often as the others; where formats are named, only these.
//! The same call does the same. Prints what became of them; the exit code is 1 when a decoder panicked or a picture has
//! another size than its header says, and then the file is in the folder of temporary files.

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use std::{env, fs};

use bytefit::codec::{self, Format, Limits};
use rayon::prelude::*;
use testkit::fixtures;
use testkit::mutation::mutated;

/// Larger files say nothing that smaller ones don't, and take longer.
const LARGEST_FILE: u64 = 64 << 10;
/// Small enough for a thousand files a second.
const LIMITS: Limits =
    Limits { max_pixels: 1 << 18, max_side: 1 << 15, max_frames: 64, max_metadata_bytes: 64 << 10, heic: true };

/// What became of a damaged file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Fate {
    Decoded,
    Refused,
    WrongSize,
    Panicked,
}

type Counts = BTreeMap<(&'static str, Fate), u64>;

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let count: u64 =
        arguments.next().and_then(|text| text.parse().ok()).expect("usage: mutations COUNT [FORMAT...] [FOLDER...]");
    let (wanted, folders): (Vec<_>, Vec<_>) = arguments.partition(|argument| Format::from_name(argument).is_some());
    let mut seeds: BTreeMap<Format, Vec<Vec<u8>>> = BTreeMap::new();
    fixtures::all().into_iter().for_each(|fixture| seeds.entry(fixture.format).or_default().push(fixture.file));
    folders.iter().for_each(|folder| collect(Path::new(folder), &mut seeds));
    seeds.retain(|format, _| wanted.is_empty() || wanted.iter().any(|name| name == format.name()));

    // Panics are counted, not printed.
    panic::set_hook(Box::new(|_| {}));
    let (counts, slowest) = (Mutex::new(Counts::new()), Mutex::new(Duration::ZERO));
    let formats: Vec<_> = seeds.iter().collect();
    (0..count).into_par_iter().for_each(|index| {
        let (format, files) = formats[index as usize % formats.len()];
        let round = index / formats.len() as u64;
        let file = mutated(&files[round as usize % files.len()], index);
        let started = Instant::now();
        let fate = fate(&file);
        let mut slowest = slowest.lock().unwrap();
        *slowest = started.elapsed().max(*slowest);
        drop(slowest);
        if matches!(fate, Fate::WrongSize | Fate::Panicked) {
            let kept = env::temp_dir().join(format!("mutation-{index}.{}", format.extension()));
            fs::write(&kept, &file).unwrap();
            println!("{fate:?}: {}", kept.display());
        }
        *counts.lock().unwrap().entry((format.name(), fate)).or_default() += 1;
    });

    let counts = counts.into_inner().unwrap();
    counts.iter().for_each(|((format, fate), count)| println!("{format:>6} {fate:?}: {count}"));
    let of = |fate| counts.iter().filter(|((_, known), _)| *known == fate).map(|(_, count)| count).sum::<u64>();
    let (panics, wrong) = (of(Fate::Panicked), of(Fate::WrongSize));
    let files: usize = seeds.values().map(Vec::len).sum();
    let slowest = slowest.into_inner().unwrap().as_secs_f64();
    println!("{count} mutations of {files} files: {panics} panics, {wrong} of another size, slowest {slowest:.2} s");
    if panics + wrong > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Adds the files below `folder` that are small and in a format that is read.
fn collect(folder: &Path, seeds: &mut BTreeMap<Format, Vec<Vec<u8>>>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            collect(&entry, seeds);
        } else if entry.metadata().is_ok_and(|metadata| metadata.len() <= LARGEST_FILE) {
            let file = fs::read(&entry).unwrap();
            if let Ok(format) = codec::sniff(&file) {
                seeds.entry(format).or_default().push(file);
            }
        }
    }
}

fn fate(file: &[u8]) -> Fate {
    let decoded = panic::catch_unwind(AssertUnwindSafe(|| (codec::probe(file, &LIMITS), codec::decode(file, &LIMITS))));
    match decoded {
        Err(_) => Fate::Panicked,
        Ok((_, Err(_))) => Fate::Refused,
        Ok((Ok(probe), Ok(decoded)))
            if (probe.width, probe.height) == (decoded.picture.width(), decoded.picture.height()) =>
        {
            Fate::Decoded
        }
        Ok((_, Ok(_))) => Fate::WrongSize,
    }
}
