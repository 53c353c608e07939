//! The answer to a job, and the facts about it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::codec::Format;
use crate::named::named;

/// The result of a job: the file, and how it was made.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The file.
    pub bytes: Vec<u8>,
    /// What the file is like, and what the search did.
    pub report: Report,
}

/// How an answer was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The file as given.
    pub input: Facts,
    /// The file of the answer.
    pub output: Facts,
    /// Bytes asked for.
    pub target: u64,
    /// The way to this answer, or that it misses the target.
    pub outcome: Outcome,
    /// Whether more time might have led to a better answer: the deadline ended the search early, chose a format, or
    /// kept one from being tried.
    pub cut_short: bool,
    /// Whether the input ends before its end, and what is there of it is shown.
    pub damaged: bool,
    /// Whether bytes without picture content were added to reach a size.
    pub padded: bool,
    /// The quality of the encode, 1 to 100. `None` for lossless answers and passthrough.
    pub quality: Option<f64>,
    /// SSIMULACRA2 against the upright, resized original, when it was measured.
    pub score: Option<f64>,
    /// Full encodes: the steps except for probes.
    pub encodes: u32,
    /// Full encodes in each format.
    pub encodes_by_format: Vec<(Format, u32)>,
    /// Every encode and probe of the search, in order.
    // Its name in batches that were recorded.
    #[serde(rename = "trace")]
    pub steps: Vec<Step>,
    /// Where the time went.
    pub timings: Timings,
}

/// Size and kind of a file; width and height are those of the upright picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Size of the file, metadata included.
    pub bytes: u64,
    /// The format of the bytes, whatever the file is called.
    pub format: Format,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

named! {
    /// How the answer was made.
    pub enum Outcome {
        /// The input itself, its pixels unchanged.
        Passthrough = "passthrough",
        /// A lossless encode.
        Lossless = "lossless",
        /// A lossy encode at the requested size.
        Quality = "quality",
        /// A lossy encode of the picture made smaller than requested.
        Downscaled = "downscaled",
        /// Over the target: the smallest answer found.
        Missed = "missed",
        /// The best answer found before the deadline.
        Deadline = "deadline",
    }
}

/// One encode of the search.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The format that was tried.
    pub format: Format,
    /// Width of the encoded picture in pixels, which a downscale makes smaller.
    pub width: u32,
    /// Height of the encoded picture in pixels.
    pub height: u32,
    /// Quality of the encode. `None` for a lossless one.
    pub quality: Option<f64>,
    /// Size of the file, or of a probe the size that it predicts.
    pub bytes: u64,
    /// Whether this is a file or a prediction.
    pub kind: StepKind,
}

named! {
    /// The kind of a step.
    pub enum StepKind {
        /// A cheaper encode; its size is a prediction.
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
    /// From the bytes to pixels in sRGB.
    pub decode: Duration,
    /// Turning upright and resizing.
    pub transform: Duration,
    /// Every encode and score, with the resizes of a downscale.
    pub search: Duration,
}
