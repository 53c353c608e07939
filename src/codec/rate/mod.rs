//! The rate model: what a picture costs at a quantiser step, counted without an encoder. The blockwise DCT is
//! taken once; then it is quantised and counted as often as asked. Knows T.81, no encoder.

mod count;
mod curve;
mod dct;
pub mod lossless;
mod size_predictor;
mod spectrum;

pub use count::{Count, Steps};
pub use curve::Curve;
pub use size_predictor::{FineStepBend, SizeModel, SizePredictor};
pub use spectrum::{Spectrum, rows_for, strips};

/// The sum of `features` times their fitted `coefficients`.
pub fn dot<const N: usize>(coefficients: &[f64; N], features: &[f64; N]) -> f64 {
    coefficients.iter().zip(features).map(|(coefficient, feature)| coefficient * feature).sum()
}
