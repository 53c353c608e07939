//! Fits the rate model: prints the coefficients of the files `size_model.rs` under `src/codec`, and how well they
//! predict.
//!
//! Each picture is scaled to several sizes and encoded over the whole range of each encoder's quantiser step. The sizes
//! of the files are explained by the counted bits of the same picture, and those of WebP also by a cheaper encode. The
//! latter is also fitted to squares of the largest pictures, which are as smooth and noisy as cameras make them. Errors
//! are those on pictures left out of the fit: the pictures are divided into six parts, and each part is predicted by
//! coefficients fitted to the other five.
//!
//! ```text
//! cargo run --release -p bytefit-tools --bin rate_model -- DIRECTORY... [FORMAT...]
//! ```

use bytefit::codec::avif::encode::{self as avif, AvifEncoder};
use bytefit::codec::jpeg::encode::JpegEncoder;
use bytefit::codec::jpeg::size_model as jpeg;
use bytefit::codec::jpeg::trellis::Trellis;
use bytefit::codec::jxl::size_model as jxl;
use bytefit::codec::lossy_coding::LossyCoding;
use bytefit::codec::rate::{FineStepBend, SizeModel, SizePredictor, Spectrum, dot};
use bytefit::codec::webp::encode::WebpEncoder;
use bytefit::codec::webp::size_model as webp;
use bytefit::codec::{Effort, Encoder, Format};
use bytefit::picture::{Chroma, Picture};
use calibrate::{least_squares, pictures};
use rayon::prelude::*;

/// Long sides in pixels that each picture is scaled to.
const SIDES: [u32; 3] = [2048, 1024, 512];

/// Squares cut from each of the largest pictures.
const SQUARES: u32 = 4;

/// Settings tried over each encoder's range.
const POINTS: usize = 12;

/// The same for WebP, whose curve bends most at the fine end.
const WEBP_POINTS: usize = 23;

/// ln(step) of WebP from which on probes are fitted: finer steps are settings of their own kind.
const FINEST_PROBED: f64 = 1.5;

/// Parts that the pictures are divided into.
const PARTS: usize = 6;

/// An observation from one encode: `features` shall explain `value`.
struct Row<const N: usize> {
    picture: usize,
    features: [f64; N],
    value: f64,
}

/// Rows for each of [`counting_models`].
type Candidates = Vec<Vec<Row<10>>>;

/// All observations from one picture.
#[derive(Default)]
struct Observations {
    jpeg_halved: Vec<Row<5>>,
    jpeg_full: Vec<Row<5>>,
    jpeg_rounded_halved: Vec<Row<5>>,
    jpeg_rounded_full: Vec<Row<5>>,
    jxl_halved: Vec<Row<9>>,
    jxl_full: Vec<Row<9>>,
    webp_counted: Candidates,
    webp_bend: Vec<Row<2>>,
    webp_probed: Vec<Row<17>>,
    avif_halved: Candidates,
    avif_full: Candidates,
    /// ln of real over predicted bytes of JPEG's probe by strips.
    jpeg_strips: Vec<f64>,
}

