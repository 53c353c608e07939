//! Measures when a smaller picture looks better: the source of `ScaleGainModel` in the model of each format.
//!
//! Each picture, at two sizes, is fitted to several targets at several scales. For each result a line of
//! comma-separated values is printed: format, file, longer side, target in bits a pixel at full scale, scale, quality
//! that the model expected, and SSIMULACRA2 of the result, scaled up again, against the full picture. Then follow the
//! coefficients of each format, and for each target the gain of the scale that they choose, on pictures that they were
//! not fitted to, beside the gain of the best scale.
//!
//! ```text
//! cargo run --release -p bytefit-tools --bin scale_gain -- DIRECTORY... [FORMAT...]
//! ```

use std::ops::RangeInclusive;

use bytefit::codec::lossy_coding::LossyCoding;
use bytefit::codec::rate::dot;
use bytefit::codec::{self, Effort, EncodeError, Encoder, Format, Limits};
use bytefit::job::scale_gain::{self, MEASURED_STEPS, SCALES};
use bytefit::picture::Picture;
use bytefit::picture::score::Reference;
use bytefit::picture::transform;
use bytefit::search::aim::Aim;
use bytefit::search::encoder::SearchedEncoder;
use bytefit::search::secant;
use bytefit::stop::StopReason;
use calibrate::{least_squares, pictures};

const CODINGS: [LossyCoding; 4] =
    [LossyCoding::JpegHalved, LossyCoding::Webp, LossyCoding::AvifHalved, LossyCoding::PngPalette];

/// Targets in bits a pixel.
fn targets(coding: LossyCoding, side: u32) -> &'static [f64] {
    match (coding, side) {
        (LossyCoding::PngPalette, 1024) => &[0.4, 0.6, 0.8, 1.2, 2.0, 3.0],
        (LossyCoding::PngPalette, _) => &[],
        (_, 1024) => &[0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8],
        _ => &[0.03, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4],
    }
}

/// The expected quality from which on a smaller scale is never considered.
const FINE: f64 = 80.0;

/// Parts that the pictures are divided into: each is judged by coefficients fitted to the others.
const PARTS: usize = 6;

/// Coefficients for each of the measured steps.
type Table = [[f64; 4]; MEASURED_STEPS];

/// A picture and a target, with the result at each measured scale.
struct Case {
    format: Format,
    picture: usize,
    side: u32,
    bits_per_pixel: f64,
    details: scale_gain::Details,
    results: Vec<Option<Fitted>>,
}

/// The result of a fit.
#[derive(Clone, Copy)]
struct Fitted {
    /// The quality that the model expected.
    expected: f64,
    /// SSIMULACRA2 against the full picture.
    score: f64,
}

impl Case {
    fn full(&self) -> Fitted {
        self.results[0].expect("every case has one")
    }

    /// What decides the gain of step `index`, from one scale to the next.
    fn features(&self, index: usize, larger: Fitted) -> [f64; 4] {
        let bits_per_pixel = self.bits_per_pixel / SCALES[index].powi(2);
        scale_gain::features(self.format, larger.expected, bits_per_pixel, self.details[index])
    }

    /// The results at both ends of step `index`.
    fn step(&self, index: usize) -> Option<(Fitted, Fitted)> {
        Some((self.results[index]?, self.results[index + 1]?))
    }

    /// The best score at any scale.
    fn best_score(&self) -> f64 {
        self.results.iter().flatten().map(|result| result.score).fold(f64::NEG_INFINITY, f64::max)
    }
}

fn main() {
    let codings = CODINGS.into_iter().filter(|coding| pictures::is_wanted(coding.format()));
    for coding in codings {
        let cases = pictures::at_sizes(|index, name, picture, side| measure(index, name, picture, side, coding));
        report(coding, &cases);
    }
}

/// A case for every target that the picture reaches at full scale.
fn measure(index: usize, name: &str, picture: &Picture, side: u32, coding: LossyCoding) -> Vec<Case> {
    let reference = Reference::new(picture, [255; 3]);
    let scales = &SCALES[..=MEASURED_STEPS];
    let scaled = |pixels: u32, scale: f64| (f64::from(pixels) * scale).round() as u32;
    let size =
        |scale: &f64| transform::scale(picture, scaled(picture.width(), *scale), scaled(picture.height(), *scale));
    let sizes: Vec<Picture> = scales.iter().map(size).collect();
    let details = scale_gain::details(picture);
    let case = |bits: &f64| {
        let target = (picture.pixel_count() as f64 * bits / 8.0) as u64;
        let fitted = |(size, scale): (&Picture, &f64)| {
            let (expected, bytes) = fit_to(coding, size, target)?;
            let decoded = codec::decode(&bytes, &Limits::default()).expect("our own file").picture;
            let score = reference.score(&transform::scale(&decoded, picture.width(), picture.height()));
            println!("{},{name},{side},{bits},{scale:.4},{expected:.2},{score:.2}", coding.format().name());
            Some(Fitted { expected, score })
        };
        let full = fitted((&sizes[0], &scales[0]))?;
        let results = [Some(full)].into_iter().chain(sizes.iter().zip(scales).skip(1).map(fitted)).collect();
        Some(Case { format: coding.format(), picture: index, side, bits_per_pixel: *bits, details, results })
    };
    targets(coding, side).iter().filter_map(case).collect()
}

