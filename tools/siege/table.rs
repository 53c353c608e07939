//! The table of results, one row for each promise, and the scale of the siege.

use std::fmt;
use std::time::Duration;

/// A fault, what is promised under it, what was measured, and whether the promise held.
pub(crate) struct Row {
    fault: &'static str,
    promise: &'static str,
    measured: String,
    pub held: bool,
}

impl Row {
    pub(crate) fn new(fault: &'static str, promise: &'static str, measured: String, held: bool) -> Row {
        Row { fault, promise, measured, held }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { fault, promise, measured, held } = self;
        write!(f, "| {fault} | {promise} | {measured} | {} |", if *held { "held" } else { "BROKEN" })
    }
}

/// The full siege, or a tenth of it.
#[derive(Clone, Copy)]
pub(crate) struct Scale {
    pub quick: bool,
}

impl Scale {
    /// `full`, or a tenth.
    pub(crate) fn count(self, full: usize) -> usize {
        if self.quick { full.div_ceil(10) } else { full }
    }

    /// `full` seconds, or a tenth.
    pub(crate) fn seconds(self, full: u64) -> Duration {
        if self.quick { Duration::from_millis(full * 100) } else { Duration::from_secs(full) }
    }
}
