//! Measures the quantiser tables of JPEG: the source of those in `src/codec/jpeg/quantiser.rs`.
//!
//! The program starts from the tables in use. For one pair of mirrored frequencies after the other it makes the step
//! coarser or finer, and keeps the change when the pictures look better at the same bytes. It first does so on every
//! other picture and prints what the rest gain; then it goes on with all pictures. It prints a line for each change
//! that it keeps: the gain of SSIMULACRA2 at each of [`BITS_PER_PIXEL`].
//!
//! ```text
//! cargo run --release -p bytefit-tools --bin jpeg_tables -- DIRECTORY...
//! ```

use std::collections::BTreeMap;

use bytefit::codec::jpeg::encode::JpegEncoder;
use bytefit::codec::jpeg::quantiser::{TABLES, Tables};
use bytefit::codec::{self, Effort, Encoder, Limits};
use bytefit::picture::score::Reference;
use bytefit::picture::{Chroma, Picture};
use calibrate::pictures;
use rayon::prelude::*;

/// Pixels a side that pictures are scaled to, at most.
const SIDE: u32 = 768;

/// Sizes at which the pictures are compared.
const BITS_PER_PIXEL: [f64; 3] = [0.3, 0.75, 1.5];

/// Points of SSIMULACRA2 for each unit of ln(bytes) at these sizes: corrects the score of a file that misses its size.
const POINTS: [f64; 3] = [31.0, 20.0, 14.0];

/// Difference in ln(bytes) at which a file counts as being of its size.
const NEAR: f64 = 0.004;

/// Encodes to reach a size, at most.
const MAX_ENCODES: usize = 6;

/// Changes of ln(step) to try, one after the other.
const CHANGES: [f64; 3] = [0.2, 0.12, 0.07];

/// Points of SSIMULACRA2, summed over the sizes, below which a gain counts as noise.
const NOISE: f64 = 0.01;

/// Sum of the two frequencies from which on all steps change together.
const FAR: usize = 10;

/// A picture, and for each size the scale of the tables that last reached it.
struct Subject {
    picture: Picture,
    reference: Reference,
    ln_steps: [f64; 3],
}

fn main() {
    let subject = |file| {
        let picture = pictures::load(file, SIDE);
        Subject { reference: Reference::new(&picture, [255; 3]), picture, ln_steps: [0.5, -0.5, -1.3] }
    };
    let subjects: Vec<Subject> = pictures::files().par_iter().map(|file| subject(file)).collect();
    let mut training = Vec::new();
    let mut rest = Vec::new();
    for (index, subject) in subjects.into_iter().enumerate() {
        if index % 2 == 0 { training.push(subject) } else { rest.push(subject) }
    }
    let before = scores(&mut rest, &TABLES);
    let tables = improved(&mut training, TABLES.clone());
    println!("// on the pictures left out: {}", gains(scores(&mut rest, &tables), before));
    training.append(&mut rest);
    let tables = improved(&mut training, tables);
    print("luma", &tables.luma);
    print("chroma", &tables.chroma);
}

/// The tables after coordinate descent from `tables`.
fn improved(subjects: &mut [Subject], mut tables: Tables) -> Tables {
    let start = scores(subjects, &tables);
    let mut best = 0.0;
    for change in CHANGES {
        for plane in ["luma", "chroma"] {
            for indexes in groups() {
                for factor in [change.exp(), (-change).exp()] {
                    let mut tried = tables.clone();
                    let steps = if plane == "luma" { &mut tried.luma } else { &mut tried.chroma };
                    indexes.iter().for_each(|index| steps[*index] *= factor);
                    let scores = scores(subjects, &tried);
                    let gain: f64 = scores.iter().zip(start).map(|(after, before)| after - before).sum();
                    if gain > best + NOISE {
                        println!("// {plane} {} times {factor:.2}: {}", indexes[0], gains(scores, start));
                        (best, tables) = (gain, tried);
                        break;
                    }
                }
            }
        }
    }
    tables
}

/// Indexes into a table whose steps change together: those of mirrored frequencies, and all high frequencies.
fn groups() -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    for index in 0..64 {
        let (vertical, horizontal) = (index / 8, index % 8);
        let pair = (vertical.min(horizontal), vertical.max(horizontal));
        let key = if vertical + horizontal < FAR { pair } else { (FAR, FAR) };
        groups.entry(key).or_default().push(index);
    }
    groups.into_values().collect()
}

/// SSIMULACRA2 at each size, the mean over the pictures.
fn scores(subjects: &mut [Subject], tables: &Tables) -> [f64; 3] {
    let count = subjects.len() as f64;
    let scores: Vec<[f64; 3]> = subjects.par_iter_mut().map(|subject| score(subject, tables)).collect();
    std::array::from_fn(|size| scores.iter().map(|score| score[size]).sum::<f64>() / count)
}

/// SSIMULACRA2 of one picture at each size.
fn score(subject: &mut Subject, tables: &Tables) -> [f64; 3] {
    let encoder = JpegEncoder::new(&subject.picture, Chroma::Halved, Effort::Balanced).expect("fits");
    let encoder = encoder.with_tables(tables);
    std::array::from_fn(|size| {
        let target = subject.picture.pixel_count() as f64 * BITS_PER_PIXEL[size] / 8.0;
        let (ln_step, missed, file) = reach(&encoder, target, subject.ln_steps[size]);
        subject.ln_steps[size] = ln_step;
        let decoded = codec::decode(&file, &Limits::default()).expect("our own file").picture;
        subject.reference.score(&decoded) - POINTS[size] * missed
    })
}

/// Looks for `target` with a secant that starts at `ln_step`. Returns the scale it ends at, the difference to the
/// target in ln(bytes), and the file.
fn reach(encoder: &JpegEncoder, target: f64, mut ln_step: f64) -> (f64, f64, Vec<u8>) {
    let mut last: Option<(f64, f64)> = None;
    for encode in 1.. {
        let file = encoder.encode(ln_step).expect("encodes");
        let missed = (file.len() as f64 / target).ln();
        if missed.abs() < NEAR || encode == MAX_ENCODES {
            return (ln_step, missed, file);
        }
        let slope = last.map_or(-0.75, |(x, y)| ((missed - y) / (ln_step - x)).clamp(-2.0, -0.3));
        last = Some((ln_step, missed));
        ln_step -= missed / slope;
    }
    unreachable!("the last encode returns")
}

fn gains(after: [f64; 3], before: [f64; 3]) -> String {
    let gains: Vec<String> =
        after.iter().zip(before).map(|(after, before)| format!("{:+.2}", after - before)).collect();
    gains.join(" ")
}

fn print(name: &str, table: &[f64; 64]) {
    println!("{name}: [");
    for row in table.chunks(8) {
        println!("    {},", row.iter().map(|step| format!("{step:.1}")).collect::<Vec<_>>().join(", "));
    }
    println!("],");
}
