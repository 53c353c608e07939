//! Measures when a smaller picture looks better: the source of the constants of `src/job/gain.rs`.
//!
//! Each picture, brought to at most 1,024 pixels a side, is fitted to several targets at several scales; a line for
//! each landing, as comma-separated values: format, file, target in bits a pixel of the whole picture, scale, quality
//! that the model expected, SSIMULACRA2 of the landing scaled up again, against the whole picture. Then for each
//! format the coefficients, and for each target what choosing by them gains on pictures that they were not fitted
//! to, beside what the best choice would.
//!
//! ```text
//! cargo run --release --example scale -- DIRECTORY... [FORMAT...]
//! ```

use std::ops::RangeInclusive;

use bytefit::codec::rate::apply;
use bytefit::codec::variant::Variant;
use bytefit::codec::{self, Effort, EncodeError, Encoder, Limits};
use bytefit::fit::search::{self, Aim, Encode};
use bytefit::fit::stop::StopReason;
use bytefit::job::gain::{self, Outlook, SCALES};
use bytefit::picture::Picture;
use bytefit::picture::score::Reference;
use bytefit::picture::transform;
use rayon::prelude::*;

mod least_squares;
mod pictures;

const VARIANTS: [Variant; 4] = [Variant::JpegHalved, Variant::Webp, Variant::AvifHalved, Variant::PngPalette];

/// Targets in bits a pixel.
fn targets(variant: Variant) -> &'static [f64] {
    match variant {
        Variant::PngPalette => &[0.4, 0.6, 0.8, 1.2, 2.0, 3.0],
        _ => &[0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8],
    }
}

/// Parts that the pictures are dealt into: each is judged by what the others teach.
const PARTS: usize = 6;

/// Coefficients for each of [`SCALES`].
type Table = [[f64; 5]; SCALES.len()];

/// A picture at a target, whole and smaller.
struct Case {
    picture: usize,
    bits_per_pixel: f64,
    whole: Landing,
    /// For each of [`SCALES`].
    smaller: Vec<Option<Landing>>,
}

#[derive(Clone, Copy)]
struct Landing {
    /// Quality that the model expected.
    expected: f64,
    score: f64,
}

impl Case {
    /// What is to be explained: for each scale with an answer its place, what the model knew, and the gain.
    fn gains(&self) -> impl Iterator<Item = (usize, Outlook, f64)> {
        let known = self.smaller.iter().enumerate().filter_map(|(place, landing)| Some((place, (*landing)?)));
        known.map(|(place, landing)| {
            let outlook =
                Outlook { whole: self.whole.expected, smaller: landing.expected, bits_per_pixel: self.bits_per_pixel };
            (place, outlook, landing.score - self.whole.score)
        })
    }

    /// The most that can be gained.
    fn best_gain(&self) -> f64 {
        self.gains().map(|(_, _, gain)| gain).fold(0.0, f64::max)
    }
}

fn main() {
    let files = pictures::files();
    let variants = VARIANTS.into_iter().filter(|variant| pictures::is_wanted(variant.format()));
    for variant in variants {
        let cases: Vec<Case> = files
            .par_iter()
            .enumerate()
            .flat_map(|(index, file)| {
                let picture = pictures::load(file, 1024);
                let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
                measure(index, &name, &picture, variant)
            })
            .collect();
        report(variant, &cases);
    }
}

/// Every target that the whole picture reaches.
fn measure(index: usize, name: &str, picture: &Picture, variant: Variant) -> Vec<Case> {
    let reference = Reference::new(picture, [255; 3]);
    let sizes: Vec<Picture> = SCALES
        .iter()
        .map(|scale| {
            let side = |pixels: u32| (f64::from(pixels) * scale).round() as u32;
            transform::scale(picture, side(picture.width()), side(picture.height()))
        })
        .collect();
    let case = |bits: &f64| {
        let target = (picture.pixel_count() as f64 * bits / 8.0) as u64;
        let landed = |size: &Picture, scale: f64| {
            let (expected, bytes) = land(variant, size, target)?;
            let decoded = codec::decode(&bytes, &Limits::default()).expect("our own file").picture;
            let score = reference.score(&transform::scale(&decoded, picture.width(), picture.height()));
            println!("{},{name},{bits},{scale:.4},{expected:.2},{score:.2}", variant.format().name());
            Some(Landing { expected, score })
        };
        let whole = landed(picture, 1.0)?;
        let smaller = sizes.iter().zip(SCALES).map(|(size, scale)| landed(size, scale)).collect();
        Some(Case { picture: index, bits_per_pixel: *bits, whole, smaller })
    };
    targets(variant).iter().filter_map(case).collect()
}

