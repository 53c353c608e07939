//! Measures answers that have a total together: how much of it they use, and how far their qualities are apart.
//!
//! Sets are three widths in three formats of a random part of each file, and lists are parts of eight random files in
//! one format. Each gets 0.5, 0.9 and 1.6 bits a pixel. Spreads of answers that are smaller than asked for are left
//! out: their quality is that of fewer pixels.
//!
//! ```text
//! cargo run --release -p bytefit-tools --bin total -- DIRECTORY...
//! ```

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytefit::codec::{self, Format, Limits};
use bytefit::job::{Answer, Formats, Job, JobError, Outcome, SharedTotal, Shares, Source, Stop};
use bytefit::picture::transform::{Crop, Length, Resize, ResizeFit};
use calibrate::pictures;
use rayon::prelude::*;

/// Sets, and files in lists.
const PICTURES: usize = 200;

/// Files of a list.
const LIST: usize = 8;

/// Bits a pixel.
const BUDGETS: [f64; 3] = [0.5, 0.9, 1.6];

const WIDTHS: [u32; 3] = [160, 320, 640];
const FORMATS: [Format; 3] = [Format::Jpeg, Format::Webp, Format::Avif];

fn main() {
    let files = pictures::files();
    println!(
        "| answers | bits a pixel | totals | over | fill: median, least | spread of quality: median, nine of ten, most |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for budget in BUDGETS {
        let of = |index: usize| set(&files[index % files.len()], &mut Random(index as u64), budget);
        print_row("3 widths x 3 formats", budget, (0..PICTURES).into_par_iter().filter_map(of).collect());
    }
    for format in FORMATS {
        for budget in BUDGETS {
            let of = |index: usize| list(&files, &mut Random(index as u64), format, budget);
            let name = format!("{LIST} files, {}", format.name());
            print_row(&name, budget, (0..PICTURES / LIST).into_par_iter().map(of).collect());
        }
    }
}

/// What became of a total.
struct Outcomes {
    fill: f64,
    /// The highest quality less the lowest, of pictures that are as large as asked for.
    spread: Option<f64>,
}

impl Outcomes {
    fn of(total: u64, answers: &[Answer]) -> Outcomes {
        let bytes: usize = answers.iter().map(|answer| answer.bytes.len()).sum();
        let whole = answers.iter().filter(|answer| answer.report.outcome == Outcome::Quality);
        let qualities: Vec<f64> = whole.filter_map(|answer| answer.report.quality).collect();
        let least = qualities.iter().copied().reduce(f64::min);
        let spread = qualities.iter().copied().reduce(f64::max).zip(least).map(|(most, least)| most - least);
        Outcomes { fill: bytes as f64 / total as f64, spread }
    }
}

/// The answers of a set. Returns `None` where it is refused.
fn set(file: &PathBuf, random: &mut Random, budget: f64) -> Option<Outcomes> {
    let input = std::fs::read(file).expect("readable");
    let size_of_file = upright_size(&input);
    let mut source = Source::open(input, &Limits::default(), &stop()).expect("decodable");
    let crop = random.crop();
    let size = |width: u32| Resize { width: Some(width), height: None, fit: ResizeFit::Inside, enlarge: false };
    let job = |width: u32, format: Format| Job { crop, resize: Some(size(width)), ..job(format) };
    let mut jobs: Vec<Job> = WIDTHS.into_iter().flat_map(|width| FORMATS.map(|format| job(width, format))).collect();
    let total = jobs.iter().map(|job| bytes_at(size_of_file, job, budget)).sum();
    jobs.iter_mut().for_each(|job| job.target = total);
    let mut plan = SharedTotal::plan(&mut source, &jobs.iter().collect::<Vec<&Job>>(), total, &stop()).ok()?;
    let fit = |(index, job)| plan.fit(index, &mut source, job, &stop());
    let answers: Vec<Answer> = jobs.iter().enumerate().map(fit).collect::<Result<_, JobError>>().expect("answers");
    Some(Outcomes::of(total, &answers))
}

/// The answers to a list of files.
fn list(files: &[PathBuf], random: &mut Random, format: Format, budget: f64) -> Outcomes {
    let mut total = 0;
    let open = |_| {
        let input = std::fs::read(&files[random.below(files.len())]).expect("readable");
        let side = 300 + random.below(900) as u32;
        let size = Resize { width: Some(side), height: Some(side), fit: ResizeFit::Inside, enlarge: false };
        let job = Job { crop: random.crop(), resize: Some(size), ..job(format) };
        total += bytes_at(upright_size(&input), &job, budget);
        (Source::open(input, &Limits::default(), &stop()).expect("decodable"), job)
    };
    let mut opened: Vec<(Source, Job)> = (0..LIST).map(open).collect();
    opened.iter_mut().for_each(|(_, job)| job.target = total);
    let curves: Vec<_> =
        opened.iter_mut().map(|(source, job)| source.size_curve(job, &stop()).expect("a curve")).collect();
    let mut shares = Shares::new(total, curves);
    let mut fit = |(index, (source, job)): (usize, &mut (Source, Job))| {
        let share = shares.take(index);
        let answer = source.fit_share(job, share, &stop()).expect("an answer");
        shares.give_back(share, answer.bytes.len() as u64);
        answer
    };
    Outcomes::of(total, &opened.iter_mut().enumerate().map(&mut fit).collect::<Vec<Answer>>())
}

fn print_row(answers: &str, budget: f64, mut outcomes: Vec<Outcomes>) {
    let over = outcomes.iter().filter(|outcome| outcome.fill > 1.0).count();
    outcomes.sort_by(|one, other| one.fill.total_cmp(&other.fill));
    let (median, least) = (outcomes[outcomes.len() / 2].fill, outcomes[0].fill);
    let mut spreads: Vec<f64> = outcomes.iter().filter_map(|outcome| outcome.spread).collect();
    spreads.sort_by(f64::total_cmp);
    let [middle, high, most] =
        [50, 90, 100].map(|percent| spreads[(spreads.len() * percent / 100).min(spreads.len() - 1)]);
    let totals = outcomes.len();
    println!(
        "| {answers} | {budget} | {totals} | {over} | {median:.3}, {least:.3} | {middle:.1}, {high:.1}, {most:.1} |"
    );
}

/// Bytes at so many bits for each pixel of the answer.
fn bytes_at((width, height): (u32, u32), job: &Job, bits_per_pixel: f64) -> u64 {
    let (width, height) = job.transforms().size(width, height).expect("within the picture");
    (f64::from(width) * f64::from(height) * bits_per_pixel / 8.0) as u64
}

fn upright_size(input: &[u8]) -> (u32, u32) {
    let probe = codec::probe(input, &Limits::default()).expect("a picture");
    probe.orientation.upright_size(probe.width, probe.height)
}

fn job(format: Format) -> Job {
    Job { deadline: Duration::from_secs(600), ..Job::new(u64::MAX, Formats::Among(vec![format])) }
}

fn stop() -> Stop {
    Stop::at(Instant::now() + Duration::from_secs(600))
}

/// Numbers that look random, the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        // Knuth's MMIX generator.
        for _ in 0..3 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        }
        (self.0 >> 33) as usize % end
    }

    /// A part of at least 55 % of each side.
    fn crop(&mut self) -> Option<Crop> {
        let [width, height] = [0; 2].map(|_| 55 + self.below(46));
        let [left, top] = [width, height].map(|part| self.below(101 - part));
        let [left, top, width, height] = [left, top, width, height].map(|percent| Length::Percent(percent as f64));
        Some(Crop { left, top, width, height })
    }
}
