//! An input, opened once and fitted as often as wanted.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use crate::codec::density::Density;
use crate::codec::rights::Rights;
use crate::codec::{self, Format, Limits, Metadata, Probe, container};
use crate::picture::transform::{self, CropOutside, Resize, ResizeFit, Transforms};
use crate::picture::{Orientation, Picture, hidden};
use crate::stop::{Stop, StopReason};

use super::candidate::Candidate;
use super::context::{CommonLook, SearchContext};
use super::search_log::SearchLog;
use super::spec::DEFAULT_QUALITY;
use super::views::Views;
use super::{
    Answer, Facts, Job, JobError, Nearest, Outcome, Report, Share, SizeCurve, Smallest, Timings, checks, finish, fit,
    formats, lossless, passthrough, transcoded,
};

/// A decoded input. It can be fitted many times, with a different [`Job`] each time.
pub struct Source<'a> {
    file: InputFile<'a>,
    pictures: Pictures,
}

/// The pixels of an input.
struct Pictures {
    /// The whole picture. `None` once no job to come needs it.
    upright: Option<Picture>,
    has_alpha: bool,
    /// The last picture that [`Source::fit_next`] transformed, and how.
    transformed: Option<(Transforms, Picture)>,
    /// What all jobs to come make of the whole picture, where that is known.
    only: Option<Transforms>,
}

/// What is known of an input besides its pixels.
struct InputFile<'a> {
    bytes: Cow<'a, [u8]>,
    probe: Probe,
    facts: Facts,
    metadata: Metadata,
    rights: Rights,
    /// Whether the file is undamaged and its pixels are those that it stores, without a conversion of colours.
    as_stored: bool,
    /// Whether the file ends before its end.
    damaged: bool,
    limits: Limits,
    /// Time that opening took.
    opening: Timings,
    /// Time that decoding took, which shows how fast the machine is.
    decoding: Duration,
}

