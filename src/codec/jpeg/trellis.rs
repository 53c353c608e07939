//! How much trellis is used: it chooses coefficients by what they gain and cost, where rounding takes the nearest.

/// At which steps trellis is used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trellis {
    /// At none: coefficients are rounded.
    Never,
    /// Ever more of it at coarse steps: docs/model.md, JPEG XL.
    AtCoarseSteps,
    /// At all.
    Always,
}

/// What errors weigh against bytes in mozjpeg's trellis (its lambda_log_scale1, 14.75 by default), and what is added
/// for each unit of ln(step) below 0: docs/model.md, JPEG.
const LAMBDA: (f64, f64) = (14.75, -0.3);

/// The same beside that: with eight times the weight of errors hardly a coefficient is changed.
const LAMBDA_OF_LEAST: f64 = 3.0;

/// ln(step) at which [`Trellis::AtCoarseSteps`] begins, a quality of about 44, and from which on it is the whole.
const COARSE: (f64, f64) = (1.0, 1.75);

impl Trellis {
    /// From 0, no trellis at this step, to 1, all of it.
    pub(super) fn strength(self, ln_step: f64) -> f64 {
        match self {
            Trellis::Never => 0.0,
            Trellis::AtCoarseSteps => ((ln_step - COARSE.0) / (COARSE.1 - COARSE.0)).clamp(0.0, 1.0),
            Trellis::Always => 1.0,
        }
    }

    /// mozjpeg's lambda_log_scale1 at this step. Returns `None` where there is no trellis.
    pub(super) fn lambda(self, ln_step: f64) -> Option<f32> {
        let strength = self.strength(ln_step);
        let lambda = LAMBDA.0 + LAMBDA.1 * ln_step.min(0.0) + LAMBDA_OF_LEAST * (1.0 - strength);
        (strength > 0.0).then_some(lambda as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_coarse_steps_trellis_begins_with_hardly_any_and_becomes_the_whole() {
        let lambda = |ln_step| Trellis::AtCoarseSteps.lambda(ln_step);
        assert_eq!(lambda(COARSE.0), None);
        assert!(lambda(COARSE.0 + 0.01) > Some(LAMBDA.0 as f32 + 2.9));
        assert!(lambda(1.3) > lambda(1.5));
        assert_eq!(lambda(COARSE.1), Trellis::Always.lambda(COARSE.1));
    }
}
