//! What the parts of a search share.

use crate::codec::{Format, Metadata, container};
use crate::stop::Stop;

use super::clock::Clock;
use super::scale_gain::LEAST_SIDE;
use super::scoring::Scoring;
use super::search_log::SearchLog;
use super::views::Views;
use super::{HeldBy, Job, JobError, Mode, Nearest, Smallest};

/// What answers with the same total keep to.
#[derive(Clone, Copy, Debug)]
pub(super) struct CommonLook {
    /// The quality that a picture has at most which is not made smaller.
    pub quality: f64,
    /// The bytes that a picture has at most which is made smaller.
    pub smaller_bytes: u64,
}

/// The search for the answer to one job.
pub(super) struct SearchContext<'a> {
    pub job: &'a Job,
    /// The quality that a lossy file has at most.
    pub ceiling: f64,
    /// What all answers with the same total keep to.
    pub common: Option<CommonLook>,
    /// The format of the input.
    pub input: Format,
    pub views: Views<'a>,
    pub clock: Clock<'a>,
    pub scoring: Scoring<'a>,
    pub log: SearchLog,
    /// Whether the picture may be made smaller than requested.
    pub may_shrink: bool,
    /// The metadata that goes into every file.
    metadata: &'a Metadata,
}

impl<'a> SearchContext<'a> {
    /// The start of a search for `job`, given an input of the format `input`.
    pub(super) fn new(
        job: &'a Job,
        views: Views<'a>,
        input: Format,
        metadata: &'a Metadata,
        stop: &'a Stop,
    ) -> SearchContext<'a> {
        SearchContext {
            job,
            ceiling: job.quality,
            common: None,
            input,
            clock: Clock::new(job, stop),
            scoring: Scoring::new(views.requested, job.transformed_background()),
            views,
            log: SearchLog::default(),
            may_shrink: job.downscale,
            metadata,
        }
    }

    /// Sets the ceiling for a search that begins at this scale; 0 is full size.
    pub(super) fn begin_at_scale(&mut self, index: usize) {
        let common = self.common.filter(|_| index == 0);
        self.ceiling = common.map_or(self.job.quality, |common| common.quality.min(self.job.quality));
    }

    /// The most bytes of a file at this scale, which may have `cap` at full size.
    pub(super) fn cap_at_scale(&self, index: usize, cap: u64) -> u64 {
        if index > 0 { self.planned_cap(cap) } else { cap }
    }

    /// The bytes that are planned for a file of at most `cap`: some of those are room for a prediction that is off.
    pub(super) fn planned_cap(&self, cap: u64) -> u64 {
        self.common.map_or(cap, |common| common.smaller_bytes.min(cap))
    }

    /// `file` with the metadata that the job keeps.
    pub(super) fn with_metadata(&self, file: Vec<u8>, format: Format) -> Vec<u8> {
        if self.metadata.is_empty() { file } else { container::embed(file, format, self.metadata) }
    }

    /// The error that names the smallest possible file, or what stopped the search before there was any.
    pub(super) fn unreachable(&self) -> JobError {
        if let Err(stopped) = self.clock.check() {
            return stopped;
        }
        // Only a stop can keep every format from being encoded.
        let Some(smallest) = self.log.smallest() else { return self.clock.deadline_exceeded() };
        let smallest = Smallest {
            bytes: smallest.len(),
            format: smallest.format,
            width: smallest.width,
            height: smallest.height,
            quality: smallest.kind.reported_quality(),
            metadata_bytes: container::embedded_bytes(smallest.format, self.metadata),
            held_by: self.held_by((smallest.width, smallest.height)),
        };
        JobError::TargetUnreachable { target: self.job.target, smallest, nearest: self.nearest() }
    }

    /// What keeps a picture of this size from being smaller.
    fn held_by(&self, (width, height): (u32, u32)) -> Option<HeldBy> {
        if width.max(height) <= LEAST_SIDE {
            return None;
        }
        if !self.job.downscale {
            return Some(HeldBy::NoDownscale);
        }
        let is_at_least = |side: u32, least: Option<u32>| least.is_some_and(|least| side <= least);
        let is_at_own_least = is_at_least(width, self.job.min_width) || is_at_least(height, self.job.min_height);
        is_at_own_least.then_some(HeldBy::LeastSide)
    }

    /// How near an encode came to the target of a job in mode close.
    fn nearest(&self) -> Option<Nearest> {
        let Mode::Close { tolerance } = self.job.mode else { return None };
        let bytes = self.log.nearest_bytes(self.job.target)?;
        Some(Nearest { bytes, tolerance })
    }
}
