//! Measures what libwebp's quantiser indices amount to: prints `LN_STEP_IN_BYTES` of `src/codec/webp/quantiser.rs`.
//!
//! Each picture, brought to two sizes, is encoded over the range of libwebp's quality. Where two encodes are near each
//! other, what their sizes differ by over what counting expects is explained by the indices of their segments, each with
//! its share of the bytes. Errors are those on pictures left out of the fit, half of them at a time.
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

/// Long sides that each picture is brought to, in pixels.
const SIDES: [u32; 2] = [1024, 512];

/// ln(step) of the encodes, and from one to the next.
const RANGE: std::ops::Range<f64> = 1.5..5.5;
const DISTANCE: f64 = 0.045;

/// Encodes beyond each that it is compared with, and ln(step) that they may be apart.
const NEIGHBOURS: usize = 3;
const NEAR: f64 = 0.25;

/// Half of the ln(step) over which the slope of what counting expects is taken.
const SLOPE_REACH: f64 = 0.18;

/// An encode.
struct Encoded {
    ln_bytes: f64,
    /// ln(bytes) over ln(step) that counting expects there.
    slope: f64,
    segments: Segments,
}

/// What two encodes teach: `surprise` is to be explained by `indices`.
struct Pair {
    picture: usize,
    ln_step: f64,
    /// The share of each index in the change, times the slope.
    indices: [f64; INDICES],
    /// ln(bytes) that the coarser one takes over what is expected.
    surprise: f64,
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
        let before = there().map(|pair| pair.surprise.abs()).collect();
        let after = there().map(|pair| (pair.surprise - explained(pair)).abs()).collect();
        println!("ln(step) {from} to {to}: error {:.2} % in the median, {:.2} % before", median(after), median(before));
    }
}

fn pairs(index: usize, picture: &Picture) -> Vec<Pair> {
    let encoder = WebpEncoder::new(picture, Effort::Balanced).expect("fits");
    let count = ((RANGE.end - RANGE.start) / DISTANCE) as usize;
    let encoded: Vec<(f64, Encoded)> = (0..count)
        .map(|place| RANGE.start + place as f64 * DISTANCE)
        .filter_map(|ln_step| encode(&encoder, ln_step, picture.pixel_count()).map(|encoded| (ln_step, encoded)))
        .collect();
    let mut pairs = Vec::new();
    for (place, (ln_step, finer)) in encoded.iter().enumerate() {
        for (_, coarser) in encoded.iter().skip(place + 1).take(NEIGHBOURS) {
            pairs.extend(pair(index, *ln_step, finer, coarser));
        }
    }
    pairs
}

fn encode(encoder: &WebpEncoder, ln_step: f64, pixels: u64) -> Option<Encoded> {
    let bytes = encoder.encode(ln_step).expect("encodes").len() as f64;
    let slope = (encoder.predict(ln_step + SLOPE_REACH) - encoder.predict(ln_step - SLOPE_REACH)) / (2.0 * SLOPE_REACH);
    let (_, segments) = encoder.stats(ln_step).expect("encodes");
    pictures::is_telling(bytes, pixels as f64).then_some(Encoded { ln_bytes: bytes.ln(), slope, segments })
}

/// None where the two are the same state, or too far apart.
fn pair(picture: usize, ln_step: f64, finer: &Encoded, coarser: &Encoded) -> Option<Pair> {
    let shares = finer.segments.shares()?;
    let (mut indices, mut distance) = ([0.0; INDICES], 0.0);
    for (segment, share) in shares.into_iter().enumerate() {
        let [from, to] = [finer, coarser].map(|encoded| encoded.segments.index[segment] as usize);
        distance += share * (ln_step_of(to as f64) - ln_step_of(from as f64));
        indices[to] += share * finer.slope;
        indices[from] -= share * finer.slope;
    }
    let surprise = coarser.ln_bytes - finer.ln_bytes - finer.slope * distance;
    let differ = finer.segments.index != coarser.segments.index;
    (differ && distance.abs() < NEAR).then_some(Pair { picture, ln_step, indices, surprise })
}

fn fit<'a>(pairs: impl Iterator<Item = &'a Pair>) -> [f64; INDICES] {
    least_squares::fit(pairs.map(|pair| (pair.indices, pair.surprise)))
}

/// In percent.
fn median(mut errors: Vec<f64>) -> f64 {
    errors.sort_by(f64::total_cmp);
    100.0 * errors.get(errors.len() / 2).copied().unwrap_or(f64::NAN)
}
