//! One quality scale for every format: the same number means the same look.
//!
//! Quality `q`, 1 to 100, is the setting whose median SSIMULACRA2 over the training set is `q`. Each format keeps its
//! own curve; docs/model.md says how they were measured.

/// A point of an encoder's curve.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScalePoint {
    quality: f64,
    /// ln of the quantiser step that gives this quality.
    ln_step: f64,
    /// Median ln(bits per pixel) there: the first guess of a size.
    ln_bits_per_pixel: f64,
}

/// An encoder's curve, from the coarsest step to the finest.
#[derive(Clone, Copy, Debug)]
pub struct QualityScale(&'static [ScalePoint]);

impl QualityScale {
    /// The curve through `points`, coarsest first.
    pub(super) const fn new(points: &'static [ScalePoint]) -> QualityScale {
        QualityScale(points)
    }

    /// ln of the step for `quality`; beyond the ends of the scale, the end.
    pub fn ln_step(&self, quality: f64) -> f64 {
        self.read(quality, |point| point.quality, |point| point.ln_step)
    }

    /// The quality of the step `exp(ln_step)`: at most 100, and down to -65 for steps that no job should end with.
    pub fn quality(&self, ln_step: f64) -> f64 {
        self.read(-ln_step, |point| -point.ln_step, |point| point.quality)
    }

    /// Median ln(bits per pixel) at this step.
    pub fn ln_bits_per_pixel(&self, ln_step: f64) -> f64 {
        self.read(-ln_step, |point| -point.ln_step, |point| point.ln_bits_per_pixel)
    }

    /// ln(bytes) that the median picture of `pixels` takes at this step.
    pub fn ln_bytes(&self, pixels: u64, ln_step: f64) -> f64 {
        self.ln_bits_per_pixel(ln_step) + (pixels as f64 / 8.0).ln()
    }

    /// ln of the step at which the median picture of `pixels` takes this ln(bytes).
    pub fn ln_step_for(&self, pixels: u64, ln_bytes: f64) -> f64 {
        let ln_bits_per_pixel = ln_bytes - (pixels as f64 / 8.0).ln();
        self.read(ln_bits_per_pixel, |point| point.ln_bits_per_pixel, |point| point.ln_step)
    }

    /// Interpolates between two points. `from` rises along the curve.
    fn read(&self, value: f64, from: fn(&ScalePoint) -> f64, to: fn(&ScalePoint) -> f64) -> f64 {
        let right = self.0.partition_point(|point| from(point) < value).clamp(1, self.0.len() - 1);
        let (left, right) = (&self.0[right - 1], &self.0[right]);
        let share = ((value - from(left)) / (from(right) - from(left))).clamp(0.0, 1.0);
        to(left) + (to(right) - to(left)) * share
    }
}

/// A point of a curve.
pub(super) const fn point(quality: f64, ln_step: f64, ln_bits_per_pixel: f64) -> ScalePoint {
    ScalePoint { quality, ln_step, ln_bits_per_pixel }
}