fn main() {
    let files = pictures::files();
    let mut pictures = Vec::new();
    let mut squares = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let picture = pictures::load(file, u32::MAX);
        pictures.extend(sizes(&picture).into_iter().map(|picture| (index, picture)));
        squares.extend(pictures::squares(&picture, SIDES[1], SQUARES).into_iter().map(|square| (index, square)));
    }
    let of_pictures = pictures.par_iter().map(|(index, picture)| observe(*index, picture));
    let of_squares = squares.par_iter().map(|(index, square)| observe_square(*index, square));
    let observations: Vec<Observations> = of_pictures.chain(of_squares).collect();
    let mut all = Observations::default();
    for observed in observations {
        all.jpeg_halved.extend(observed.jpeg_halved);
        all.jpeg_full.extend(observed.jpeg_full);
        all.jpeg_rounded_halved.extend(observed.jpeg_rounded_halved);
        all.jpeg_rounded_full.extend(observed.jpeg_rounded_full);
        all.jxl_halved.extend(observed.jxl_halved);
        all.jxl_full.extend(observed.jxl_full);
        extend(&mut all.webp_counted, observed.webp_counted);
        all.webp_bend.extend(observed.webp_bend);
        all.webp_probed.extend(observed.webp_probed);
        extend(&mut all.avif_halved, observed.avif_halved);
        extend(&mut all.avif_full, observed.avif_full);
        all.jpeg_strips.extend(observed.jpeg_strips);
    }
    println!("// {} files, {} pictures, {} squares", files.len(), pictures.len(), squares.len());
    report("jpeg HALVED", &all.jpeg_halved);
    report("jpeg FULL", &all.jpeg_full);
    report("jpeg ROUNDED_HALVED", &all.jpeg_rounded_halved);
    report("jpeg ROUNDED_FULL", &all.jpeg_rounded_full);
    report("jxl HALVED", &all.jxl_halved);
    report("jxl FULL", &all.jxl_full);
    report_best("webp COUNTED", &all.webp_counted);
    report("webp BEND", &all.webp_bend);
    report("webp PROBED", &all.webp_probed);
    report_best("avif HALVED", &all.avif_halved);
    report_best("avif FULL", &all.avif_full);
    println!("jpeg strips: {}", spread(all.jpeg_strips));
}

fn sizes(picture: &Picture) -> Vec<Picture> {
    let long_side = picture.width().max(picture.height());
    let smaller = SIDES.into_iter().filter(|side| *side < 2 * long_side.min(SIDES[0]));
    smaller.map(|side| pictures::within(picture.clone(), side)).collect()
}

fn observe(index: usize, picture: &Picture) -> Observations {
    let mut observations = Observations::default();
    if pictures::is_wanted(Format::Jpeg) {
        observe_jpeg(index, picture, &mut observations);
    }
    if pictures::is_wanted(Format::Jxl) {
        observe_jxl(index, picture, &mut observations);
    }
    if pictures::is_wanted(Format::Webp) {
        observe_webp(index, picture, &mut observations);
    }
    if pictures::is_wanted(Format::Avif) {
        observe_avif(index, picture, &mut observations);
    }
    observations
}

/// The observations from a square.
fn observe_square(index: usize, square: &Picture) -> Observations {
    let mut observations = Observations::default();
    if pictures::is_wanted(Format::Webp) {
        let encoder = WebpEncoder::new(square, Effort::Balanced).expect("fits");
        let pixels = square.pixel_count() as f64;
        observe_probes(index, &encoder, pixels, &webp_files(&encoder, FINEST_PROBED), &mut observations);
    }
    observations
}

fn observe_jpeg(index: usize, picture: &Picture, observations: &mut Observations) {
    let pixels = picture.pixel_count() as f64;
    let kinds = [
        (Chroma::Halved, Effort::Balanced, &mut observations.jpeg_halved),
        (Chroma::Full, Effort::Balanced, &mut observations.jpeg_full),
        (Chroma::Halved, Effort::Fast, &mut observations.jpeg_rounded_halved),
        (Chroma::Full, Effort::Fast, &mut observations.jpeg_rounded_full),
    ];
    for (chroma, effort, rows) in kinds {
        let encoder = JpegEncoder::new(picture, chroma, effort).expect("fits");
        let spectrum = Spectrum::of(picture, chroma, 1);
        for ln_step in steps(&encoder, POINTS) {
            let bytes = encoder.encode(ln_step).expect("encodes").len() as f64;
            let count = jpeg::count(&spectrum, ln_step);
            // Above this step 4:2:0 takes over.
            if chroma == Chroma::Full && ln_step > -1.5 {
                continue;
            }
            let value = ((bytes - jpeg::overhead(picture.pixel_count())).max(1.0) * 8.0 / count.bits.max(1.0)).ln();
            if pictures::is_representative(bytes, pixels) {
                rows.push(Row { picture: index, features: jpeg::features(&count, pixels, ln_step), value });
                if let Some(predicted) = encoder.probe(ln_step).expect("encodes") {
                    observations.jpeg_strips.push(bytes.ln() - predicted);
                }
            }
        }
    }
}

