//! Why a job has no answer.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::codec::{DecodeError, EncodeError, Format};
use crate::named::named;
use crate::picture::transform::CropOutside;

/// Why a job has no answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
pub enum JobError {
    /// The input can't be decoded, or it is over a limit.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The picture cannot be written in the format asked for.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// `format=keep` for an input in a format that bytefit only reads.
    #[error("{} is read but not written: name the formats that the answer may have", .0.name())]
    KeepUnwritable(Format),
    /// The crop reaches beyond the picture.
    #[error(transparent)]
    Crop(#[from] CropOutside),
    /// The job would take more memory than there is for all jobs together.
    #[error(
        "to work on a picture of {width}x{height} takes {needed} bytes of memory, more than the {available} that there \
         are: send a smaller one, or ask for less"
    )]
    TooMuchMemory {
        /// Width as stored, in pixels.
        width: u32,
        /// Height as stored, in pixels.
        height: u32,
        /// Bytes that the job takes at its peak, as estimated from the header.
        needed: u64,
        /// Bytes that there are for all jobs.
        available: u64,
    },
    /// Padding the answer would take more memory than there is.
    #[error("{}: {bytes} bytes take more memory than there is, allowed: up to {limit} bytes", .parameter.name())]
    TooMuchPadding {
        /// The parameter that asks for the size.
        parameter: SizeParameter,
        /// The size asked for.
        bytes: u64,
        /// The largest size that there is memory for.
        limit: u64,
    },
    /// No setting reaches the target.
    #[error("{}", miss(*target, smallest, *nearest))]
    TargetUnreachable {
        /// Bytes asked for.
        target: u64,
        /// The smallest answer found. A job with its size as the target succeeds, unless it asks for a score.
        smallest: Smallest,
        /// The size that came nearest. `None` except in mode close.
        nearest: Option<Nearest>,
    },
    /// The smallest answers of a set have more bytes together than its total.
    #[error("no answers fit into a total of {total} bytes: the smallest have {smallest_total} bytes together")]
    TotalUnreachable {
        /// Bytes asked for.
        total: u64,
        /// Bytes of the smallest answers. A set with this total succeeds.
        smallest_total: u64,
    },
    /// The best answer within the target scores less than `min_score`.
    #[error("{} scores {score:.2}, min_score is {min_score}", of_best(*target, *bytes, *ceiling))]
    ScoreUnreachable {
        /// Bytes asked for.
        target: u64,
        /// SSIMULACRA2 asked for.
        min_score: f64,
        /// SSIMULACRA2 of the best answer.
        score: f64,
        /// Its bytes: more than the target where it is the smallest that there is.
        bytes: u64,
        /// The quality that the job allows at most, where it is what keeps the picture from being better.
        ceiling: Option<f64>,
    },
    /// No answer met the target before the deadline.
    #[error("no answer met the target within {} ms", .deadline.as_millis())]
    DeadlineExceeded {
        /// The deadline of the job, or of the set that it belongs to.
        deadline: Duration,
    },
    /// The finished file misses the target: a bug, never the client's fault.
    #[error("the answer has {bytes} bytes, over the target of {target}")]
    OverTarget {
        /// Bytes of the file.
        bytes: u64,
        /// Bytes asked for.
        target: u64,
    },
    /// Nobody waits for the answer any more.
    #[error("cancelled")]
    Cancelled,
}

named! {
    /// The parameter that sets the size to pad to.
    pub enum SizeParameter {
        /// The target, in mode exact.
        Target = "target",
        /// The least size, in mode fit.
        MinBytes = "min_bytes",
    }
}

/// The size that came nearest to a target in mode close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nearest {
    /// Bytes of the file that came nearest.
    pub bytes: u64,
    /// Bytes that the size may be off to either side.
    pub tolerance: u64,
}

fn miss(target: u64, smallest: &Smallest, nearest: Option<Nearest>) -> String {
    match nearest {
        Some(Nearest { bytes, tolerance }) => {
            format!("no setting comes within {tolerance} bytes of {target}: the nearest has {bytes} bytes")
        }
        None => {
            format!(
                "no setting reaches {target} bytes: the smallest is {} bytes{}",
                smallest.bytes,
                hint(target, smallest)
            )
        }
    }
}

/// What would make an answer fit, or what forbids it. Empty where nothing does.
fn hint(target: u64, smallest: &Smallest) -> String {
    let metadata = smallest.metadata_bytes;
    match smallest.held_by {
        _ if metadata > 0 && smallest.bytes.saturating_sub(metadata) <= target => {
            format!(", of which {metadata} bytes are metadata; metadata=strip would save them")
        }
        Some(HeldBy::LeastSide) => ", and min_width or min_height allows no smaller picture".to_owned(),
        Some(HeldBy::NoDownscale) => ", and downscale=never allows no smaller picture".to_owned(),
        None => String::new(),
    }
}

/// What the best picture is the best of.
fn of_best(target: u64, bytes: u64, ceiling: Option<f64>) -> String {
    match ceiling {
        _ if bytes > target => format!("the smallest picture, of {bytes} bytes,"),
        Some(ceiling) => format!("the best picture of quality {ceiling} or less"),
        None => format!("the best picture within {target} bytes"),
    }
}

