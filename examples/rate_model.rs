//! Fits the rate model: prints the coefficients of `src/codec/{jpeg,webp,avif}/estimate.rs` and how well they predict.
//!
//! Each picture is brought to several sizes and encoded over the whole range of each encoder's quantiser step; the
//! sizes are then explained by what counting says of the same picture. Errors are those on pictures left out of the
//! fit: the pictures are dealt into six parts, and each part is predicted by what the other five teach.
//!
//! ```text
//! cargo run --release --example rate_model -- DIRECTORY...
//! ```

use bytefit::codec::avif::encode::AvifEncoder;
use bytefit::codec::avif::estimate as avif;
use bytefit::codec::jpeg::encode::JpegEncoder;
use bytefit::codec::jpeg::estimate as jpeg;
use bytefit::codec::rate::{Fitted, Spectrum, apply};
use bytefit::codec::webp::encode::WebpEncoder;
use bytefit::codec::webp::estimate as webp;
use bytefit::codec::{Effort, Encoder};
use bytefit::picture::{Chroma, Picture};
use rayon::prelude::*;

mod pictures;

/// Long sides that each picture is brought to, in pixels.
const SIDES: [u32; 3] = [2048, 1024, 512];

/// Settings tried over each encoder's range.
const POINTS: usize = 12;

/// Pixels above which no AVIF is made: it takes its time.
const MAX_AVIF_PIXELS: f64 = 1.2e6;

/// Parts that the pictures are dealt into.
const PARTS: usize = 6;

/// What one encode teaches: `value` is to be explained by `features`.
struct Row<const N: usize> {
    picture: usize,
    features: [f64; N],
    value: f64,
}

/// All that one picture teaches.
#[derive(Default)]
struct Lessons {
    jpeg_halved: Vec<Row<5>>,
    jpeg_full: Vec<Row<5>>,
    webp_counted: Vec<Row<10>>,
    webp_probed: Vec<Row<8>>,
    avif_counted: Vec<Row<10>>,
    /// ln of real over predicted bytes of the strips' way.
    jpeg_strips: Vec<f64>,
}

fn main() {
    let files = pictures::files();
    let mut pictures: Vec<(usize, Picture)> = Vec::new();
    for (index, file) in files.iter().enumerate() {
        pictures.extend(sizes(&pictures::load(file, u32::MAX)).into_iter().map(|picture| (index, picture)));
    }
    let lessons: Vec<Lessons> = pictures.par_iter().map(|(index, picture)| learn(*index, picture)).collect();
    let mut all = Lessons::default();
    for lesson in lessons {
        all.jpeg_halved.extend(lesson.jpeg_halved);
        all.jpeg_full.extend(lesson.jpeg_full);
        all.webp_counted.extend(lesson.webp_counted);
        all.webp_probed.extend(lesson.webp_probed);
        all.avif_counted.extend(lesson.avif_counted);
        all.jpeg_strips.extend(lesson.jpeg_strips);
    }
    println!("// {} files, {} pictures", files.len(), pictures.len());
    report("jpeg HALVED", &all.jpeg_halved);
    report("jpeg FULL", &all.jpeg_full);
    report("webp COUNTED", &all.webp_counted);
    report("webp PROBED", &all.webp_probed);
    report("avif COUNTED", &all.avif_counted);
    println!("jpeg strips: {}", spread(all.jpeg_strips));
}

fn sizes(picture: &Picture) -> Vec<Picture> {
    let long_side = picture.width().max(picture.height());
    let smaller = SIDES.into_iter().filter(|side| *side < 2 * long_side.min(SIDES[0]));
    smaller.map(|side| pictures::within(picture, side)).collect()
}