fn observe_webp(index: usize, picture: &Picture, observations: &mut Observations) {
    let pixels = picture.pixel_count() as f64;
    let spectrum = SizePredictor::spectrum(picture);
    let encoder = WebpEncoder::new(picture, Effort::Balanced).expect("fits");
    let files = webp_files(&encoder, f64::NEG_INFINITY);
    observe_probes(index, &encoder, pixels, &files, observations);
    let fitted = &webp::COUNTED;
    for (ln_step, bytes) in files {
        if ln_step < fitted.bend.below {
            // The few finer steps bend away from the rest: fitted together, they would spoil the prediction of the
            // others.
            let expected = dot(&fitted.coefficients, &fitted.features(&spectrum, pixels, ln_step));
            let value = (bytes * 8.0 / pixels).ln() - expected;
            observations.webp_bend.push(Row { picture: index, features: fitted.bend.features(ln_step), value });
        } else if pictures::is_representative(bytes, pixels) {
            extend(&mut observations.webp_counted, counted(index, &spectrum, pixels, ln_step, bytes));
        }
    }
}

/// ln(step) and bytes of files over the range of the encoder, from `finest` on.
fn webp_files(encoder: &WebpEncoder, finest: f64) -> Vec<(f64, f64)> {
    // The coarsest end of the scale is a setting that nobody needs.
    let steps = steps(encoder, WEBP_POINTS).into_iter().filter(|ln_step| (finest..5.6).contains(ln_step));
    steps.map(|ln_step| (ln_step, encoder.encode(ln_step).expect("encodes").len() as f64)).collect()
}

fn observe_probes(
    index: usize,
    encoder: &WebpEncoder,
    pixels: f64,
    files: &[(f64, f64)],
    observations: &mut Observations,
) {
    let is_wanted =
        |(ln_step, bytes): &&(f64, f64)| *ln_step >= FINEST_PROBED && pictures::is_representative(*bytes, pixels);
    for (ln_step, bytes) in files.iter().filter(is_wanted) {
        let (stats, _) = encoder.stats(*ln_step).expect("encodes");
        let features = webp::probe_features(&stats, pixels, *ln_step);
        observations.webp_probed.push(Row { picture: index, features, value: (bytes / stats.bytes).ln() });
    }
}

fn observe_jxl(index: usize, picture: &Picture, observations: &mut Observations) {
    let pixels = picture.pixel_count() as f64;
    let codings = [
        (Chroma::Halved, LossyCoding::JxlHalved, &mut observations.jxl_halved),
        (Chroma::Full, LossyCoding::JxlFull, &mut observations.jxl_full),
    ];
    for (chroma, coding, rows) in codings {
        let jpeg = JpegEncoder::new(picture, chroma, Effort::Balanced).expect("fits");
        let mut jpeg = jpeg.with_trellis(Trellis::AtCoarseSteps);
        jpeg.use_one_pass();
        let encoder = coding.encoder(picture, Effort::Balanced).expect("fits");
        // Above this step 4:2:0 takes over.
        for ln_step in steps(&jpeg, POINTS).into_iter().filter(|ln_step| chroma == Chroma::Halved || *ln_step < -1.0) {
            let ln_jpeg_bytes = (jpeg.encode(ln_step).expect("encodes").len() as f64).ln();
            if !jxl::is_fitted(ln_jpeg_bytes, pixels) {
                continue;
            }
            let bytes = encoder.encode(ln_step).expect("encodes").len() as f64;
            if pictures::is_representative(bytes, pixels) {
                let features = jxl::features(ln_jpeg_bytes, pixels, ln_step);
                rows.push(Row { picture: index, features, value: bytes.ln() - ln_jpeg_bytes });
            }
        }
    }
}

fn observe_avif(index: usize, picture: &Picture, observations: &mut Observations) {
    let pixels = picture.pixel_count() as f64;
    let spectrum = SizePredictor::spectrum(picture);
    for (chroma, rows) in [(Chroma::Halved, &mut observations.avif_halved), (Chroma::Full, &mut observations.avif_full)]
    {
        let encoder = AvifEncoder::new(picture, chroma, Effort::Balanced).expect("fits");
        // Above this step 4:2:0 takes over.
        let is_used = |ln_step: &f64| chroma == Chroma::Halved || *ln_step < 2.0;
        for ln_step in steps(&encoder, POINTS).into_iter().filter(is_used) {
            let bytes = encoder.encode(ln_step).expect("encodes").len() as f64;
            if pictures::is_representative(bytes, pixels) {
                extend(rows, counted(index, &spectrum, pixels, ln_step, bytes - avif::BEGINNING));
            }
        }
    }
}

