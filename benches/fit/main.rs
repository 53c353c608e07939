//! How well and how cheaply targets are met, as one table per format:
//!
//! ```text
//! BYTEFIT_CORPUS=DIRECTORY cargo bench --bench fit [-- FORMAT... FOLDER... [FILE.svg | scales | smaller | formats | rivals]]
//! ```
//!
//! Without a corpus it draws a picture. The columns:
//!
//! - "over": answers over the target;
//! - "fill": bytes divided by the target, for searches that neither the quality ceiling nor a lossless answer ended;
//! - "cost": CPU time of the whole job divided by that of decoding and one encode at the final setting, summed over the set;
//! - the last columns: the same for a bisection over whole quality units with the same encoder, decoding included, and the
//!   median difference in SSIMULACRA2, if both have an answer.
//!
//! A file that ends in .svg gets cost and fill as a chart. `scales` and `formats` print instead what the job's choice
//! of scale or of format gains; `smaller` what answers cost that are smaller than their picture; `rivals` prints what
//! the answers gain over those of Pillow and sharp, which must be installed (`pip install pillow`, and `npm install
//! sharp` in the working directory).

mod chart;
mod choice;
#[path = "../other_programs/mod.rs"]
mod other_programs;
mod rivals;
mod smaller;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytefit::codec::lossy_coding::LossyCoding;
use bytefit::codec::{self, Decoded, Effort, Format, Limits};
use bytefit::job::{self, Formats, Job, Outcome, Stop};
use bytefit::picture::score::Reference;
use bytefit::picture::{Picture, transform};
use testkit::drawing;

/// Targets, in bits per pixel of the input or in bytes.
const TARGETS: [(&str, Target); 5] = [
    ("0.3 bpp", Target::BitsPerPixel(0.3)),
    ("0.75 bpp", Target::BitsPerPixel(0.75)),
    ("1.5 bpp", Target::BitsPerPixel(1.5)),
    ("80 KB", Target::Bytes(80_000)),
    ("20 KB", Target::Bytes(20_000)),
];

/// The formats that are measured.
const FORMATS: [Format; 3] = [Format::Jpeg, Format::Webp, Format::Avif];

enum Target {
    BitsPerPixel(f64),
    Bytes(u64),
}

impl Target {
    fn bytes(&self, picture: &Picture) -> u64 {
        match self {
            Target::BitsPerPixel(bits) => (picture.pixel_count() as f64 * bits / 8.0) as u64,
            Target::Bytes(bytes) => *bytes,
        }
    }
}

/// One picture at one target.
struct Row {
    fill: f64,
    /// Whether the search itself chose the size.
    searched: bool,
    over: bool,
    encodes: f64,
    cpu: f64,
    cpu_once: f64,
    score: f64,
    bisection_encodes: f64,
    bisection_cpu: f64,
    bisection_score: f64,
    megapixels: f64,
}

fn main() {
    let mut formats = Vec::new();
    let mut folders = Vec::new();
    let mut choice = None;
    let mut chart = None;
    // `cargo bench` and `cargo test --benches` pass flags of their own.
    for argument in std::env::args().skip(1).filter(|argument| !argument.starts_with("--")) {
        match FORMATS.into_iter().find(|format| format.name() == argument) {
            Some(format) => formats.push(format),
            None if ["scales", "smaller", "formats", "rivals"].contains(&argument.as_str()) => choice = Some(argument),
            None if argument.ends_with(".svg") => chart = Some(argument),
            None => folders.push(argument),
        }
    }
    let inputs = inputs(&folders);
    let formats = if formats.is_empty() { FORMATS.to_vec() } else { formats };
    match choice.as_deref() {
        Some("scales") => choice::print_scales(&formats, &inputs),
        Some("smaller") => smaller::print_smaller(&formats, &inputs),
        Some("rivals") => rivals::print_rivals(&formats, &inputs),
        Some(_) => choice::print_formats(&inputs),
        None => print_targets(&formats, &inputs, chart),
    }
}

/// Prints the table. Writes the chart if there is a file for it.
fn print_targets(formats: &[Format], inputs: &[Vec<u8>], chart: Option<String>) {
    let mut bars = Vec::new();
    for format in formats.iter().copied() {
        println!("\n{} ({} pictures)", format.name(), inputs.len());
        println!(
            "target    hit%  over  fill med/p5    encodes mean/p95  cost  ms/MP  score  | bisection: encodes  cost  gain"
        );
        for (name, target) in &TARGETS {
            let rows: Vec<Row> = inputs.iter().filter_map(|input| measure(format, target, input)).collect();
            print(name, &rows, inputs.len());
            bars.push(bar(format, name, &rows));
        }
    }
    if let Some(file) = chart {
        std::fs::write(file, chart::svg(&bars)).expect("the chart is written");
    }
}

fn inputs(folders: &[String]) -> Vec<Vec<u8>> {
    let Some(corpus) = std::env::var_os("BYTEFIT_CORPUS").map(PathBuf::from) else {
        return vec![drawing::file(drawing::Content::Photo, 1024, 768)];
    };
    let default = ["photos".to_owned(), "kodak".to_owned(), "camera".to_owned()];
    let folders = if folders.is_empty() { &default } else { folders };
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in folders {
        files.extend(
            std::fs::read_dir(corpus.join(folder)).expect("a folder").map(|entry| entry.expect("an entry").path()),
        );
    }
    files.sort();
    files.iter().map(|file| std::fs::read(file).expect("readable")).collect()
}

