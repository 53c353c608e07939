//! Measures how many bytes each of libwebp's quantiser indexes saves: prints `LN_STEP_IN_BYTES` of
//! `src/codec/webp/quantiser.rs`.
//!
//! Each picture, at two sizes, is encoded over the range of libwebp's quality. Two encodes near each other differ in
//! size by more or less than counting predicts; the indexes of their segments explain that difference, each with its
//! share of the bytes. Errors are those on pictures left out of the fit, half of them at a time.
//!
//! ```text
//! cargo run --release -p bytefit-tools --bin webp_steps -- DIRECTORY...
//! ```

use bytefit::codec::rate::dot;
use bytefit::codec::webp::encode::WebpEncoder;
use bytefit::codec::webp::quantiser::{INDICES, ln_step_of};
use bytefit::codec::webp::states::Segments;
use bytefit::codec::{Effort, Encoder};
use bytefit::picture::Picture;
use calibrate::{least_squares, pictures};
use rayon::prelude::*;

/// Long sides in pixels that each picture is scaled to.
const SIDES: [u32; 2] = [1024, 512];

/// ln(step) of the encodes, and the distance from one to the next.
const RANGE: std::ops::Range<f64> = 1.5..5.5;
const DISTANCE: f64 = 0.045;

/// Coarser encodes that each is compared with, and how far apart in ln(step) they may be.
const NEIGHBOURS: usize = 3;
const NEAR: f64 = 0.25;

/// Half of the range of ln(step) over which the slope of the prediction is taken.
const SLOPE_REACH: f64 = 0.18;

/// An encode.
struct Encoded {
    ln_bytes: f64,
    /// Slope of the predicted ln(bytes) over ln(step).
    slope: f64,
    segments: Segments,
}

/// Two encodes: `indices` shall explain `error`.
struct Pair {
    picture: usize,
    ln_step: f64,
    /// The share of each index in the change, times the slope.
    indices: [f64; INDICES],
    /// ln(bytes) that the coarser one takes above the prediction.
    error: f64,
}

fn main() {
    let files = pictures::files();
    let pairs: Vec<Pair> = files
        .par_iter()
        .enumerate()
        .flat_map(|(index, file)| {
            let picture = pictures::load(file, u32::MAX);
            let sized = SIDES.map(|side| pictures::within(picture.clone(), side));
            sized.iter().flat_map(|picture| pairs(index, picture)).collect::<Vec<Pair>>()
        })
        .collect();
    let bends = fit(pairs.iter());
    let steps: Vec<String> =
        bends.iter().enumerate().map(|(index, bend)| format!("{:.3}", ln_step_of(index as f64) + bend)).collect();
    println!("LN_STEP_IN_BYTES: [{}]", steps.join(", "));
    let halves: [[f64; INDICES]; 2] =
        std::array::from_fn(|half| fit(pairs.iter().filter(|pair| pair.picture % 2 != half)));
    for (from, to) in [(1.5, 2.0), (2.0, 2.4), (2.4, 2.8), (2.8, 3.3), (3.3, 3.9), (3.9, 4.6), (4.6, 5.5)] {
        let there = || pairs.iter().filter(|pair| (from..to).contains(&pair.ln_step));
        let explained = |pair: &Pair| dot(&halves[pair.picture % 2], &pair.indices);
        let before = there().map(|pair| pair.error.abs()).collect();
        let after = there().map(|pair| (pair.error - explained(pair)).abs()).collect();
        println!("ln(step) {from} to {to}: error {:.2} % in the median, {:.2} % before", median(after), median(before));
    }
}

fn pairs(index: usize, picture: &Picture) -> Vec<Pair> {
    let encoder = WebpEncoder::new(picture, Effort::Balanced).expect("fits");
    let count = ((RANGE.end - RANGE.start) / DISTANCE) as usize;
    let encoded: Vec<(f64, Encoded)> = (0..count)
        .map(|index| RANGE.start + index as f64 * DISTANCE)
        .filter_map(|ln_step| encode(&encoder, ln_step, picture.pixel_count()).map(|encoded| (ln_step, encoded)))
        .collect();
    let mut pairs = Vec::new();
    for (position, (ln_step, finer)) in encoded.iter().enumerate() {
        for (_, coarser) in encoded.iter().skip(position + 1).take(NEIGHBOURS) {
            pairs.extend(pair(index, *ln_step, finer, coarser));
        }
    }
    pairs
}

fn encode(encoder: &WebpEncoder, ln_step: f64, pixels: u64) -> Option<Encoded> {
    let bytes = encoder.encode(ln_step).expect("encodes").len() as f64;
    let slope = (encoder.predict(ln_step + SLOPE_REACH) - encoder.predict(ln_step - SLOPE_REACH)) / (2.0 * SLOPE_REACH);
    let (_, segments) = encoder.stats(ln_step).expect("encodes");
    pictures::is_representative(bytes, pixels as f64).then_some(Encoded { ln_bytes: bytes.ln(), slope, segments })
}

/// Returns `None` when both are the same state, or are too far apart.
fn pair(picture: usize, ln_step: f64, finer: &Encoded, coarser: &Encoded) -> Option<Pair> {
    let shares = finer.segments.shares()?;
    let mut indices = [0.0; INDICES];
    let mut distance = 0.0;
    for (segment, share) in shares.into_iter().enumerate() {
        let [from, to] = [finer, coarser].map(|encoded| encoded.segments.index[segment] as usize);
        distance += share * (ln_step_of(to as f64) - ln_step_of(from as f64));
        indices[to] += share * finer.slope;
        indices[from] -= share * finer.slope;
    }
    let error = coarser.ln_bytes - finer.ln_bytes - finer.slope * distance;
    let differ = finer.segments.index != coarser.segments.index;
    (differ && distance.abs() < NEAR).then_some(Pair { picture, ln_step, indices, error })
}

fn fit<'a>(pairs: impl Iterator<Item = &'a Pair>) -> [f64; INDICES] {
    least_squares::fit(pairs.map(|pair| (pair.indices, pair.error)))
}

/// In percent.
fn median(mut errors: Vec<f64>) -> f64 {
    errors.sort_by(f64::total_cmp);
    100.0 * errors.get(errors.len() / 2).copied().unwrap_or(f64::NAN)
}