/// The ways of counting to try, their coefficients not fitted yet.
fn counting_models() -> Vec<SizeModel> {
    let mut models = Vec::new();
    for finer in [-1.5, -1.0, -0.75, -0.5, -0.25, 0.0] {
        for steepness in [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0] {
            models.extend([0.5, 0.62, 0.75, 0.9].map(|dead_zone| SizeModel {
                finer,
                steepness,
                dead_zone,
                coefficients: [0.0; 10],
                bend: FineStepBend::NONE,
            }));
        }
    }
    models
}

fn counted(picture: usize, spectrum: &Spectrum, pixels: f64, ln_step: f64, bytes: f64) -> Candidates {
    let value = (bytes * 8.0 / pixels).ln();
    let row = |model: SizeModel| vec![Row { picture, features: model.features(spectrum, pixels, ln_step), value }];
    counting_models().into_iter().map(row).collect()
}

fn extend(all: &mut Candidates, more: Candidates) {
    all.resize_with(more.len().max(all.len()), Vec::new);
    all.iter_mut().zip(more).for_each(|(all, more)| all.extend(more));
}

/// `points` steps over the whole range of `encoder`.
fn steps(encoder: &dyn Encoder, points: usize) -> Vec<f64> {
    let range = encoder.ln_step_range();
    let share = |point: usize| point as f64 / (points - 1) as f64;
    (0..points).map(|point| encoder.snap(range.start() + (range.end() - range.start()) * share(point))).collect()
}

/// Reports on the way of counting with the smallest errors.
fn report_best(name: &str, candidates: &Candidates) {
    let spread_of = |rows: &[Row<10>]| errors(rows).iter().map(|error| error * error).sum::<f64>();
    let best = counting_models()
        .into_iter()
        .zip(candidates)
        .min_by(|one, other| spread_of(one.1).total_cmp(&spread_of(other.1)));
    if let Some((model, rows)) = best {
        println!("finer: {}, steepness: {}, dead_zone: {}", model.finer, model.steepness, model.dead_zone);
        report(name, rows);
    }
}

fn report<const N: usize>(name: &str, rows: &[Row<N>]) {
    if rows.is_empty() {
        return;
    }
    let coefficients = fit(rows.iter()).map(|value| format!("{value:.5}")).join(", ");
    println!("{name}: [{coefficients}]\n    {} rows, {}", rows.len(), spread(errors(rows)));
}

/// The error of each row, by coefficients fitted to the other parts.
fn errors<const N: usize>(rows: &[Row<N>]) -> Vec<f64> {
    let mut errors = Vec::new();
    for part in 0..PARTS {
        let (left_out, rest): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.picture % PARTS == part);
        let coefficients = fit(rest.into_iter());
        errors.extend(left_out.iter().map(|row| row.value - dot(&coefficients, &row.features)));
    }
    errors
}

fn fit<'a, const N: usize>(rows: impl Iterator<Item = &'a Row<N>>) -> [f64; N] {
    least_squares::fit(rows.map(|row| (row.features, row.value)))
}

fn spread(errors: Vec<f64>) -> String {
    if errors.is_empty() {
        return "not measured".to_owned();
    }
    let mean = 100.0 * errors.iter().sum::<f64>() / errors.len() as f64;
    let mut errors: Vec<f64> = errors.into_iter().map(f64::abs).collect();
    errors.sort_by(f64::total_cmp);
    let at = |share: f64| 100.0 * errors.get((errors.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN);
    let near = errors.iter().filter(|error| **error < 0.015).count() as f64 / errors.len() as f64;
    format!(
        "error mean {mean:.2} %, median {:.2} %, p95 {:.1} %, within 1.5 %: {:.0} %",
        at(0.5),
        at(0.95),
        100.0 * near
    )
}
