//! What every lossy encoder is to the search: a picture prepared once, encoded at any quantiser step.

use std::ops::RangeInclusive;

use super::EncodeError;
use crate::named::named;
use crate::picture::Picture;

named! {
    /// CPU spent.
    #[derive(Default, PartialOrd, Ord)]
    pub enum Effort {
        /// Cheap encoder settings, one encode and one correction.
        Fast = "fast",
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

/// A picture that a lossy encoder holds ready.
pub trait Encoder {
    /// ln of the finest and of the coarsest quantiser step.
    fn ln_step_range(&self) -> RangeInclusive<f64>;

    /// ln of the step that the encoder really takes when it is asked for `ln_step`.
    fn snap(&self, ln_step: f64) -> f64;

    /// ln(bytes) that the file at this step is expected to take, by counting; never rises with `ln_step`.
    fn predict(&self, ln_step: f64) -> f64;

    /// A better estimate by a cheaper encode; none where there is no such thing.
    ///
    /// # Errors
    /// [`EncodeError::Failed`].
    fn probe(&self, _ln_step: f64) -> Result<Option<f64>, EncodeError> {
        Ok(None)
    }

    /// The file at this step.
    ///
    /// # Errors
    /// [`EncodeError::Failed`].
    fn encode(&self, ln_step: f64) -> Result<Vec<u8>, EncodeError>;
}
