//! What the model expects before anything is encoded, for the programs that fit its coefficients.

use std::time::Instant;

use crate::codec::{Format, Metadata};
use crate::picture::Picture;
use crate::stop::Stop;

use super::context::SearchContext;
use super::format_rank::Expectation;
use super::scale_choice::GainUse;
use super::views::Views;
use super::{Job, JobError, lossy};

/// What the model expects of each of `formats` for `job`. `picture` has no alpha channel.
///
/// # Errors
/// [`JobError::Encode`].
pub fn expectations(job: &Job, picture: &Picture, formats: &[Format]) -> Result<Vec<Expectation>, JobError> {
    let metadata = Metadata::default();
    let stop = Stop::at(Instant::now() + job.deadline);
    let mut context = SearchContext::new(job, Views::of_opaque(picture), Format::Bmp, &metadata, &stop);
    formats.iter().map(|format| lossy::expectation(&mut context, *format, job.target, GainUse::Rank)).collect()
}