fn report(variant: Variant, cases: &[Case]) {
    let name = variant.format().name();
    for coefficients in fit(variant, cases.iter()) {
        println!("{name}: [{}],", coefficients.map(|value| format!("{value:.3}")).join(", "));
    }
    let mut chosen: Vec<(f64, f64, f64)> = Vec::new();
    for part in 0..PARTS {
        let (left_out, rest): (Vec<&Case>, Vec<&Case>) = cases.iter().partition(|case| case.picture % PARTS == part);
        let table = fit(variant, rest.into_iter());
        chosen
            .extend(left_out.iter().map(|case| (case.bits_per_pixel, choice(variant, &table, case), case.best_gain())));
    }
    for bits in targets(variant) {
        let gains: Vec<_> = chosen.iter().filter(|(target, ..)| target == bits).collect();
        let count = gains.len() as f64;
        let least = gains.iter().map(|(_, gained, _)| *gained).fold(f64::INFINITY, f64::min);
        let mean = |of: fn(&(f64, f64, f64)) -> f64| gains.iter().map(|row| of(row)).sum::<f64>() / count;
        println!(
            "{name} {bits} bpp: {count} gain {:.2} of {:.2}, least {least:.2}",
            mean(|row| row.1),
            mean(|row| row.2)
        );
    }
}

/// What the choice by `table` gains.
fn choice(variant: Variant, table: &Table, case: &Case) -> f64 {
    if gain::is_decent(variant.format(), case.whole.expected, case.bits_per_pixel) {
        return 0.0;
    }
    let expected = case.gains().map(|(place, outlook, gain)| (apply(&table[place], &outlook.features()), gain));
    let best = expected.max_by(|one, other| one.0.total_cmp(&other.0));
    best.filter(|(expected, _)| *expected >= gain::MARGIN).map_or(0.0, |(_, gained)| gained)
}

/// The coefficients that explain the gains of pictures with room to gain. What comes near to the best choice, for as
/// much as there is to gain, weighs most: errors elsewhere change nothing.
fn fit<'a>(variant: Variant, cases: impl Iterator<Item = &'a Case>) -> Table {
    let is_telling = |case: &&Case| !gain::is_decent(variant.format(), case.whole.expected - 10.0, 0.0);
    let cases: Vec<&Case> = cases.filter(is_telling).collect();
    std::array::from_fn(|wanted| {
        let rows = cases.iter().flat_map(|case| {
            let best = case.best_gain();
            case.gains().filter(move |(place, ..)| *place == wanted).map(move |(_, outlook, gain)| {
                let weight = 1.0 / (1.0 + ((best - gain) / (5.0 + 0.4 * best)).powi(2)).sqrt();
                (outlook.features().map(|feature| feature * weight), gain * weight)
            })
        });
        least_squares::fit(rows)
    })
}

/// The quality that the model expects on `target`, and the file that lands on it.
fn land(variant: Variant, picture: &Picture, target: u64) -> Option<(f64, Vec<u8>)> {
    let mut hand = Hand(variant.encoder(picture, Effort::Balanced).expect("fits"));
    let aim = Aim { max_encodes: 4, ..Aim::below(target) };
    let expected = variant.scale().quality(search::foretell(&mut hand, &aim));
    let best = search::search(&mut hand, &aim).expect("encodes").best?;
    Some((expected, best.bytes))
}

struct Hand<'a>(Box<dyn Encoder + 'a>);

impl Encode for Hand<'_> {
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
        self.0.estimate(x)
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