/// The smallest answer that a failed search found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Smallest {
    /// Bytes of the file, metadata included.
    pub bytes: u64,
    /// Always one that the job allows.
    pub format: Format,
    /// Width in pixels, after any downscale.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// 1 to 100. `None` for a lossless file.
    pub quality: Option<f64>,
    /// The part of `bytes` that is metadata.
    pub metadata_bytes: u64,
    /// What forbids a smaller picture.
    pub held_by: Option<HeldBy>,
}

/// A wish of a job that a smaller picture would not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HeldBy {
    /// `min_width` or `min_height`.
    LeastSide,
    /// `downscale=never`.
    NoDownscale,
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::codec::limits::SizeLimit;
    use crate::codec::{DecodeError, EncodeError, Format};
    use crate::job::{Facts, Formats, Job, Mode, Outcome, Report, Step, StepKind, Timings};
    use crate::picture::transform::{Crop, CropOutside, Flip, Gravity, Length, Resize, ResizeFit, Rotation};

    /// Writes `value` as JSON and reads it back.
    fn check_round_trip<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
        let text = serde_json::to_string(value).unwrap();
        assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value, "{text}");
    }

    fn crop() -> Crop {
        Crop { left: Length::Pixels(7), top: Length::Percent(0.1), width: Length::Pixels(9), height: Length::Pixels(1) }
    }

    #[test]
    fn a_job_comes_back_as_it_went() {
        let resize = Resize { width: Some(640), height: None, fit: ResizeFit::Cover, enlarge: true };
        for job in [
            Job::new(80_000, Formats::Keep),
            Job {
                mode: Mode::Fit { min_bytes: Some(7) },
                min_score: Some(71.3),
                ..Job::new(1, Formats::Among(vec![Format::Avif]))
            },
            Job { mode: Mode::Close { tolerance: 9 }, resize: Some(resize), ..Job::new(u64::MAX, Formats::Keep) },
            Job {
                crop: Some(crop()),
                rotate: Rotation::ThreeQuarters,
                flip: Flip::Vertical,
                gravity: Gravity::Point { x: 0.3, y: 0.7 },
                blur: Some(0.3),
                sharpen: Some(1.0 / 3.0),
                grayscale: true,
                ..Job::new(1, Formats::Keep)
            },
            Job { gravity: Gravity::Smart, ..Job::new(1, Formats::Keep) },
        ] {
            check_round_trip(&job);
        }
    }

    #[test]
    fn an_error_comes_back_as_it_went() {
        let smallest = Smallest {
            bytes: 10,
            format: Format::Webp,
            width: 3,
            height: 2,
            quality: Some(1.5),
            metadata_bytes: 0,
            held_by: Some(HeldBy::LeastSide),
        };
        let limit = SizeLimit::Pixels(100);
        for error in [
            JobError::Decode(DecodeError::Unsupported { found: Some("HEIC".into()) }),
            JobError::Decode(DecodeError::TooManyPixels { width: 9, height: 8, limit }),
            JobError::Encode(EncodeError::Failed { format: Format::Png, reason: "a bug".to_owned() }),
            JobError::TargetUnreachable { target: 1, smallest, nearest: Some(Nearest { bytes: 2, tolerance: 1 }) },
            JobError::TotalUnreachable { total: 1, smallest_total: 2 },
            JobError::DeadlineExceeded { deadline: std::time::Duration::from_millis(1500) },
            JobError::Crop(CropOutside { crop: crop(), width: 3, height: 2 }),
        ] {
            check_round_trip(&error);
        }
    }

    #[test]
    fn a_refusal_names_what_would_help_or_what_forbids_it() {
        let hinted = |metadata_bytes, held_by| {
            let (format, quality) = (Format::Webp, Some(1.0));
            hint(80, &Smallest { bytes: 100, format, width: 99, height: 99, quality, metadata_bytes, held_by })
        };
        assert!(hinted(20, Some(HeldBy::NoDownscale)).contains("metadata=strip would save them"));
        assert!(hinted(19, Some(HeldBy::NoDownscale)).ends_with("downscale=never allows no smaller picture"));
        assert!(hinted(0, Some(HeldBy::LeastSide)).contains("min_width or min_height"));
        assert_eq!(hinted(19, None), "");
    }

    #[test]
    fn a_report_comes_back_as_it_went() {
        check_round_trip(&report());
    }

    #[test]
    fn a_report_has_the_names_of_those_that_batches_recorded() {
        let names = serde_json::to_value(report()).unwrap();
        let recorded =
            ["input", "output", "target", "outcome", "padded", "quality", "score", "encodes", "trace", "timings"];
        assert!(recorded.iter().all(|name| names.get(name).is_some()), "{names}");
    }

    fn report() -> Report {
        let facts = Facts { bytes: 9, format: Format::Tiff, width: 3, height: 2 };
        let step =
            Step { format: Format::Avif, width: 3, height: 2, quality: Some(70.25), bytes: 8, kind: StepKind::Probe };
        Report {
            input: facts,
            output: facts,
            target: 10,
            outcome: Outcome::Downscaled,
            cut_short: true,
            damaged: false,
            padded: false,
            quality: None,
            score: Some(71.3),
            encodes: 2,
            encodes_by_format: vec![(Format::Avif, 2)],
            steps: vec![step, Step { quality: None, kind: StepKind::Lossless, ..step }],
            timings: Timings { decode: Duration::from_micros(1500), ..Timings::default() },
        }
    }
}
