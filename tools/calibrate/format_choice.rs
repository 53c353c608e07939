//! Measures which format looks best: the source of `LeadModel` in the model of each format.
//!
//! Each picture, at two sizes, is fitted to several targets in each format alone. Scaling it down is allowed. For each
//! target a line of comma-separated values is printed: file, longer side, target in bits a pixel, and for each format
//! the quality that the model expects at full scale, the points of SSIMULACRA2 that it expects a smaller scale to gain,
//! and the SSIMULACRA2 of the answer. Then follow the coefficients, and for several lists of formats how much their
//! choice loses to the best format, on pictures that the coefficients were not fitted to.
//!
//! ```text
//! cargo run --release -p bytefit-tools --bin format_choice -- [grey] DIRECTORY...
//! ```

use std::time::{Duration, Instant};

use bytefit::codec::png::encode as png;
use bytefit::codec::rate::dot;
use bytefit::codec::{self, Effort, Limits};
use bytefit::job::format_rank::{self, COMPARED, Expectations};
use bytefit::job::{self, Formats, Job, Outcome, Stop};
use bytefit::picture::Picture;
use bytefit::picture::score::Reference;
use bytefit::picture::transform;
use calibrate::{least_squares, pictures};

/// Targets in bits a pixel.
const TARGETS: [f64; 11] = [0.07, 0.1, 0.15, 0.2, 0.3, 0.45, 0.65, 0.9, 1.3, 2.0, 3.0];

/// Parts that the pictures are divided into: each is judged by coefficients fitted to the others.
const PARTS: usize = 6;

/// Lead in points of SSIMULACRA2 above which its exact value matters less.
const CLOSE: f64 = 4.0;

/// A picture at a target.
struct Case {
    picture: usize,
    expectations: Expectations,
    /// SSIMULACRA2 of the answers, in the order of [`COMPARED`].
    scores: [f64; COMPARED.len()],
}

/// For each of [`COMPARED`], the coefficients of its lead over the first.
type Table = [[f64; 7]; COMPARED.len()];

fn main() {
    let cases = pictures::at_sizes(measure);
    for (format, coefficients) in COMPARED.iter().zip(fit(&cases, |_| true)).skip(1) {
        println!("{}: [{}],", format.name(), coefficients.map(|value| format!("{value:.3}")).join(", "));
    }
    let tables: [Table; PARTS] = std::array::from_fn(|part| fit(&cases, |case| case.picture % PARTS != part));
    for choice in [vec![0, 1, 2], vec![0, 1], vec![0, 2], vec![1, 2]] {
        report(&choice, &cases, &tables);
    }
}

/// A case for every target at which all formats have a lossy answer, and leads depend on what is expected.
fn measure(index: usize, name: &str, picture: &Picture, side: u32) -> Vec<Case> {
    let input = png::encode_lossless(picture, Effort::Fast).expect("a picture of modest size");
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
        let expectations = job::expectations(&job(COMPARED[0]), picture, &COMPARED).expect("a picture of modest size");
        let case = Case { picture: index, expectations: expectations.try_into().expect("one for each format"), scores };
        let columns = case.expectations.iter().zip(scores);
        let columns =
            columns.map(|(expected, score)| format!("{:.3},{:.3},{score:.3}", expected.quality, expected.gain));
        println!("{name},{side},{bits},{}", columns.collect::<Vec<String>>().join(","));
        format_rank::depends_on_gains(case.expectations[0].quality, picture.is_grey()).then_some(case)
    };
    TARGETS.iter().filter_map(case).collect()
}

/// Prints what the choice among some of [`COMPARED`], given as indexes, loses. Each case is judged by the table that
/// was fitted without its part.
fn report(choice: &[usize], cases: &[Case], tables: &[Table; PARTS]) {
    let loss = |case: &Case| {
        let table = &tables[case.picture % PARTS];
        let lead = |index: usize| dot(&table[index], &format_rank::features(&case.expectations));
        let chosen = choice.iter().copied().max_by(|one, other| lead(*one).total_cmp(&lead(*other)));
        let best = choice.iter().map(|index| case.scores[*index]).fold(f64::NEG_INFINITY, f64::max);
        best - case.scores[chosen.expect("there are some")]
    };
    let mut losses: Vec<f64> = cases.iter().map(loss).collect();
    losses.sort_by(f64::total_cmp);
    let count = losses.len();
    let names: Vec<&str> = choice.iter().map(|index| COMPARED[*index].name()).collect();
    println!(
        "{}: {count} choices lose {:.2} in the mean, {:.2} in 95 of 100, {:.2} at the most; {:.0} % lose over 0.5",
        names.join(" or "),
        losses.iter().sum::<f64>() / count as f64,
        losses[count * 95 / 100],
        losses[count - 1],
        100.0 * losses.iter().filter(|loss| **loss > 0.5).count() as f64 / count as f64,
    );
}

/// The coefficients that explain the leads in the `wanted` cases. Close cases weigh most; in the others only the sign
/// matters.
fn fit(cases: &[Case], wanted: impl Fn(&Case) -> bool) -> Table {
    std::array::from_fn(|index| {
        least_squares::fit(cases.iter().filter(|case| wanted(case)).map(|case| {
            let lead = case.scores[index] - case.scores[0];
            let weight = 1.0 / (1.0 + (lead / CLOSE).powi(2)).sqrt();
            (format_rank::features(&case.expectations).map(|feature| feature * weight), lead * weight)
        }))
    })
}
