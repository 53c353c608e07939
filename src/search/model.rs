//! What a search expects of sizes: the encoder's own prediction, corrected by what was seen. Must not encode.

use super::aim::Aim;
use super::bracket::Bracket;
use super::encoder::{SearchedEncoder, states_from};

/// The encoder's own prediction, corrected by what its encodes really took.
#[derive(Default)]
pub(super) struct Model {
    /// `x` and ln(bytes) above the prediction, by rising `x`.
    residuals: Vec<(f64, f64)>,
    /// The `x` of these that only the second opinion speaks of.
    probed: Option<f64>,
}

impl Model {
    pub(super) fn learn<E: SearchedEncoder>(&mut self, encoder: &mut E, x: f64, bytes: u64) {
        let residual = (bytes.max(1) as f64).ln() - encoder.predict(x);
        // What an encode says is better than what was foretold of the same place, or than what it gives the lie to.
        let wrong = (residual - self.residual(x)).abs() > DISBELIEF;
        if let Some(probed) = self.probed.take_if(|probed| wrong || (*probed - x).abs() < NEAR) {
            self.residuals.retain(|(known, _)| *known != probed);
        }
        self.insert(x, residual);
    }

    pub(super) fn learn_probe<E: SearchedEncoder>(&mut self, encoder: &mut E, x: f64, ln_bytes: f64) {
        self.probed = Some(x);
        self.insert(x, ln_bytes - encoder.predict(x));
    }

    fn insert(&mut self, x: f64, residual: f64) {
        let place = self.residuals.partition_point(|(known, _)| *known < x);
        self.residuals.insert(place, (x, residual));
    }

    /// The correction at `x`: a straight line between neighbours; beyond the outermost, on along the line from the
    /// nearest point that is far enough away to give one.
    fn residual(&self, x: f64) -> f64 {
        let points = &self.residuals;
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return 0.0 };
        if x <= first.0 {
            let base = points.iter().find(|point| point.0 - first.0 >= LEAST_BASE);
            return first.1 + base.map_or(0.0, |base| slope(*first, *base)) * (x - first.0);
        }
        if x >= last.0 {
            let base = points.iter().rev().find(|point| last.0 - point.0 >= LEAST_BASE);
            return last.1 + base.map_or(0.0, |base| slope(*base, *last)) * (x - last.0);
        }
        let right = points.partition_point(|(known, _)| *known < x);
        let (left, right) = (points[right - 1], points[right]);
        left.1 + slope(left, right) * (x - left.0)
    }

    /// The state to try for `x`: the nearest, or, where that is expected above `goal`, the next coarser one if the bytes that
    /// the nearest has more are not worth the encode that is lost should it pass the cap.
    pub(super) fn landing<E: SearchedEncoder>(&self, encoder: &mut E, x: f64, goal: f64, aim: &Aim) -> f64 {
        let nearest = encoder.snap(x);
        let bytes = encoder.predict(nearest) + self.residual(nearest);
        if bytes <= goal {
            return nearest;
        }
        let coarser = states_from(nearest, |x| encoder.snap(x)).find(|state| *state > nearest);
        let Some(coarser) = coarser else { return nearest };
        let fewer = encoder.predict(coarser) + self.residual(coarser);
        let odds_against = ((bytes - (aim.cap as f64).ln()) / DOUBT).exp();
        if bytes - fewer > aim.loss_per_encode * odds_against { nearest } else { coarser }
    }

    /// The `x` in the bracket where the corrected prediction meets `goal`: a secant from `start`, which falls back
    /// to halving whenever it would leave what is left of the bracket.
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
            // An end of the bracket that was not asked yet is asked before the middle.
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
fn slope((x0, r0): (f64, f64), (x1, r1): (f64, f64)) -> f64 {
    ((r1 - r0) / (x1 - x0)).clamp(-MAX_RESIDUAL_SLOPE, MAX_RESIDUAL_SLOPE)
}

/// ln(step) that two points are apart before a line through them is carried on: between closer ones the
/// encoder's grain speaks louder than its slope.
const LEAST_BASE: f64 = 0.1;

/// Steepest correction of the model, in ln(bytes) over ln(step): the encoders' own slopes are -0.5 to -1.3.
const MAX_RESIDUAL_SLOPE: f64 = 0.8;

/// ln(bytes) over what is expected by which the odds of taking so much fall to 1 in e: a logistic distribution whose spread
/// is 1.3 %, as probes err.
const DOUBT: f64 = 0.007;

/// ln(step) within which an encode says more than a probe: a percent of the bytes, which is what a probe errs by.
const NEAR: f64 = 0.012;

/// ln(bytes) that an encode may take more or less than a probe has led to expect, before the probe is forgotten: of 46
/// photographs to 80 KB it is off by 0.08 at the most but for one, where libwebp's methods part by 0.2.
const DISBELIEF: f64 = 0.15;

/// Predictions a solve may take; each may cost a pass over the coefficients.
const SOLVE_STEPS: u32 = 12;

/// ln(bytes) over ln(step) of most pictures: -0.73 for JPEG, -0.97 for WebP, -1.01 for AVIF.
const TYPICAL_SLOPE: f64 = -0.85;

/// ln(bytes) within which a solve is done: a tenth of the window that the search aims at.
const SOLVE_PRECISION: f64 = 0.001;