fn report(coding: LossyCoding, cases: &[Case]) {
    let name = coding.format().name();
    for coefficients in fit(cases.iter()) {
        println!("{name}: [{}],", coefficients.map(|value| format!("{value:.3}")).join(", "));
    }
    let mut chosen: Vec<(&Case, f64)> = Vec::new();
    for part in 0..PARTS {
        let (left_out, rest): (Vec<&Case>, Vec<&Case>) = cases.iter().partition(|case| case.picture % PARTS == part);
        let table = fit(rest.into_iter());
        chosen.extend(left_out.into_iter().map(|case| (case, choice(&table, case))));
    }
    let targets =
        pictures::SIDES.into_iter().flat_map(|side| targets(coding, side).iter().map(move |bits| (side, *bits)));
    for (side, bits) in targets {
        let gains: Vec<(f64, f64)> = chosen
            .iter()
            .filter(|(case, _)| case.side == side && case.bits_per_pixel == bits)
            .map(|(case, score)| (score - case.full().score, case.best_score() - case.full().score))
            .collect();
        let count = gains.len() as f64;
        let least = gains.iter().map(|(gained, _)| *gained).fold(f64::INFINITY, f64::min);
        let (gained, most) = gains.iter().fold((0.0, 0.0), |sum, row| (sum.0 + row.0, sum.1 + row.1));
        println!(
            "{name} {side} px {bits} bpp: {count} gain {:.2} of {:.2}, least {least:.2}",
            gained / count,
            most / count
        );
    }
}

/// The score at the scale that `table` would choose.
fn choice(table: &Table, case: &Case) -> f64 {
    let mut best = (scale_gain::least_gain(case.format, 0), case.full().score);
    if scale_gain::is_decent(case.format, case.full().expected, case.bits_per_pixel) {
        return best.1;
    }
    let mut gain = 0.0;
    for (index, coefficients) in table.iter().enumerate() {
        let Some((larger, smaller)) = case.step(index) else { break };
        gain += dot(coefficients, &case.features(index, larger));
        if gain > best.0 {
            best = (gain, smaller.score);
        }
    }
    best.1
}

/// The coefficients that explain the gain of each step. Steps near the best scale weigh most: errors elsewhere change
/// no choice.
fn fit<'a>(cases: impl Iterator<Item = &'a Case>) -> Table {
    let cases: Vec<&Case> = cases.collect();
    std::array::from_fn(|index| {
        let steps = cases.iter().filter_map(|case| {
            let (larger, smaller) = case.step(index).filter(|(larger, _)| larger.expected < FINE)?;
            let missed = case.best_score() - larger.score.max(smaller.score);
            let weight = 1.0 / (1.0 + (missed / 5.0).powi(2)).sqrt();
            let features = case.features(index, larger).map(|feature| feature * weight);
            Some((features, (smaller.score - larger.score) * weight))
        });
        least_squares::fit(steps)
    })
}

/// The quality that the model expects at `target`, and the file that fits it.
fn fit_to(coding: LossyCoding, picture: &Picture, target: u64) -> Option<(f64, Vec<u8>)> {
    let mut encoder = SearchAdapter(coding.encoder(picture, Effort::Balanced).expect("fits"));
    let aim = Aim { max_encodes: 4, ..Aim::below(target) };
    let expected = coding.scale().quality(secant::predicted_step(&mut encoder, &aim));
    let best = secant::search(&mut encoder, &aim).expect("encodes").best?;
    Some((expected, best.bytes))
}

/// An encoder as the search asks it, with no clock.
struct SearchAdapter<'a>(Box<dyn Encoder + 'a>);

impl SearchedEncoder for SearchAdapter<'_> {
    type Error = EncodeError;

    fn range(&self) -> RangeInclusive<f64> {
        self.0.ln_step_range()
    }

    fn snap(&self, x: f64) -> f64 {
        self.0.snap(x)
    }

    fn guess(&self, _: f64) -> f64 {
        (self.range().start() + self.range().end()) / 2.0
    }

    fn predict(&mut self, x: f64) -> f64 {
        self.0.predict(x)
    }

    fn probe(&mut self, x: f64) -> Result<Option<f64>, EncodeError> {
        self.0.probe(x)
    }

    fn encode(&mut self, x: f64) -> Result<Vec<u8>, EncodeError> {
        self.0.encode(x)
    }

    fn stop(&self, _: bool) -> Option<StopReason> {
        None
    }
}
