//! Jobs from bytes to answer, on drawn pictures: what is promised of every answer.

mod decoders;
mod density;
mod few_colours;
mod hostile;
mod jpeg_xl;
mod lossless;
mod parameters;
mod refusals;
mod scales;
mod size;
mod smooth;
mod source;
mod total;
mod transforms;

use std::time::{Duration, Instant};

use bytefit::codec::{self, Format, Limits};
use bytefit::job::{self, Answer, Formats, Job, JobError, Stop};
use bytefit::picture::Picture;

/// A job for one format, with the defaults of the API, and a deadline for a busy machine.
fn job(format: Format, target: u64) -> Job {
    Job { deadline: Duration::from_secs(120), ..Job::new(target, Formats::Among(vec![format])) }
}

fn run(job: &Job, input: &[u8]) -> Result<Answer, JobError> {
    job::run(job, input, &Limits::default(), &Stop::at(Instant::now() + job.deadline))
}

fn decode(file: &[u8]) -> Picture {
    codec::decode(file, &Limits::default()).unwrap().picture
}