impl<'a> Source<'a> {
    /// Decodes `input` and turns its picture upright.
    ///
    /// # Errors
    /// [`JobError::Decode`]; [`JobError::Cancelled`]. A deadline is left to [`Source::fit`].
    pub fn open(input: impl Into<Cow<'a, [u8]>>, limits: &Limits, stop: &Stop) -> Result<Source<'a>, JobError> {
        let input = input.into();
        let probe = codec::probe(&input, limits)?;
        Source::decode(input, probe, limits, stop)
    }

    /// Opens `input`, whose header says `probe`.
    fn decode(input: Cow<'a, [u8]>, probe: Probe, limits: &Limits, stop: &Stop) -> Result<Source<'a>, JobError> {
        let decoding = Instant::now();
        let decoded = codec::decode(&input, limits)?;
        let decode = decoding.elapsed();
        if stop.reason() == Some(StopReason::Cancelled) {
            return Err(JobError::Cancelled);
        }
        let turning = Instant::now();
        let upright = transform::orient(decoded.picture, decoded.orientation);
        let opening = Timings { decode, transform: turning.elapsed(), ..Timings::default() };
        let (width, height) = (upright.width(), upright.height());
        let facts = Facts { bytes: input.len() as u64, format: probe.format, width, height };
        let file = InputFile {
            bytes: input,
            probe,
            facts,
            metadata: turned(decoded.metadata, decoded.orientation),
            rights: decoded.rights,
            as_stored: decoded.as_stored,
            damaged: decoded.damaged,
            limits: *limits,
            opening,
            decoding: decode,
        };
        let has_alpha = upright.has_alpha();
        let pictures = Pictures { upright: Some(upright), has_alpha, transformed: None, only: None };
        Ok(Source { file, pictures })
    }

    /// Says that all jobs to come transform the picture as `job` does: the whole picture is dropped as soon as that is
    /// made. Another job panics from then on.
    pub fn fits_only(&mut self, job: &Job) {
        self.pictures.only = Some(job.transforms());
    }

    /// Answers `job`. The timings in its report include the time that opening took.
    ///
    /// # Errors
    /// Every variant of [`JobError`].
    ///
    /// # Cancel
    /// Asks `stop` between encodes; at the deadline the best answer so far that meets the target is returned.
    pub fn fit(&self, job: &Job, stop: &Stop) -> Result<Answer, JobError> {
        checks::check(job, &self.file.probe, &self.file.limits)?;
        let picture = || job.transforms().apply(Cow::Borrowed(self.pictures.whole()));
        self.file.fit(self.pictures.has_alpha, picture, job, None, stop)
    }

    /// Bytes of memory that it holds.
    pub fn memory_bytes(&self) -> u64 {
        let Pictures { upright, transformed, .. } = &self.pictures;
        let pictures = upright.iter().chain(transformed.iter().map(|(_, picture)| picture));
        let pixel_bytes: usize = pictures.map(|picture| picture.pixels().len()).sum();
        (self.file.bytes.len() + pixel_bytes) as u64
    }

    /// The sizes that an answer to `job` is predicted to have at each quality, up to its target. Only of drawings and
    /// text a sample, and the lossless file, are encoded. Keeps the transformed picture as [`Source::fit_next`] does.
    ///
    /// # Errors
    /// [`JobError::KeepUnwritable`], [`JobError::Crop`], [`JobError::Decode`] and [`JobError::Encode`] when the job can't be
    /// done.
    pub fn size_curve(&mut self, job: &Job, stop: &Stop) -> Result<SizeCurve, JobError> {
        let Source { file, pictures } = self;
        checks::check(job, &file.probe, &file.limits)?;
        let allowed = checks::allowed_formats(job, file.facts.format)?;
        let picture = held_by_formats(pictures.transformed(job.transforms())?, &allowed, job);
        let kept = finish::kept_metadata(&file.metadata, &file.rights, job);
        let stays_within_input = job.stays_within_input(&file.facts, &allowed) && !file.is_lossless();
        let most = if stays_within_input { file.facts.bytes.min(job.target) } else { job.target };
        let curve = SizeCurve::of(&picture, job, &allowed, &kept, most)?;
        let lossless = lossless::file_of_drawing(&picture, job, &allowed, &file.facts, curve.most_bytes(), stop)?;
        Ok(lossless.map_or(curve, |(format, bytes)| curve.up_to(bytes + container::embedded_bytes(format, &kept))))
    }

    /// Answers `job` as [`Source::fit`] does, for one job after the other: a picture of the same transforms as the last
    /// is not transformed again, and only the first answer's timings include the time that opening took.
    ///
    /// # Errors
    /// Every variant of [`JobError`].
    ///
    /// # Cancel
    /// As [`Source::fit`].
    pub fn fit_next(&mut self, job: &Job, stop: &Stop) -> Result<Answer, JobError> {
        self.fit_in_turn(job, None, stop)
    }

    /// Answers `job` within its `share` of a total, as [`Source::fit_next`] does. Its target is the most that it takes.
    ///
    /// # Errors
    /// Every variant of [`JobError`].
    ///
    /// # Cancel
    /// As [`Source::fit`].
    pub fn fit_share(&mut self, job: &Job, share: Share, stop: &Stop) -> Result<Answer, JobError> {
        let target = share.bytes.min(job.target).max(1);
        // A score that is asked for may take a better one.
        let common = share.quality.filter(|_| job.min_score.is_none());
        let common =
            common.map(|quality| CommonLook { quality, smaller_bytes: share.smaller_bytes.min(target).max(1) });
        self.fit_in_turn(&Job { target, ..job.clone() }, common, stop)
    }

    /// As [`Source::fit_next`], held to what is `common` to all answers.
    fn fit_in_turn(&mut self, job: &Job, common: Option<CommonLook>, stop: &Stop) -> Result<Answer, JobError> {
        let Source { file, pictures } = self;
        checks::check(job, &file.probe, &file.limits)?;
        let answer = file.fit(pictures.has_alpha, move || pictures.transformed(job.transforms()), job, common, stop)?;
        file.opening = Timings::default();
        Ok(answer)
    }
}

impl Pictures {
    fn whole(&self) -> &Picture {
        self.upright.as_ref().expect("jobs that need the whole picture come before it is dropped")
    }

    /// The picture after `transforms`: the last one where it was made by the same.
    fn transformed(&mut self, transforms: Transforms) -> Result<Cow<'_, Picture>, CropOutside> {
        // The last one is dropped before the next is made.
        self.transformed = self.transformed.take().filter(|(made_by, _)| *made_by == transforms);
        if self.transformed.is_none()
            && let Cow::Owned(picture) = transforms.apply(self.upright_for(transforms))?
        {
            self.transformed = Some((transforms, picture));
        }
        Ok(Cow::Borrowed(self.transformed.as_ref().map_or_else(|| self.whole(), |(_, picture)| picture)))
    }

    /// The whole picture, which is not kept where only these `transforms` are made of it.
    fn upright_for(&mut self, transforms: Transforms) -> Cow<'_, Picture> {
        if self.only == Some(transforms)
            && let Some(upright) = self.upright.take()
        {
            return Cow::Owned(upright);
        }
        Cow::Borrowed(self.whole())
    }
}

/// Runs `job` on the file `input`: opens it and fits it once, with as little memory as that takes.
///
/// # Errors
/// Every variant of [`JobError`].
///
/// # Cancel
/// As [`Source::fit`].
pub fn run(job: &Job, input: &[u8], limits: &Limits, stop: &Stop) -> Result<Answer, JobError> {
    let probe = codec::probe(input, limits)?;
    checks::check(job, &probe, limits)?;
    let mut source = Source::decode(Cow::Borrowed(input), probe, limits, stop)?;
    source.fits_only(job);
    source.fit_next(job, stop)
}

