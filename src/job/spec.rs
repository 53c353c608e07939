//! A job: what the answer must be like.

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use crate::codec::Effort;
use crate::codec::density::Density;
use crate::codec::{Format, MetadataPolicy};
use crate::named::named;
use crate::picture::transform::{Crop, Flip, Gravity, Resize, Rotation, Transforms, grey_of};
use crate::stop::{Stop, StopReason};

use super::{Facts, JobError};

/// Everything that decides an answer besides the input's bytes. Whoever builds one checks its values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The byte target, at least 1.
    pub target: u64,
    /// Whether the target is a limit, an exact size or a size to come near to. By default a limit.
    pub mode: Mode,
    /// The formats to choose from.
    pub formats: Formats,
    /// The quality ceiling, 1 to 100: no bytes are spent on more quality.
    pub quality: f64,
    /// The part to cut out of the upright picture, before anything else. `None`, the default, keeps the whole.
    pub crop: Option<Crop>,
    /// The turn after the crop.
    pub rotate: Rotation,
    /// The mirroring after the turn.
    pub flip: Flip,
    /// The size to resize to before the search; `None`, the default, keeps the input's.
    pub resize: Option<Resize>,
    /// What a resize keeps when it crops, and where it lays the picture when it pads. By default the centre.
    pub gravity: Gravity,
    /// The sigma of a Gaussian blur after the resize, 0.3 to 100 pixels.
    pub blur: Option<f64>,
    /// The sigma of the mask that sharpens after the blur, up to 10 pixels.
    pub sharpen: Option<f64>,
    /// Whether the colour is taken out, last of all.
    pub grayscale: bool,
    /// Whether the picture may be made smaller when the target is too low for a decent quality.
    pub downscale: bool,
    /// Pixels of width that the picture is not made smaller than to meet the target. One that is narrower stays as it
    /// is.
    pub min_width: Option<u32>,
    /// The same for the height.
    pub min_height: Option<u32>,
    /// SSIMULACRA2 that the answer must reach, 0 to 100.
    pub min_score: Option<f64>,
    /// CPU time to spend on a better answer.
    pub effort: Effort,
    /// Whether a JPEG may be progressive. Printers and some portals read baseline files only.
    pub progressive: bool,
    /// Which metadata the answer has. It counts in the target.
    pub metadata: MetadataPolicy,
    /// Pixels per inch that the answer says it is printed with, whatever its metadata says: at least 1. `None`, the
    /// default, leaves it to the metadata.
    pub dpi: Option<u16>,
    /// The colour behind transparent pixels when the format has no alpha channel, and around a picture that is padded:
    /// red, green, blue.
    pub background: [u8; 3],
    /// What to answer when nothing meets the target.
    pub on_miss: OnMiss,
    /// Time for the whole job: from the last byte of the request, or where no client waits for it and in a set from the
    /// moment that its work begins.
    pub deadline: Duration,
}

/// How the size of the answer relates to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// At most the target.
    Fit {
        /// A smaller answer is padded to this many bytes, at most the target. `None` pads nothing.
        min_bytes: Option<u64>,
    },
    /// Exactly the target, by legal padding.
    Exact,
    /// The nearest size, over the target or under it.
    Close {
        /// Bytes that the size may be off to either side.
        tolerance: u64,
    },
}

impl Mode {
    /// Whether an answer of `bytes` is what was asked for.
    pub fn is_met(self, target: u64, bytes: u64) -> bool {
        match self {
            Mode::Fit { .. } => bytes <= target,
            Mode::Exact => bytes == target,
            Mode::Close { tolerance } => bytes.abs_diff(target) <= tolerance,
        }
    }

    /// Whether an answer of `bytes` is what was asked for, or padding makes it so.
    pub fn can_be_met(self, target: u64, bytes: u64) -> bool {
        match self {
            Mode::Exact => bytes <= target,
            Mode::Fit { .. } | Mode::Close { .. } => self.is_met(target, bytes),
        }
    }

    /// The size that a file of `bytes` is padded to.
    pub fn padded_size(self, target: u64, bytes: u64) -> u64 {
        match self {
            Mode::Fit { min_bytes } => min_bytes.unwrap_or(0).max(bytes),
            Mode::Exact => target.max(bytes),
            Mode::Close { .. } => bytes,
        }
    }
}

/// The formats that the answer may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Formats {
    /// The input's own.
    Keep,
    /// The best-looking of these: at least one, each an output format.
    Among(Vec<Format>),
}

named! {
    /// What happens when the target cannot be met.
    #[derive(Default)]
    pub enum OnMiss {
        /// The job fails with [`JobError::TargetUnreachable`].
        #[default]
        Error = "error",
        /// The smallest answer found, marked as missed. One that scores less than `min_score` is
        /// [`JobError::ScoreUnreachable`] all the same.
        Smallest = "smallest",
    }
}

/// The default quality ceiling.
pub const DEFAULT_QUALITY: f64 = 95.0;

/// The default time for a whole job.
pub(super) const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

impl Job {
    /// Fits a picture into `target` bytes in one of `formats`; everything else has its default.
    pub fn new(target: u64, formats: Formats) -> Job {
        Job {
            target,
            mode: Mode::Fit { min_bytes: None },
            formats,
            quality: DEFAULT_QUALITY,
            crop: None,
            rotate: Rotation::default(),
            flip: Flip::default(),
            resize: None,
            gravity: Gravity::default(),
            blur: None,
            sharpen: None,
            grayscale: false,
            downscale: true,
            min_width: None,
            min_height: None,
            min_score: None,
            effort: Effort::default(),
            progressive: true,
            metadata: MetadataPolicy::default(),
            dpi: None,
            background: [255; 3],
            on_miss: OnMiss::default(),
            deadline: DEFAULT_DEADLINE,
        }
    }

    /// Asks `stop` while there is no answer yet.
    ///
    /// # Errors
    /// [`JobError::Cancelled`] or [`JobError::DeadlineExceeded`] when there is a reason to stop.
    pub fn check(&self, stop: &Stop) -> Result<(), JobError> {
        match stop.reason() {
            None => Ok(()),
            Some(StopReason::Cancelled) => Err(JobError::Cancelled),
            Some(StopReason::Deadline) => Err(JobError::DeadlineExceeded { deadline: self.deadline }),
        }
    }

    /// Whether an answer in one of the `allowed` formats is looked for within the bytes of `input` first: in mode fit
    /// where it may have the input's format, unless the picture is enlarged.
    pub fn stays_within_input(&self, input: &Facts, allowed: &[Format]) -> bool {
        let is_enlarged = self.transforms().enlarges(input.width, input.height);
        matches!(self.mode, Mode::Fit { .. }) && allowed.contains(&input.format) && !is_enlarged
    }

    /// What is done to the picture before the search.
    pub fn transforms(&self) -> Transforms {
        Transforms {
            crop: self.crop,
            rotate: self.rotate,
            flip: self.flip,
            resize: self.resize,
            gravity: self.gravity,
            background: self.background,
            blur: self.blur,
            sharpen: self.sharpen,
            grayscale: self.grayscale,
        }
    }

    /// The density that the answer gets, whatever its metadata says.
    pub(super) fn density(&self) -> Option<Density> {
        self.dpi.map(Density::of_dpi)
    }

    /// The colour behind transparent pixels of the transformed picture: grey when its colour is taken out.
    pub(super) fn transformed_background(&self) -> [u8; 3] {
        if self.grayscale { [grey_of(self.background); 3] } else { self.background }
    }
}
