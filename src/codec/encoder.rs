//! A lossy encoder as the search uses it: it prepares a picture once and encodes it at any quantiser step.

use std::ops::RangeInclusive;

use super::EncodeError;
use crate::named::named;

named! {
    /// CPU spent.
    #[derive(Default, PartialOrd, Ord)]
    pub enum Effort {
        /// Cheap encoder settings, one encode and one correction.
        Fast = "fast",
        /// Encodes until the size is right, in the format that is predicted to look best.
        #[default]
        Balanced = "balanced",
        /// Slower encoder settings, every allowed format scored.
        Best = "best",
    }
}

impl Effort {
    /// The value for this effort, of those for fast, balanced and best.
    pub(crate) fn pick<T>(self, [fast, balanced, best]: [T; 3]) -> T {
        match self {
            Effort::Fast => fast,
            Effort::Balanced => balanced,
            Effort::Best => best,
        }
    }
}

/// A lossy encoder that holds a prepared picture.
pub trait Encoder {
    /// ln of the finest and of the coarsest quantiser step.
    fn ln_step_range(&self) -> RangeInclusive<f64>;

    /// ln of the step that the encoder uses when it is asked for `ln_step`.
    fn snap(&self, ln_step: f64) -> f64;

    /// Whether a search begins with the finest step, because no prediction says as much.
    fn begins_at_finest(&self) -> bool {
        false
    }

    /// The predicted ln(bytes) of the file at this step, without an encode. Never rises with `ln_step`.
    fn predict(&self, ln_step: f64) -> f64;

    /// A better prediction of ln(bytes) from a cheaper encode. Returns `None` when the encoder has no cheaper one.
    ///
    /// # Errors
    /// [`EncodeError::Failed`].
    fn probe(&self, _ln_step: f64) -> Result<Option<f64>, EncodeError> {
        Ok(None)
    }

    /// Overrides the largest error of a probe, in ln(bytes), with which it still counts beside an encode; `None` keeps
    /// it.
    fn max_probe_error(&self) -> Option<f64> {
        None
    }

    /// Writes files from now on that are decoded in one pass from the top, where the format also has others.
    fn use_one_pass(&mut self) {}

    /// The file at this step.
    ///
    /// # Errors
    /// [`EncodeError::Failed`].
    fn encode(&self, ln_step: f64) -> Result<Vec<u8>, EncodeError>;
}
