//! The core from bytes to answer, on drawn pictures: what the contract promises of every answer.

mod decoders;
mod hostile;
mod landing;
mod lossless;
mod meaning;
mod refusing;

use std::time::{Duration, Instant};

use bytefit::codec::{self, Format, Limits};
use bytefit::job::{self, Answer, Formats, Job, JobError, Stop};
use bytefit::picture::Picture;

/// A job with every default of the contract, for one format, and time enough for a busy machine.
pub fn job(format: Format, target: u64) -> Job {
    Job { deadline: Duration::from_secs(120), ..Job::new(target, Formats::Among(vec![format])) }
}

pub fn run(job: &Job, input: &[u8]) -> Result<Answer, JobError> {
    job::run(job, input, &Limits::default(), &Stop::at(Instant::now() + job.deadline))
}

pub fn decode(file: &[u8]) -> Picture {
    codec::decode(file, &Limits::default()).unwrap().picture
}