/// Runs `job` on the file `input` within its `share` of a total.
///
/// # Errors
/// Every variant of [`JobError`].
///
/// # Cancel
/// As [`Source::fit`].
pub fn run_share(job: &Job, share: Share, input: &[u8], limits: &Limits, stop: &Stop) -> Result<Answer, JobError> {
    let mut source = Source::open(input, limits, stop)?;
    source.fits_only(job);
    source.fit_share(job, share, stop)
}

/// The sizes that an answer to `job` on the file `input` is predicted to have at each quality.
///
/// # Errors
/// As [`Source::open`] and [`Source::size_curve`]; [`JobError::DeadlineExceeded`].
pub fn size_curve(job: &Job, input: &[u8], limits: &Limits, stop: &Stop) -> Result<SizeCurve, JobError> {
    let mut source = Source::open(input, limits, stop)?;
    job.check(stop)?;
    source.fits_only(job);
    source.size_curve(job, stop)
}

impl InputFile<'_> {
    /// Answers `job`, given what makes its picture and what is `common` to all answers.
    fn fit<'p>(
        &self,
        has_alpha: bool,
        picture: impl FnOnce() -> Result<Cow<'p, Picture>, CropOutside>,
        job: &Job,
        common: Option<CommonLook>,
        stop: &Stop,
    ) -> Result<Answer, JobError> {
        let mut answer = self.answer(has_alpha, picture, job, common, stop)?;
        answer.report.damaged = self.damaged;
        Ok(answer)
    }

    fn answer<'p>(
        &self,
        has_alpha: bool,
        picture: impl FnOnce() -> Result<Cow<'p, Picture>, CropOutside>,
        job: &Job,
        common: Option<CommonLook>,
        stop: &Stop,
    ) -> Result<Answer, JobError> {
        job.check(stop)?;
        let mut timings = self.opening;
        let transforming = Instant::now();
        let allowed = checks::allowed_formats(job, self.facts.format)?;
        let suitable = formats::suitable(job, &allowed, has_alpha);
        let unchanged = match self.as_stored {
            true => passthrough::candidate(job, &self.bytes, &self.facts, &suitable),
            false => None,
        };
        // Of a total, bytes for a finer picture would be missing for the others.
        let may_be_finer_than_asked = job.quality < DEFAULT_QUALITY || common.is_some();
        if let Some(candidate) = unchanged.as_ref().filter(|_| !may_be_finer_than_asked) {
            return finish::finish(job, candidate.clone(), self.facts, SearchLog::default(), timings);
        }
        let may_be_transcoded = self.as_stored && unchanged.is_none() && !may_be_finer_than_asked;
        let transcoded = match may_be_transcoded {
            true => transcoded::candidate(job, &self.bytes, &self.facts, &suitable, stop),
            false => Ok(None),
        };
        let has_no_time = transcoded.is_err();
        if let Ok(Some(candidate)) = transcoded {
            timings.search = transforming.elapsed();
            let mut log = SearchLog::default();
            log.note(&candidate);
            return finish::finish(job, candidate, self.facts, log, timings);
        }
        let requested = picture()?;
        let (width, height) = (requested.width(), requested.height());
        let picture = held_by_formats(requested, &allowed, job);
        let is_shrunk = (picture.width(), picture.height()) != (width, height);
        timings.transform += transforming.elapsed();
        job.check(stop)?;

        let searching = Instant::now();
        // What a lossless input shows is not spoilt to stay below its size, where it is not the answer itself.
        let may_outgrow = unchanged.is_none() && self.is_lossless();
        let (fitted, mut log) = self.search(&picture, &allowed, job, common, may_outgrow, stop);
        log.cut_short |= has_no_time;
        timings.search = searching.elapsed();
        let fitted = if self.as_stored { self.or_smaller_input(fitted, job, &suitable) } else { fitted };
        let candidate = match (fitted, unchanged) {
            // The input was below the quality ceiling already: another encode would lose more than it saves.
            (Ok(candidate), Some(input)) if candidate.len() * 10 > input.len() * 9 => input,
            (
                Err(
                    JobError::TargetUnreachable { .. }
                    | JobError::ScoreUnreachable { .. }
                    | JobError::DeadlineExceeded { .. },
                ),
                Some(input),
            ) => input,
            (fitted, _) => fitted?,
        };
        let mut answer = finish::finish(job, candidate, self.facts, log, timings)?;
        if is_shrunk {
            mark_downscaled(&mut answer.report);
        }
        Ok(answer)
    }

    /// What was `fitted`, or the input itself where it is smaller than the smallest answer that was found.
    fn or_smaller_input(
        &self,
        fitted: Result<Candidate, JobError>,
        job: &Job,
        allowed: &[Format],
    ) -> Result<Candidate, JobError> {
        let input = || passthrough::of_any_size(job, &self.bytes, &self.facts, allowed);
        match fitted {
            Ok(candidate) if candidate.len() > job.target && !job.mode.is_met(job.target, candidate.len()) => {
                Ok(input().filter(|input| input.len() < candidate.len()).unwrap_or(candidate))
            }
            Err(JobError::TargetUnreachable { target, smallest, nearest }) => Err(match input() {
                Some(input) => {
                    let nearest = nearest.map(|nearest| nearest_to(target, nearest, &input));
                    JobError::TargetUnreachable { target, smallest: smallest_of(smallest, &input), nearest }
                }
                None => JobError::TargetUnreachable { target, smallest, nearest },
            }),
            fitted => fitted,
        }
    }

    fn is_lossless(&self) -> bool {
        lossless::is_lossless(&self.bytes, self.facts.format)
    }

    /// Searches for the best answer in one of the `allowed` formats. Frees what the search needed.
    fn search(
        &self,
        picture: &Picture,
        allowed: &[Format],
        job: &Job,
        common: Option<CommonLook>,
        may_outgrow: bool,
        stop: &Stop,
    ) -> (Result<Candidate, JobError>, SearchLog) {
        let metadata = finish::kept_metadata(&self.metadata, &self.rights, job);
        let needs_flattening = picture.has_alpha() && !allowed.iter().all(|format| format.keeps_alpha());
        let flattened = needs_flattening.then(|| transform::flatten(picture, job.transformed_background()));
        let without_hidden_colour = hidden::without_hidden_colours(picture);
        let views = Views::new(picture, &without_hidden_colour, flattened.as_ref().unwrap_or(picture));
        let mut context = SearchContext::new(job, views, self.facts.format, &metadata, stop);
        context.common = common;
        context.clock.note_decode(u64::from(self.facts.width) * u64::from(self.facts.height), self.decoding);
        (fit::fit(&mut context, allowed, &self.facts, may_outgrow), context.log)
    }
}

