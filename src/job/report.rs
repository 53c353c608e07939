//! What came of a job, as facts. Must not know who reads them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::codec::Format;
use crate::named::named;

/// The result of a job: the file and how it came to be.
#[derive(Clone, Debug)]
pub struct Answer {
    pub bytes: Vec<u8>,
    pub report: Report,
}

/// Facts about a job that was answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub input: Facts,
    pub output: Facts,
    pub target: u64,
    pub outcome: Outcome,
    /// Whether the deadline ended the search early, or chose a format or kept one from being tried: with more time the
    /// answer might be another.
    pub cut_short: bool,
    /// Whether bytes without picture content were added to reach a size.
    pub padded: bool,
    /// The quality of the encode, 1 to 100; none for lossless answers and passthrough.
    pub quality: Option<f64>,
    /// SSIMULACRA2 against the upright, resized original, when it was measured.
    pub score: Option<f64>,
    /// Full encodes done: the steps that are no probes.
    pub encodes: u32,
    /// Full encodes done in each format.
    pub encodes_by_format: Vec<(Format, u32)>,
    /// Every encode of the search, in order.
    pub trace: Vec<Step>,
    pub timings: Timings,
}

/// Size and kind of a file; width and height are those of the upright picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    pub bytes: u64,
    pub format: Format,
    pub width: u32,
    pub height: u32,
}

named! {
    /// How the answer came about.
    pub enum Outcome {
        /// The input itself, pixel for pixel.
        Passthrough = "passthrough",
        /// A lossless encode.
        Lossless = "lossless",
        /// A lossy encode at the asked size.
        Quality = "quality",
        /// A lossy encode, the picture made smaller than asked.
        Downscaled = "downscaled",
        /// Over the target: the smallest answer found.
        Missed = "missed",
        /// The best that was found when the deadline came.
        Deadline = "deadline",
    }
}

/// One encode of the search.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub format: Format,
    pub width: u32,
    pub height: u32,
    /// Quality asked for; none for a lossless encode.
    pub quality: Option<f64>,
    pub bytes: u64,
    pub kind: StepKind,
}

named! {
    /// What a step was for.
    pub enum StepKind {
        /// A cheaper encode, and the size that it predicts.
        Probe = "probe",
        /// A full encode.
        Encode = "encode",
        /// A lossless encode.
        Lossless = "lossless",
    }
}

/// Wall time of each stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    pub decode: Duration,
    pub transform: Duration,
    pub search: Duration,
}
