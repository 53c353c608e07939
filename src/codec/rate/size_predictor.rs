//! Predicts file sizes from the bits that a JPEG would take. VP8 and AV1 work similarly enough that a few fitted
//! coefficients make up for the difference: docs/model.md, Sizes.

use super::{Count, Curve, Spectrum, Steps, dot, rows_for};
use crate::picture::{Chroma, Picture};

/// Approximate maximum of pixels that are counted. In a larger picture only every n-th row of blocks is counted.
const SAMPLED_PIXELS: u64 = 500_000;

/// How an encoder's sizes depend on the counts.
#[derive(Debug)]
pub struct SizeModel {
    /// The factor by which the JPEG's step is coarser than the encoder's, as ln.
    pub finer: f64,
    /// The factor by which the highest frequency is quantised more coarsely than the lowest, as ln.
    pub steepness: f64,
    /// Coefficients below this share of a step become zero.
    pub dead_zone: f64,
    /// Coefficients of [`SizeModel::features`].
    pub coefficients: [f64; 10],
    /// Correction at fine steps.
    pub bend: FineStepBend,
}

/// How much smaller files are at fine steps than a fit to coarser steps predicts.
#[derive(Debug)]
pub struct FineStepBend {
    /// ln(step) below which the correction begins.
    pub below: f64,
    /// Coefficients of [`FineStepBend::features`].
    pub coefficients: [f64; 2],
}

impl FineStepBend {
    /// No correction.
    pub const NONE: FineStepBend = FineStepBend { below: f64::NEG_INFINITY, coefficients: [0.0; 2] };

    /// Returns the distance below [`Self::below`], and its square.
    pub fn features(&self, ln_step: f64) -> [f64; 2] {
        let distance = (self.below - ln_step).max(0.0);
        [distance, distance * distance]
    }
}

impl SizeModel {
    /// Returns the features from which the bits per pixel at `ln_step` follow.
    pub fn features(&self, spectrum: &Spectrum, pixels: f64, ln_step: f64) -> [f64; 10] {
        let count = self.count(spectrum, ln_step);
        let bits = count.bits.max(1.0);
        let busy = (bits / pixels).ln();
        let (ends, means) = ((1.0 - count.end_bits / bits).max(0.01).ln(), count.dc_bits / bits);
        let sparse = ((count.nonzero + 1.0) / bits).ln();
        let square = |value: f64| value * value;
        [1.0, ln_step, square(ln_step), busy, square(busy), busy * ln_step, ends, means, sparse, sparse * ln_step]
    }

    /// Returns ln(bits per pixel) at `ln_step`.
    fn ln_bits_per_pixel(&self, spectrum: &Spectrum, pixels: f64, ln_step: f64) -> f64 {
        let counted = dot(&self.coefficients, &self.features(spectrum, pixels, ln_step));
        counted + dot(&self.bend.coefficients, &self.bend.features(ln_step))
    }

    fn count(&self, spectrum: &Spectrum, ln_step: f64) -> Count {
        // The count works down to a step of half a level.
        let step = |index: usize| {
            let (vertical, horizontal) = (index / 8, index % 8);
            let coarser = self.steepness * (vertical + horizontal) as f64 / 14.0;
            (ln_step + self.finer + coarser).exp().max(0.5)
        };
        let steps = Steps::new(&std::array::from_fn(step), self.dead_zone);
        spectrum.count(&steps, &steps)
    }
}

/// Predicts the sizes of one picture.
pub struct SizePredictor {
    fitted: &'static SizeModel,
    pixels: f64,
    spectrum: Spectrum,
    ln_bits_per_pixel: Curve,
}

impl SizePredictor {
    /// Transforms a sample of `picture`, from which `fitted` predicts.
    pub fn of(picture: &Picture, fitted: &'static SizeModel) -> SizePredictor {
        SizePredictor {
            fitted,
            pixels: picture.pixel_count() as f64,
            spectrum: SizePredictor::spectrum(picture),
            ln_bits_per_pixel: Curve::default(),
        }
    }

    /// Returns the spectrum of `picture` that is counted.
    pub fn spectrum(picture: &Picture) -> Spectrum {
        Spectrum::offset_by_half_block(picture, Chroma::Halved, rows_for(picture, SAMPLED_PIXELS))
    }

    /// Returns ln(bytes) at `ln_step`.
    pub fn ln_bytes(&self, ln_step: f64) -> f64 {
        let counted = |x: f64| self.fitted.ln_bits_per_pixel(&self.spectrum, self.pixels, x);
        (self.pixels / 8.0).ln() + self.ln_bits_per_pixel.read(ln_step, counted)
    }
}
