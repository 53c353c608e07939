//! The core from bytes to answer, on drawn pictures: what the contract promises of every answer.

mod drawn;
mod landing;
mod meaning;
mod refusing;

use std::time::{Duration, Instant};

use bytefit::codec::{self, Format, Limits, MetadataPolicy};
use bytefit::job::{self, Answer, Effort, Formats, Job, JobError, Mode, OnMiss, Stop};
use bytefit::picture::Picture;

/// A job with every default of the contract, for one format.
pub fn job(format: Format, target: u64) -> Job {
    Job {
        target,
        mode: Mode::Fit { min_bytes: None },
        formats: Formats::Among(vec![format]),
        quality: job::DEFAULT_QUALITY,
        resize: None,
        downscale: true,
        min_score: None,
        effort: Effort::Balanced,
        metadata: MetadataPolicy::Strip,
        background: [255; 3],
        on_miss: OnMiss::Error,
        deadline: Duration::from_secs(120),
    }
}

pub fn run(job: &Job, input: &[u8]) -> Result<Answer, JobError> {
    job::run(job, input, &Limits::default(), &Stop::at(Instant::now() + job.deadline))
}

pub fn decode(file: &[u8]) -> Picture {
    codec::decode(file, &Limits::default()).unwrap().picture
}
