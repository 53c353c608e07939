//! One job, from the bytes of a file to its answer: probe, decode, transform, fit, pad.

mod calibration;
mod candidate;
mod checks;
mod clock;
mod context;
mod downscale;
mod error;
mod finish;
mod fit;
pub mod format_rank;
mod formats;
mod lossless;
mod lossy;
mod memory;
mod passthrough;
mod prepared;
mod report;
pub mod scale_gain;
mod scoring;
mod source;
mod spec;
mod trace;
mod views;

pub use calibration::expectations;
pub use error::{JobError, Nearest, SizeParameter, Smallest};
pub use memory::{memory_needed, padded_size};
pub use report::{Answer, Facts, Outcome, Report, Step, StepKind, Timings};
pub use source::{Source, run};
pub use spec::{DEFAULT_QUALITY, Effort, Formats, Job, Mode, OnMiss};

pub use crate::stop::{Stop, StopReason};
