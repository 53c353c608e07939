//! What an answer costs that is smaller than its picture: the whole job over decoding, resizing and encoding once.

use std::time::Instant;

use bytefit::codec::{self, Effort, Format, Limits};
use bytefit::job::{self, Formats, Job, Report, Stop};
use bytefit::picture::{Layout, Picture, transform};

use super::{coding_of, cpu, quantile};

/// Targets that camera files are sent with, in bytes.
const TARGETS: [u64; 3] = [20_000, 80_000, 300_000];

/// Each time is the median of so many, one of each in turn.
const ROUNDS: usize = 3;

/// Prints a row for each answer, and the mean cost of each format and target. The last picture is of the largest of the
/// `inputs`, four times.
pub(crate) fn print_smaller(formats: &[Format], inputs: &[Vec<u8>]) {
    println!("\ncost where pictures become smaller: CPU of the job over decoding, resizing and encoding once");
    println!("format  target       MP  size       encodes    ms  cost");
    let large = inputs.iter().map(|input| four_times(input)).max_by_key(Vec::len);
    let inputs: Vec<&Vec<u8>> = inputs.iter().chain(&large).collect();
    for format in formats {
        for target in TARGETS {
            let costs: Vec<f64> = inputs.iter().filter_map(|input| print_cost(*format, target, input)).collect();
            let mean = costs.iter().sum::<f64>() / costs.len() as f64;
            println!("{:<7} {target:>6}  mean of {} {mean:>28.2}", format.name(), costs.len());
        }
    }
}

/// Prints the row of one answer. Returns its cost, or `None` where there is no answer of a quality.
fn print_cost(format: Format, target: u64, input: &[u8]) -> Option<f64> {
    let job = Job::new(target, Formats::Among(vec![format]));
    let (mut whole, mut once) = (Vec::new(), Vec::new());
    let mut report = None;
    for _ in 0..ROUNDS {
        let working = cpu();
        let answer = job::run(&job, input, &Limits::default(), &Stop::at(Instant::now() + job.deadline)).ok()?;
        whole.push(cpu() - working);
        let working = cpu();
        encode_once(&answer.report, input)?;
        once.push(cpu() - working);
        report = Some(answer.report);
    }
    let report = report?;
    let [whole, once] = [whole, once].map(|times| quantile(times, 0.5));
    let size = format!("{}x{}", report.output.width, report.output.height);
    println!(
        "{:<7} {target:>6}  {:>7.1}  {size:<10} {:>7}  {:>5.0} {:>5.2}",
        format.name(),
        f64::from(report.input.width) * f64::from(report.input.height) / 1e6,
        report.encodes,
        1e3 * whole,
        whole / once
    );
    Some(whole / once)
}

/// Decodes `input`, scales it to the size of the answer and encodes it at its quality.
fn encode_once(report: &Report, input: &[u8]) -> Option<Vec<u8>> {
    let decoded = codec::decode(input, &Limits::default()).expect("a picture");
    let upright = transform::orient(decoded.picture, decoded.orientation);
    let scaled = transform::scale(&upright, report.output.width, report.output.height);
    let quality = report.quality?;
    let coding = coding_of(report.output.format, quality);
    coding.encoder(&scaled, Effort::Balanced).ok()?.encode(coding.scale().ln_step(quality)).ok()
}

/// The picture of `input` two times across and two times down, as JPEG of quality 92.
fn four_times(input: &[u8]) -> Vec<u8> {
    let decoded = codec::decode(input, &Limits::default()).expect("a picture");
    let picture = transform::flatten(&transform::orient(decoded.picture, decoded.orientation), [255; 3]);
    let row_bytes = picture.width() as usize * 3;
    let rows: Vec<u8> = picture.pixels().chunks(row_bytes).flat_map(|row| [row, row].concat()).collect();
    let large = Picture::new(2 * picture.width(), 2 * picture.height(), Layout::Rgb, [&rows[..], &rows].concat());
    let coding = coding_of(Format::Jpeg, 92.0);
    let encoder = coding.encoder(&large, Effort::Fast).expect("JPEG takes any picture of a camera");
    encoder.encode(coding.scale().ln_step(92.0)).expect("the encode fits in memory")
}
