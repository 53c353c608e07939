//! Several answers from one source that have a total together.

use super::{Answer, Job, JobError, Shares, SizeCurve, Source, Stop};

/// A total while jobs on one source are answered within it, all with the same quality.
pub struct SharedTotal {
    shares: Shares,
    /// Why a job has no share.
    refused: Vec<Option<JobError>>,
    /// Whether an answer so far would be another if there were more time: all others follow from its size.
    is_cut_short: bool,
}

impl SharedTotal {
    /// Plans the shares of `jobs` in `total`, by predictions unless the total is very low. A job that can't be done has
    /// no share; [`SharedTotal::fit`] says why.
    ///
    /// # Errors
    /// [`JobError::TotalUnreachable`]; [`JobError::Cancelled`] and [`JobError::DeadlineExceeded`].
    pub fn plan(source: &mut Source<'_>, jobs: &[&Job], total: u64, stop: &Stop) -> Result<SharedTotal, JobError> {
        let mut curves: Vec<Result<SizeCurve, JobError>> = Vec::new();
        for job in jobs {
            job.check(stop)?;
            curves.push(source.size_curve(job, stop));
        }
        let shares = Shares::new(total, curves.iter().map(|curve| curve.as_ref().ok().copied()));
        let refused = curves.into_iter().map(Result::err).collect();
        let mut plan = SharedTotal { shares, refused, is_cut_short: false };
        if plan.shares.is_tight() {
            plan.keep_the_smallest(source, jobs, total, stop)?;
        }
        Ok(plan)
    }

    /// Keeps as many bytes for each job as its smallest answer has.
    fn keep_the_smallest(
        &mut self,
        source: &mut Source<'_>,
        jobs: &[&Job],
        total: u64,
        stop: &Stop,
    ) -> Result<(), JobError> {
        let mut smallest_total = 0_u64;
        for index in self.shares.waiting() {
            match smallest_bytes(source, jobs[index], stop) {
                Ok(bytes) => {
                    smallest_total = smallest_total.saturating_add(bytes);
                    self.shares.reserve(index, bytes);
                }
                Err(error) if is_for_lack_of_time(&error) => return Err(error),
                Err(error) => {
                    self.shares.drop_plan(index);
                    self.refused[index] = Some(error);
                }
            }
        }
        if smallest_total > total { Err(JobError::TotalUnreachable { total, smallest_total }) } else { Ok(()) }
    }

    /// Answers `job`, the one at `index`, within its share. Jobs come once each, in any order; what one leaves over
    /// goes to those that have not begun.
    ///
    /// # Errors
    /// Every variant of [`JobError`].
    ///
    /// # Cancel
    /// As [`Source::fit`].
    pub fn fit(&mut self, index: usize, source: &mut Source<'_>, job: &Job, stop: &Stop) -> Result<Answer, JobError> {
        if let Some(error) = &self.refused[index] {
            return Err(error.clone());
        }
        // Stays so if the codec panics.
        let was_cut_short = std::mem::replace(&mut self.is_cut_short, true);
        let fitted = self.fit_into_share(index, source, job, stop);
        self.is_cut_short = was_cut_short
            || match &fitted {
                Ok(answer) => answer.report.cut_short,
                Err(error) => is_for_lack_of_time(error),
            };
        let mut answer = fitted?;
        answer.report.cut_short = self.is_cut_short;
        Ok(answer)
    }

    fn fit_into_share(
        &mut self,
        index: usize,
        source: &mut Source<'_>,
        job: &Job,
        stop: &Stop,
    ) -> Result<Answer, JobError> {
        let mut share = self.shares.take(index);
        let mut fitted = source.fit_share(job, share, stop);
        if let Err(error) = &fitted
            && self.shares.stretch(&mut share, error, job.target)
        {
            fitted = source.fit_share(job, share, stop);
        }
        let used = fitted.as_ref().map_or(0, |answer| answer.report.output.bytes);
        self.shares.give_back(share, used);
        fitted
    }
}

/// Bytes of the smallest answer to `job`.
fn smallest_bytes(source: &mut Source<'_>, job: &Job, stop: &Stop) -> Result<u64, JobError> {
    match source.fit_next(&Job { target: 1, ..job.clone() }, stop) {
        Ok(answer) => Ok(answer.report.output.bytes),
        Err(JobError::TargetUnreachable { smallest, .. }) => Ok(smallest.bytes),
        Err(error) => Err(error),
    }
}

/// Whether there might be an answer with more time.
fn is_for_lack_of_time(error: &JobError) -> bool {
    matches!(error, JobError::DeadlineExceeded { .. } | JobError::Cancelled)
}
