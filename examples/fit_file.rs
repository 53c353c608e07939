//! The library in ten lines: fits a picture into 80,000 bytes of WebP.
//!
//! ```text
//! cargo run --release --example fit_file -- photo.jpg photo.webp
//! ```

use std::error::Error;
use std::time::Instant;

use bytefit::codec::{Format, Limits};
use bytefit::job::{self, Formats, Job, Stop};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(input), Some(output)) = (arguments.next(), arguments.next()) else {
        return Err("usage: fit_file INPUT OUTPUT".into());
    };
    let job = Job::new(80_000, Formats::Among(vec![Format::Webp]));
    let stop = Stop::at(Instant::now() + job.deadline);
    let answer = job::run(&job, &std::fs::read(input)?, &Limits::default(), &stop)?;
    std::fs::write(output, &answer.bytes)?;
    println!("{} bytes, quality {:?}", answer.bytes.len(), answer.report.quality);
    Ok(())
}
