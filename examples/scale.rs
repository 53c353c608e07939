//! Measures when a smaller picture looks better: the source of the constants of `src/job/downscale.rs`.
//!
//! Each picture, brought to at most 1,024 pixels a side, is fitted to several targets at several scales; a line for
//! each landing, as comma-separated values: format, file, target in bits a pixel of the whole picture, scale, quality
//! of the landing, SSIMULACRA2 of it scaled up again, against the whole picture.
//!
//! ```text
//! cargo run --release --example scale -- DIRECTORY...
//! ```

use std::ops::RangeInclusive;

use bytefit::codec::variant::Variant;
use bytefit::codec::{self, Effort, EncodeError, Encoder, Limits};
use bytefit::fit::search::{Aim, Encode, search};
use bytefit::fit::stop::StopReason;
use bytefit::picture::Picture;
use bytefit::picture::score::Reference;
use bytefit::picture::transform;
use rayon::prelude::*;

mod pictures;

const VARIANTS: [Variant; 3] = [Variant::JpegHalved, Variant::Webp, Variant::AvifHalved];

const BITS_PER_PIXEL: [f64; 5] = [0.1, 0.2, 0.4, 0.6, 0.8];

const SCALES: [f64; 8] = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3];

fn main() {
    let files = pictures::files();
    files.par_iter().for_each(|file| {
        let picture = pictures::load(file, 1024);
        let reference = Reference::new(&picture, [255; 3]);
        for scale in SCALES {
            let side = |pixels: u32| (f64::from(pixels) * scale).round() as u32;
            let smaller = transform::scale(&picture, side(picture.width()), side(picture.height()));
            for (variant, bits) in variants().flat_map(|variant| BITS_PER_PIXEL.map(|bits| (variant, bits))) {
                let target = (picture.pixel_count() as f64 * bits / 8.0) as u64;
                let Some((ln_step, file_bytes)) = land(variant, &smaller, target) else { continue };
                let decoded = codec::decode(&file_bytes, &Limits::default()).expect("our own file").picture;
                let score = reference.score(&transform::scale(&decoded, picture.width(), picture.height()));
                let (name, quality) = (variant.format().name(), variant.scale().quality(ln_step));
                let file = file.file_stem().expect("a name").to_string_lossy();
                println!("{name},{file},{bits},{scale},{quality:.2},{score:.2}");
            }
        }
    });
}

fn variants() -> impl Iterator<Item = Variant> {
    VARIANTS.into_iter().filter(|variant| pictures::is_wanted(variant.format()))
}

/// The step and the file that land on `target`.
fn land(variant: Variant, picture: &Picture, target: u64) -> Option<(f64, Vec<u8>)> {
    let encoder = variant.encoder(picture, Effort::Balanced).expect("fits");
    let aim = Aim { max_encodes: 4, ..Aim::below(target) };
    let best = search(&mut Hand(encoder), &aim).expect("encodes").best?;
    Some((best.x, best.bytes))
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