fn learn(index: usize, picture: &Picture) -> Lessons {
    let mut lessons = Lessons::default();
    let pixels = picture.pixel_count() as f64;
    for (chroma, rows) in [(Chroma::Halved, &mut lessons.jpeg_halved), (Chroma::Full, &mut lessons.jpeg_full)] {
        let encoder = JpegEncoder::new(picture, chroma, Effort::Balanced).expect("fits");
        let spectrum = Spectrum::of(picture, chroma, u64::MAX);
        for ln_step in steps(&encoder) {
            let bytes = encoder.encode(ln_step).expect("encodes").len() as f64;
            let count = jpeg::count(&spectrum, ln_step);
            // Above this step 4:2:0 takes over.
            if chroma == Chroma::Full && ln_step > -1.5 {
                continue;
            }
            let value = ((bytes - jpeg::OVERHEAD).max(1.0) * 8.0 / count.bits.max(1.0)).ln();
            if is_telling(bytes, pixels) {
                rows.push(Row { picture: index, features: jpeg::features(&count, pixels, ln_step), value });
                if let Some(predicted) = encoder.probe(ln_step).expect("encodes") {
                    lessons.jpeg_strips.push(bytes.ln() - predicted);
                }
            }
        }
    }
    let spectrum = Spectrum::of(picture, Chroma::Halved, u64::MAX);
    let counted = |fitted: &Fitted, ln_step: f64, bytes: f64| Row {
        picture: index,
        features: fitted.features(&spectrum, pixels, ln_step),
        value: (bytes * 8.0 / pixels).ln(),
    };
    let encoder = WebpEncoder::new(picture, Effort::Balanced).expect("fits");
    // At its ends the scale stands for odd settings that nobody needs.
    for ln_step in steps(&encoder).into_iter().filter(|ln_step| (2.1..5.4).contains(ln_step)) {
        let bytes = encoder.encode(ln_step).expect("encodes").len() as f64;
        if is_telling(bytes, pixels) {
            let stats = encoder.stats(ln_step).expect("encodes");
            lessons.webp_counted.push(counted(&webp::COUNTED, ln_step, bytes));
            let features = webp::probe_features(&stats, pixels, ln_step);
            lessons.webp_probed.push(Row { picture: index, features, value: (bytes / stats.bytes).ln() });
        }
    }
    if pixels > MAX_AVIF_PIXELS {
        return lessons;
    }
    let encoder = AvifEncoder::new(picture, Effort::Balanced).expect("fits");
    for ln_step in steps(&encoder).into_iter().filter(|ln_step| *ln_step > 0.8) {
        let bytes = encoder.encode(ln_step).expect("encodes").len() as f64;
        if is_telling(bytes, pixels) {
            lessons.avif_counted.push(counted(&avif::COUNTED, ln_step, bytes));
        }
    }
    lessons
}

/// Steps over the whole range of `encoder`.
fn steps(encoder: &dyn Encoder) -> Vec<f64> {
    let range = encoder.ln_step_range();
    let share = |point: usize| point as f64 / (POINTS - 1) as f64;
    (0..POINTS).map(|point| encoder.snap(range.start() + (range.end() - range.start()) * share(point))).collect()
}

/// Whether a file says something of its picture's content, and is one that somebody asks for.
fn is_telling(bytes: f64, pixels: f64) -> bool {
    bytes >= 4_000.0 && (0.1..4.0).contains(&(bytes * 8.0 / pixels))
}

fn report<const N: usize>(name: &str, rows: &[Row<N>]) {
    let mut errors = Vec::new();
    for part in 0..PARTS {
        let (left_out, rest): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.picture % PARTS == part);
        let coefficients = fit(&rest);
        errors.extend(left_out.iter().map(|row| row.value - apply(&coefficients, &row.features)));
    }
    let coefficients = fit(&rows.iter().collect::<Vec<_>>()).map(|value| format!("{value:.5}")).join(", ");
    println!("{name}: [{coefficients}]\n    {} rows, {}", rows.len(), spread(errors));
}

fn spread(errors: Vec<f64>) -> String {
    let mut errors: Vec<f64> = errors.into_iter().map(f64::abs).collect();
    errors.sort_by(f64::total_cmp);
    let at = |share: f64| 100.0 * errors.get((errors.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN);
    let near = errors.iter().filter(|error| **error < 0.015).count() as f64 / errors.len() as f64;
    format!("error median {:.2} %, p95 {:.1} %, within 1.5 %: {:.0} %", at(0.5), at(0.95), 100.0 * near)
}

/// Least squares by the normal equations, with a touch of ridge.
fn fit<const N: usize>(rows: &[&Row<N>]) -> [f64; N] {
    let mut matrix = [[0.0; N]; N];
    let mut right = [0.0; N];
    for row in rows {
        for i in 0..N {
            right[i] += row.features[i] * row.value;
            (0..N).for_each(|j| matrix[i][j] += row.features[i] * row.features[j]);
        }
    }
    (0..N).for_each(|i| matrix[i][i] += 1e-3);
    solve(matrix, right)
}

/// Gauss's elimination with pivots from the diagonal: the matrix is positive definite.
fn solve<const N: usize>(mut matrix: [[f64; N]; N], mut right: [f64; N]) -> [f64; N] {
    for i in 0..N {
        for j in i + 1..N {
            let factor = matrix[j][i] / matrix[i][i];
            (i..N).for_each(|k| matrix[j][k] -= factor * matrix[i][k]);
            right[j] -= factor * right[i];
        }
    }
    for i in (0..N).rev() {
        let known: f64 = (i + 1..N).map(|k| matrix[i][k] * right[k]).sum();
        right[i] = (right[i] - known) / matrix[i][i];
    }
    right
}
