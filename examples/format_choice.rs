//! Measures which format looks best: the source of the constants of `src/job/look.rs`.
//!
//! Each picture, brought to two sizes, is fitted to several targets in each format alone, made smaller where that looks
//! better; a line for each, as comma-separated values: file, longer side, target in bits a pixel, and for each format
//! the quality that the model expected of the whole picture, the points that it expected a smaller one to gain, and the
//! SSIMULACRA2 of the answer. Then the coefficients, and for each choice of formats what choosing by them loses to the
//! best of them on pictures that they were not fitted to.
//!
//! ```text
//! cargo run --release --example format_choice -- DIRECTORY...
//! ```

use std::time::{Duration, Instant};

use bytefit::codec::rate::apply;
use bytefit::codec::{self, Limits};
use bytefit::job::look::{self, COMPARED, Outlooks};
use bytefit::job::{self, Formats, Job, Outcome, Stop};
use bytefit::picture::Picture;
use bytefit::picture::score::Reference;
use bytefit::picture::transform;
use rayon::prelude::*;

mod least_squares;
mod pictures;

/// Long sides that each picture is brought to, in pixels, unless it is smaller than the one before.
const SIDES: [u32; 2] = [1024, 2048];

/// Targets in bits a pixel.
const TARGETS: [f64; 11] = [0.07, 0.1, 0.15, 0.2, 0.3, 0.45, 0.65, 0.9, 1.3, 2.0, 3.0];

/// Parts that the pictures are dealt into: each is judged by what the others teach.
const PARTS: usize = 6;

/// Points of SSIMULACRA2 by which one format looks better from which on it matters less by how many.
const CLOSE: f64 = 4.0;

/// A picture at a target.
struct Case {
    picture: usize,
    outlooks: Outlooks,
    /// Of the answers, in the order of [`COMPARED`].
    scores: [f64; COMPARED.len()],
}

/// Coefficients of a lead over the first of [`COMPARED`], for each of them.
type Table = [[f64; 7]; COMPARED.len()];

fn main() {
    let files = pictures::files();
    let cases: Vec<Case> = files
        .par_iter()
        .enumerate()
        .flat_map(|(index, file)| {
            let picture = pictures::load(file, u32::MAX);
            let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
            let long = picture.width().max(picture.height());
            let sides = SIDES.into_iter().filter(|side| *side == SIDES[0] || long > SIDES[0]);
            let measured = sides.map(|side| measure(index, &name, &pictures::within(picture.clone(), side), side));
            measured.flatten().collect::<Vec<Case>>()
        })
        .collect();
    for (format, coefficients) in COMPARED.iter().zip(fit(&cases.iter().collect::<Vec<&Case>>())).skip(1) {
        println!("{}: [{}],", format.name(), coefficients.map(|value| format!("{value:.3}")).join(", "));
    }
    for choice in [vec![0, 1, 2], vec![0, 1], vec![0, 2], vec![1, 2]] {
        report(&choice, &cases);
    }
}

/// Every target at which all formats have a lossy answer.
fn measure(index: usize, name: &str, picture: &Picture, side: u32) -> Vec<Case> {
    let input = bmp(picture);
    let reference = Reference::new(picture, [255; 3]);
    let case = |bits: &f64| {
        let target = (picture.pixel_count() as f64 * bits / 8.0) as u64;
        let job = |format| {
            let job = Job::new(target, Formats::Among(vec![format]));
            Job { deadline: Duration::from_secs(600), ..job }
        };
        let score = |format| {
            let job = job(format);
            let answer = job::run(&job, &input, &Limits::default(), &Stop::at(Instant::now() + job.deadline)).ok()?;
            let decoded = codec::decode(&answer.bytes, &Limits::default()).expect("our own file").picture;
            let is_lossy = answer.report.outcome != Outcome::Lossless;
            is_lossy.then(|| reference.score(&transform::scale(&decoded, picture.width(), picture.height())))
        };
        let scores: Vec<f64> = COMPARED.into_iter().map_while(score).collect();
        let scores = scores.try_into().ok()?;
        let outlooks = job::outlooks(&job(COMPARED[0]), picture, &COMPARED).expect("a picture of modest size");
        let case = Case { picture: index, outlooks: outlooks.try_into().expect("one for each format"), scores };
        let of_each = case.outlooks.iter().zip(scores);
        let of_each = of_each.map(|(look, score)| format!("{:.3},{:.3},{score:.3}", look.quality, look.gain));
        println!("{name},{side},{bits},{}", of_each.collect::<Vec<String>>().join(","));
        Some(case)
    };
    TARGETS.iter().filter_map(case).collect()
}

/// Prints what the choice among some of [`COMPARED`], by their places, loses.
fn report(choice: &[usize], cases: &[Case]) {
    let mut losses: Vec<f64> = Vec::new();
    for part in 0..PARTS {
        let (left_out, rest): (Vec<&Case>, Vec<&Case>) = cases.iter().partition(|case| case.picture % PARTS == part);
        let table = fit(&rest);
        losses.extend(left_out.into_iter().map(|case| {
            let lead = |place: usize| apply(&table[place], &look::features(&case.outlooks));
            let chosen = choice.iter().copied().max_by(|one, other| lead(*one).total_cmp(&lead(*other)));
            let best = choice.iter().map(|place| case.scores[*place]).fold(f64::NEG_INFINITY, f64::max);
            best - case.scores[chosen.expect("there are some")]
        }));
    }
    losses.sort_by(f64::total_cmp);
    let count = losses.len();
    let names: Vec<&str> = choice.iter().map(|place| COMPARED[*place].name()).collect();
    println!(
        "{}: {count} choices lose {:.2} in the mean, {:.2} in 95 of 100, {:.2} at the most; {:.0} % lose over 0.5",
        names.join(" or "),
        losses.iter().sum::<f64>() / count as f64,
        losses[count * 95 / 100],
        losses[count - 1],
        100.0 * losses.iter().filter(|loss| **loss > 0.5).count() as f64 / count as f64,
    );
}

/// The coefficients that explain the leads. Close ones weigh most: of the others the sign is enough.
fn fit(cases: &[&Case]) -> Table {
    std::array::from_fn(|place| {
        least_squares::fit(cases.iter().map(|case| {
            let lead = case.scores[place] - case.scores[0];
            let weight = 1.0 / (1.0 + (lead / CLOSE).powi(2)).sqrt();
            (look::features(&case.outlooks).map(|feature| feature * weight), lead * weight)
        }))
    })
}

/// `picture` as a file of 24 bits a pixel, bottom row first.
fn bmp(picture: &Picture) -> Vec<u8> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let padding = (4 - width * 3 % 4) % 4;
    let body = (width * 3 + padding) * height;
    let mut file = b"BM".to_vec();
    file.extend(((54 + body) as u32).to_le_bytes());
    file.extend([0; 4]);
    for field in [54, 40, width as u32, height as u32] {
        file.extend(field.to_le_bytes());
    }
    file.extend([1, 0, 24, 0]);
    file.extend([0; 24]);
    for row in picture.pixels().chunks_exact(width * 3).rev() {
        file.extend(row.chunks_exact(3).flat_map(|pixel| [pixel[2], pixel[1], pixel[0]]));
        file.resize(file.len() + padding, 0);
    }
    file
}
