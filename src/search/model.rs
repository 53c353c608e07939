//! Predicts sizes: the encoder's own prediction, corrected by the sizes of its files.

use super::aim::Aim;
use super::bracket::Bracket;
use super::encoder::{SearchedEncoder, states_from};

/// The encoder's own prediction, corrected by the sizes of its files.
#[derive(Default)]
pub(super) struct Model {
    /// By rising `x`.
    residuals: Vec<Residual>,
}

/// What a size is above the prediction.
#[derive(Clone, Copy)]
struct Residual {
    x: f64,
    /// Of ln(bytes).
    above: f64,
    is_probe: bool,
}

impl Model {
    pub(super) fn add_encode<E: SearchedEncoder>(&mut self, encoder: &mut E, x: f64, bytes: u64) {
        let above = (bytes.max(1) as f64).ln() - encoder.predict(x);
        let error = above - self.residual(x);
        if error.abs() > encoder.max_probe_error() {
            let is_first = self.residuals.iter().all(|known| known.is_probe);
            match is_first {
                // Probes read the same part of the picture, so they err alike.
                true => self.residuals.iter_mut().for_each(|probe| probe.above += error),
                false => self.residuals.retain(|known| !known.is_probe),
            }
        }
        // An encode replaces a probe of about the same `x`.
        self.residuals.retain(|known| !known.is_probe || (known.x - x).abs() >= NEAR);
        self.insert(Residual { x, above, is_probe: false });
    }

    pub(super) fn add_probe<E: SearchedEncoder>(&mut self, encoder: &mut E, x: f64, ln_bytes: f64) {
        self.insert(Residual { x, above: ln_bytes - encoder.predict(x), is_probe: true });
    }

    fn insert(&mut self, residual: Residual) {
        let index = self.residuals.partition_point(|known| known.x < residual.x);
        self.residuals.insert(index, residual);
    }

    /// The correction at `x`: a straight line between neighbours. Beyond the outermost point it goes on along the line
    /// from the nearest point that is at least [`LEAST_BASE`] away.
    fn residual(&self, x: f64) -> f64 {
        let points = &self.residuals;
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return 0.0 };
        if x <= first.x {
            let base = points.iter().find(|point| point.x - first.x >= LEAST_BASE);
            return first.above + base.map_or(0.0, |base| slope(first, base)) * (x - first.x);
        }
        if x >= last.x {
            let base = points.iter().rev().find(|point| last.x - point.x >= LEAST_BASE);
            return last.above + base.map_or(0.0, |base| slope(base, last)) * (x - last.x);
        }
        let right = points.partition_point(|known| known.x < x);
        let (left, right) = (&points[right - 1], &points[right]);
        left.above + slope(left, right) * (x - left.x)
    }

    /// The state to try for `x`. Usually that is the nearest. If its size is predicted above `goal`, it may be the next
    /// coarser one: when the additional bytes are not worth the risk of losing an encode to a file over the cap.
    pub(super) fn state_for<E: SearchedEncoder>(&self, encoder: &mut E, x: f64, goal: f64, aim: &Aim) -> f64 {
        let nearest = encoder.snap(x);
        let bytes = encoder.predict(nearest) + self.residual(nearest);
        if bytes <= goal {
            return nearest;
        }
        let coarser = states_from(nearest, |x| encoder.snap(x)).find(|state| *state > nearest);
        let Some(coarser) = coarser else { return nearest };
        let fewer = encoder.predict(coarser) + self.residual(coarser);
        let odds_against = ((bytes - (aim.cap as f64).ln()) / SPREAD).exp();
        if bytes - fewer > aim.loss_per_encode * odds_against { nearest } else { coarser }
    }

    /// The `x` in the bracket where the corrected prediction meets `goal`: a secant from `start`, which halves the
    /// bracket whenever it would leave it.
    pub(super) fn solve<E: SearchedEncoder>(&self, encoder: &mut E, goal: f64, bracket: &Bracket, start: f64) -> f64 {
        let (mut low, mut high) = (bracket.low(), bracket.high());
        let mut x = start.clamp(low, high);
        let mut last: Option<(f64, f64)> = None;
        for _ in 0..SOLVE_STEPS {
            let error = encoder.predict(x) + self.residual(x) - goal;
            if error.abs() < SOLVE_PRECISION {
                break;
            }
            if error > 0.0 {
                low = x
            } else {
                high = x
            }
            let fall = last.map_or(TYPICAL_SLOPE, |(x0, error0)| (error - error0) / (x - x0));
            last = Some((x, error));
            let next = x - error / fall.clamp(-4.0 * TYPICAL_SLOPE.abs(), -0.2);
            // An end of the bracket that was not tried yet comes before the middle.
            x = if next <= low && low == bracket.low() && x != low {
                low
            } else if next >= high && high == bracket.high() && x != high {
                high
            } else if next <= low || next >= high {
                (low + high) / 2.0
            } else {
                next
            };
            if high - low < 1e-6 {
                break;
            }
        }
        x
    }
}

/// The slope of the correction between two points.
fn slope(left: &Residual, right: &Residual) -> f64 {
    ((right.above - left.above) / (right.x - left.x)).clamp(-MAX_RESIDUAL_SLOPE, MAX_RESIDUAL_SLOPE)
}

/// The least ln(step) between two points whose line is extended. Between closer points the encoder's grain hides its
/// slope.
const LEAST_BASE: f64 = 0.1;

/// Steepest correction of the model, in ln(bytes) over ln(step): the encoders' own slopes are -0.5 to -1.3.
const MAX_RESIDUAL_SLOPE: f64 = 0.8;

/// The scale, in ln(bytes), of the logistic distribution of sizes around their prediction: probes err by 1.3 %.
const SPREAD: f64 = 0.007;

/// ln(step) within which an encode replaces a probe: a percent of the bytes, which is a probe's own error.
const NEAR: f64 = 0.012;

/// The most predictions of a solve. Each may cost a pass over the coefficients.
const SOLVE_STEPS: u32 = 12;

/// ln(bytes) over ln(step) of most pictures: -0.73 for JPEG, -0.97 for WebP, -1.01 for AVIF.
const TYPICAL_SLOPE: f64 = -0.85;

/// The error, in ln(bytes), that ends a solve: a tenth of the window that the search aims at.
const SOLVE_PRECISION: f64 = 0.001;
