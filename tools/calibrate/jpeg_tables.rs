//! Measures the quantiser tables of JPEG: the source of those in `src/codec/jpeg/quantiser.rs`.
//!
//! From the tables that there are, the step of one pair of mirrored frequencies after the other is made coarser, or finer,
//! and stays so where the pictures look better at the same bytes. First every other picture teaches and the rest tell what
//! that is worth where it was not learnt; then all of them go on. A line for each step that stays: what SSIMULACRA2 gains
//! at each of [`BITS_PER_PIXEL`].
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

/// Pixels a side that pictures are brought to, at the most.
const SIDE: u32 = 768;

/// Sizes that the pictures are held against.
const BITS_PER_PIXEL: [f64; 3] = [0.3, 0.75, 1.5];

/// Points of SSIMULACRA2 for each unit of ln(bytes) there: what corrects a file that misses its size by a little.
const POINTS: [f64; 3] = [31.0, 20.0, 14.0];

/// ln(bytes) that a file may miss its size by.
const NEAR: f64 = 0.004;

/// Encodes that a file may take to come so near.
const MAX_ENCODES: usize = 6;

/// Changes of ln(step) that are tried in turn.
const CHANGES: [f64; 3] = [0.2, 0.12, 0.07];

/// Points of SSIMULACRA2, summed over the sizes, below which a gain is taken for noise.
const NOISE: f64 = 0.01;

/// Sum of two frequencies from which on all steps move together.
const FAR: usize = 10;

/// A picture, and the tables' scales at which its files were last as large as they should be.
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
    let (mut taught, mut rest) = (Vec::new(), Vec::new());
    for (index, subject) in subjects.into_iter().enumerate() {
        if index % 2 == 0 { taught.push(subject) } else { rest.push(subject) }
    }
    let before = looks(&mut rest, &TABLES);
    let tables = improved(&mut taught, TABLES.clone());
    println!("// where it was not learnt: {}", gains(looks(&mut rest, &tables), before));
    taught.append(&mut rest);
    let tables = improved(&mut taught, tables);
    print("luma", &tables.luma);
    print("chroma", &tables.chroma);
}

/// The tables that coordinate descent ends with.
fn improved(subjects: &mut [Subject], mut tables: Tables) -> Tables {
    let start = looks(subjects, &tables);
    let mut best = 0.0;
    for change in CHANGES {
        for plane in ["luma", "chroma"] {
            for places in groups() {
                for factor in [change.exp(), (-change).exp()] {
                    let mut tried = tables.clone();
                    let steps = if plane == "luma" { &mut tried.luma } else { &mut tried.chroma };
                    places.iter().for_each(|place| steps[*place] *= factor);
                    let looks = looks(subjects, &tried);
                    let gain: f64 = looks.iter().zip(start).map(|(after, before)| after - before).sum();
                    if gain > best + NOISE {
                        println!("// {plane} {} times {factor:.2}: {}", places[0], gains(looks, start));
                        (best, tables) = (gain, tried);
                        break;
                    }
                }
            }
        }
    }
    tables
}

/// Places that move together: those of mirrored frequencies, and all that are far from the lowest.
fn groups() -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    for place in 0..64 {
        let (vertical, horizontal) = (place / 8, place % 8);
        let pair = (vertical.min(horizontal), vertical.max(horizontal));
        let key = if vertical + horizontal < FAR { pair } else { (FAR, FAR) };
        groups.entry(key).or_default().push(place);
    }
    groups.into_values().collect()
}

/// SSIMULACRA2 at each size, the mean over the pictures.
fn looks(subjects: &mut [Subject], tables: &Tables) -> [f64; 3] {
    let count = subjects.len() as f64;
    let looks: Vec<[f64; 3]> = subjects.par_iter_mut().map(|subject| look(subject, tables)).collect();
    std::array::from_fn(|size| looks.iter().map(|look| look[size]).sum::<f64>() / count)
}

fn look(subject: &mut Subject, tables: &Tables) -> [f64; 3] {
    let encoder = JpegEncoder::new(&subject.picture, Chroma::Halved, Effort::Balanced).expect("fits");
    let encoder = encoder.with_tables(tables);
    std::array::from_fn(|size| {
        let target = subject.picture.pixel_count() as f64 * BITS_PER_PIXEL[size] / 8.0;
        let (ln_step, missed, file) = land(&encoder, target, subject.ln_steps[size]);
        subject.ln_steps[size] = ln_step;
        let decoded = codec::decode(&file, &Limits::default()).expect("our own file").picture;
        subject.reference.score(&decoded) - POINTS[size] * missed
    })
}

/// A secant from `ln_step` on: the scale it ends at, by how much its file misses `target` in ln(bytes), and the file.
fn land(encoder: &JpegEncoder, target: f64, mut ln_step: f64) -> (f64, f64, Vec<u8>) {
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
