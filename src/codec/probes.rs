//! The probes of a picture: a trial and the search after it begin at about the same step.

use std::cell::RefCell;

use super::EncodeError;

/// ln(step) between two probes within which the second is not made: a percent of the bytes, which is a probe's own
/// error.
const NEAR: f64 = 0.012;

/// The probes of a picture that were made so far.
#[derive(Default)]
pub(super) struct Probes {
    /// ln(step), and ln of the bytes over those that are predicted there.
    made: RefCell<Vec<(f64, f64)>>,
}

impl Probes {
    /// ln(bytes) at `ln_step`, where `predicted` is expected: from an earlier probe beside it, or by `probe`.
    ///
    /// # Errors
    /// Those of `probe`.
    pub(super) fn at(
        &self,
        ln_step: f64,
        predicted: f64,
        probe: impl FnOnce() -> Result<Option<f64>, EncodeError>,
    ) -> Result<Option<f64>, EncodeError> {
        let known = self.made.borrow().iter().find(|(known, _)| (known - ln_step).abs() < NEAR).copied();
        if let Some((_, ln_error)) = known {
            return Ok(Some(predicted + ln_error));
        }
        let probed = probe()?;
        self.made.borrow_mut().extend(probed.map(|ln_bytes| (ln_step, ln_bytes - predicted)));
        Ok(probed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_made_once_at_about_the_same_step() {
        let probes = Probes::default();
        assert_eq!(probes.at(1.0, 9.0, || Ok(Some(9.5))).unwrap(), Some(9.5));
        assert_eq!(probes.at(1.01, 8.0, || panic!("probed again")).unwrap(), Some(8.5));
        assert_eq!(probes.at(1.1, 8.0, || Ok(Some(7.0))).unwrap(), Some(7.0));
        assert_eq!(probes.at(2.0, 8.0, || Ok(None)).unwrap(), None);
    }
}
