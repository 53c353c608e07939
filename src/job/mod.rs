//! One job, from the bytes of a file to its answer: probe, decode, transform, fit, pad.
//!
//! Each module imports only modules further down (`tests/architecture.rs` holds that order):
//!
//! ```text
//! total              several answers within one total
//! source             open an input, fit it
//! fit                the best answer              finish  pad, check, report
//! formats            the choice of format         calibration
//! ranking            which formats look best
//! smooth             gradients, made smaller
//! lossy              one format                 few_colours
//! downscale          made smaller                 memory
//! scale_trials       the scale that looks best in trials
//! scale_choice       the scale that is expected to look best
//! trial              a sample, coded and scored
//! at_size            one format at one size
//! search_adapter     one encoder                  lossless
//! context            what a search shares         passthrough  transcoded
//! clock  views  search_log  scoring  checks  share
//! size_curve
//! spec  candidate
//! error  report  prepared  scale_gain  format_rank
//! ```

mod at_size;
mod calibration;
mod candidate;
mod checks;
mod clock;
mod context;
mod downscale;
mod error;
mod few_colours;
mod finish;
mod fit;
pub mod format_rank;
mod formats;
mod lossless;
mod lossy;
mod memory;
mod passthrough;
mod prepared;
mod ranking;
mod report;
mod scale_choice;
pub mod scale_gain;
mod scale_trials;
mod scoring;
mod search_adapter;
mod search_log;
mod share;
mod size_curve;
mod smooth;
mod source;
mod spec;
mod total;
mod transcoded;
mod trial;
mod views;

pub use calibration::expectations;
pub use error::{HeldBy, JobError, Nearest, SizeParameter, Smallest};
pub use memory::{memory_needed, padded_size};
pub use report::{Answer, Facts, Outcome, Report, Step, StepKind, Timings};
pub use share::{Share, Shares};
pub use size_curve::SizeCurve;
pub use source::{Source, run, run_share, size_curve};
pub use spec::{DEFAULT_QUALITY, Effort, Formats, Job, Mode, OnMiss};
pub use total::SharedTotal;

pub use crate::stop::{Stop, StopReason};
