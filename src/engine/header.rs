//! The header of an input, read once for all jobs on it.

use std::cell::OnceCell;

use crate::codec::{self, DecodeError, Limits, Probe};

/// An input whose header is read when it is first asked for.
pub struct Header<'a> {
    /// The file.
    pub input: &'a [u8],
    limits: &'a Limits,
    probe: OnceCell<Result<Probe, DecodeError>>,
}

impl<'a> Header<'a> {
    /// The header of `input`, which is held to `limits`.
    pub fn new(input: &'a [u8], limits: &'a Limits) -> Header<'a> {
        Header { input, limits, probe: OnceCell::new() }
    }

    /// What the header says.
    ///
    /// # Errors
    /// Every variant of [`DecodeError`].
    pub fn probe(&self) -> Result<&Probe, DecodeError> {
        self.probe.get_or_init(|| codec::probe(self.input, self.limits)).as_ref().map_err(Clone::clone)
    }

    /// Limits on the input.
    pub fn limits(&self) -> &Limits {
        self.limits
    }
}
