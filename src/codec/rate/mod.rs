//! The rate model: the bits that a picture takes at a quantiser step, counted without an encoder. The blockwise DCT
//! (T.81) is computed once, then quantised and counted for any number of steps.

mod count;
mod curve;
mod dct;
pub mod lossless;
mod size_predictor;
mod spectrum;

pub use count::{Count, Steps};
pub use curve::Curve;
pub use size_predictor::{FineStepBend, SizeModel, SizePredictor};
pub use spectrum::{Spectrum, halved_strips, rows_for, strips};

/// The sum of `features` times their fitted `coefficients`.
pub fn dot<const N: usize>(coefficients: &[f64; N], features: &[f64; N]) -> f64 {
    coefficients.iter().zip(features).map(|(coefficient, feature)| coefficient * feature).sum()
}