fn measure(format: Format, target: &Target, input: &[u8]) -> Option<Row> {
    let decoding = cpu();
    let decoded = codec::decode(input, &Limits::default()).expect("a picture");
    let decode = cpu() - decoding;
    let picture = asked(decoded);
    let bytes = target.bytes(&picture);
    let job = job(&[format], bytes);
    let working = cpu();
    let answer = job::run(&job, input, &Limits::default(), &Stop::at(Instant::now() + job.deadline)).ok()?;
    let whole = cpu() - working;
    let report = &answer.report;
    let quality = report.quality?;
    let reference = Reference::new(&picture, [255; 3]);
    let encoding = cpu();
    let coding = coding_of(format, quality);
    coding.encoder(&picture, job.effort).ok()?.encode(coding.scale().ln_step(quality)).ok()?;
    let once = decode + cpu() - encoding;
    let bisecting = cpu();
    let (bisection_encodes, bisected) = bisect(coding, &picture, bytes, job.effort);
    let bisection_cpu = decode + cpu() - bisecting;
    Some(Row {
        fill: answer.bytes.len() as f64 / bytes as f64,
        searched: report.outcome == Outcome::Quality && quality < 89.0,
        over: answer.bytes.len() as u64 > bytes,
        encodes: f64::from(report.encodes),
        cpu: whole,
        cpu_once: once,
        score: score(&reference, &answer.bytes, &picture),
        bisection_encodes,
        bisection_cpu,
        bisection_score: bisected.map_or(f64::NAN, |file| score(&reference, &file, &picture)),
        megapixels: picture.pixel_count() as f64 / 1e6,
    })
}

/// The picture that the answers are compared with: upright, on white.
fn asked(decoded: Decoded) -> Picture {
    transform::flatten(&transform::orient(decoded.picture, decoded.orientation), [255; 3])
}

/// The coding of an answer in `format` of `quality`.
fn coding_of(format: Format, quality: f64) -> LossyCoding {
    let codings = LossyCoding::of(format);
    *codings.iter().find(|coding| quality <= coding.best_quality()).unwrap_or(&codings[0])
}

/// Bisects quality 1 to 100 in whole units to the end. Returns the number of encodes and the best file that fits.
fn bisect(coding: LossyCoding, picture: &Picture, bytes: u64, effort: Effort) -> (f64, Option<Vec<u8>>) {
    let Ok(encoder) = coding.encoder(picture, effort) else { return (0.0, None) };
    let mut low = 1;
    let mut high = 100;
    let mut encodes = 0;
    let mut best = None;
    while low <= high {
        let middle = (low + high) / 2;
        let Ok(file) = encoder.encode(coding.scale().ln_step(f64::from(middle))) else { break };
        encodes += 1;
        if file.len() as u64 <= bytes {
            best = Some(file);
            low = middle + 1;
        } else {
            high = middle - 1;
        }
    }
    (f64::from(encodes), best)
}

fn score(reference: &Reference, file: &[u8], asked: &Picture) -> f64 {
    let picture = codec::decode(file, &Limits::default()).expect("our own file").picture;
    reference.score(&transform::scale(&picture, asked.width(), asked.height()))
}

fn job(formats: &[Format], target: u64) -> Job {
    let job = Job::new(target, Formats::Among(formats.to_vec()));
    Job { downscale: false, deadline: Duration::from_secs(600), ..job }
}

fn print(name: &str, rows: &[Row], pictures: usize) {
    let all = |pick: fn(&Row) -> f64| rows.iter().map(pick).collect::<Vec<f64>>();
    let sum = |pick: fn(&Row) -> f64| sum(rows, pick);
    let fills = fills(rows);
    println!(
        "{name:<9} {:>4.0} {:>5}  {:.3}/{:.3}     {:>5.2}/{:<3.0}      {:>6.2} {:>6.0} {:>6.2}  | {:>18.2} {:>5.2} {:>+5.2}",
        100.0 * rows.len() as f64 / pictures as f64,
        rows.iter().filter(|row| row.over).count(),
        quantile(fills.clone(), 0.5),
        quantile(fills, 0.05),
        sum(|row| row.encodes) / rows.len() as f64,
        quantile(all(|row| row.encodes), 0.95),
        sum(|row| row.cpu) / sum(|row| row.cpu_once),
        1e3 * sum(|row| row.cpu) / sum(|row| row.megapixels),
        quantile(all(|row| row.score), 0.5),
        sum(|row| row.bisection_encodes) / rows.len() as f64,
        sum(|row| row.bisection_cpu) / sum(|row| row.cpu_once),
        quantile(all(|row| row.score - row.bisection_score).into_iter().filter(|gain| gain.is_finite()).collect(), 0.5),
    );
}

fn bar(format: Format, target: &'static str, rows: &[Row]) -> chart::Bar {
    let once = sum(rows, |row| row.cpu_once);
    chart::Bar {
        format: format.name(),
        target,
        cost: sum(rows, |row| row.cpu) / once,
        bisection_cost: sum(rows, |row| row.bisection_cpu) / once,
        fill: [0.05, 0.5].map(|share| quantile(fills(rows), share)),
    }
}

/// Bytes divided by the target, of the rows whose size the search chose.
fn fills(rows: &[Row]) -> Vec<f64> {
    rows.iter().filter(|row| row.searched).map(|row| row.fill).collect()
}

fn sum(rows: &[Row], pick: fn(&Row) -> f64) -> f64 {
    rows.iter().map(pick).sum()
}

fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(((values.len().max(1) - 1) as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}

/// Seconds of CPU that this process has used, on all threads: rav1e has its own.
#[expect(unsafe_code, reason = "the clock is a system call")]
fn cpu() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call only writes to the struct that it gets.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