/// What is nearest to `target`: what was found, or the `input`.
fn nearest_to(target: u64, found: Nearest, input: &Candidate) -> Nearest {
    let is_nearer = input.len().abs_diff(target) < found.bytes.abs_diff(target);
    if is_nearer { Nearest { bytes: input.len(), ..found } } else { found }
}

/// What is smallest: what was found, or the `input`.
fn smallest_of(found: Smallest, input: &Candidate) -> Smallest {
    let Candidate { format, width, height, .. } = *input;
    let bytes = input.len();
    if bytes >= found.bytes {
        return found;
    }
    let metadata_bytes = found.metadata_bytes.min(bytes);
    Smallest { bytes, format, width, height, quality: None, metadata_bytes, ..found }
}

/// What `metadata` says of a picture that is turned upright.
fn turned(metadata: Metadata, orientation: Orientation) -> Metadata {
    match orientation.swaps_sides() {
        true => Metadata { density: metadata.density.map(Density::turned), ..metadata },
        false => metadata,
    }
}

/// `picture`, made smaller when none of the `allowed` formats holds so long a side and the job lets it be so small. With a
/// `min_score` it is not: scores are against what is encoded.
fn held_by_formats<'p>(picture: Cow<'p, Picture>, allowed: &[Format], job: &Job) -> Cow<'p, Picture> {
    let longest = allowed.iter().filter_map(|format| format.output()).map(|output| output.max_side).max();
    let may_shrink = job.downscale && job.min_score.is_none();
    let Some(side) = longest.filter(|side| may_shrink && picture.width().max(picture.height()) > *side) else {
        return picture;
    };
    let resize = Resize { width: Some(side), height: Some(side), fit: ResizeFit::Inside, enlarge: false };
    let (width, height) = transform::resized_size(picture.width(), picture.height(), &resize);
    let is_enough = |side: u32, whole: u32, least: Option<u32>| least.is_none_or(|least| side >= least.min(whole));
    let may_be_so_small =
        is_enough(width, picture.width(), job.min_width) && is_enough(height, picture.height(), job.min_height);
    if may_be_so_small { Cow::Owned(transform::scale(&picture, width, height)) } else { picture }
}

/// Says that the picture is smaller than requested. A score against the smaller picture, which best effort takes, says
/// nothing of it.
fn mark_downscaled(report: &mut Report) {
    if matches!(report.outcome, Outcome::Lossless | Outcome::Quality) {
        report.outcome = Outcome::Downscaled;
    }
    report.score = None;
}
