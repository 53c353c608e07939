//! Scores candidates against the requested picture.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Duration;

use crate::codec::{self, EncodeError, Format, Limits};
use crate::picture::content::Content;
use crate::picture::score::{self, Reference};
use crate::picture::{Picture, hidden, transform};

use super::JobError;
use super::candidate::Candidate;

/// Side of a tile of the sample, in pixels: the simple ratios down to 1/8 make whole pixels of it.
const TILE: u32 = 120;

/// Tiles of the sample across and down, at most.
const TILES: u32 = 3;

/// Pixels that a sample has at most.
pub(super) const SAMPLE_PIXELS: u64 = ((TILE * TILES) as u64).pow(2);

/// The requested picture to compare with. It is prepared when the first score is asked for.
pub(super) struct Scoring<'a> {
    requested: &'a Picture,
    background: [u8; 3],
    reference: Option<Reference>,
    sample: Option<Sample>,
}

/// Parts of the requested picture.
struct Sample {
    picture: Rc<Picture>,
    /// One with alpha is seen on white and on black.
    references: Vec<Reference>,
}

impl Sample {
    fn new(picture: Picture, background: [u8; 3]) -> Sample {
        let backgrounds: &[[u8; 3]] = if picture.has_alpha() { &[[u8::MAX; 3], [0; 3]] } else { &[background] };
        let references = backgrounds.iter().map(|background| Reference::new(&picture, *background)).collect();
        Sample { picture: Rc::new(picture), references }
    }

    /// SSIMULACRA2 of `seen`, scaled up where it is smaller: the lower one where there are two.
    fn score(&self, seen: &Picture) -> f64 {
        let scores = self.references.iter().map(|reference| score_of_pixels(reference, &self.picture, seen));
        scores.fold(f64::INFINITY, f64::min)
    }
}

impl<'a> Scoring<'a> {
    /// Scores against `requested`; what is transparent shows `background`.
    pub(super) fn new(requested: &'a Picture, background: [u8; 3]) -> Scoring<'a> {
        Scoring { requested, background, reference: None, sample: None }
    }

    /// Time that a score usually takes.
    pub(super) fn usual_time(&self) -> Duration {
        score::COST.mul_f64(self.requested.pixel_count() as f64)
    }

    /// SSIMULACRA2 of `candidate`. A smaller picture is scaled up first, as a page would show it.
    ///
    /// # Errors
    /// [`JobError::Encode`] when our own file does not decode: a bug in its encoder.
    pub(super) fn score(&mut self, candidate: &Candidate) -> Result<f64, JobError> {
        let reference = self.reference.get_or_insert_with(|| Reference::new(self.requested, self.background));
        Ok(score_of_pixels(reference, self.requested, &decoded(&candidate.bytes, candidate.format)?))
    }

    /// A sample of the requested picture, which shows `content`: tiles that are spread over it, side by side, or all of
    /// it if it has no more pixels. Returns `None` for a larger picture that is too thin for tiles.
    pub(super) fn sample(&mut self, content: Content) -> Option<Rc<Picture>> {
        if self.sample.is_none() {
            let sample = sample_of(self.requested, content)?;
            let without_hidden = match hidden::without_hidden_colours(&sample) {
                Cow::Owned(without_hidden) => Some(without_hidden),
                Cow::Borrowed(_) => None,
            };
            self.sample = Some(Sample::new(without_hidden.unwrap_or(sample), self.background));
        }
        self.sample.as_ref().map(|sample| sample.picture.clone())
    }

    /// SSIMULACRA2 of `smaller`, which was made of the sample.
    ///
    /// # Panics
    /// As [`Scoring::score_of_sample`].
    pub(super) fn score_of_smaller_sample(&self, smaller: &Picture) -> f64 {
        self.sample.as_ref().expect("the picture is made of the sample").score(smaller)
    }

    /// SSIMULACRA2 of a file of the sample.
    ///
    /// # Errors
    /// As [`Scoring::score`].
    ///
    /// # Panics
    /// When [`Scoring::sample`] was not asked for, or gave none.
    pub(super) fn score_of_sample(&self, file: &[u8], format: Format) -> Result<f64, JobError> {
        let sample = self.sample.as_ref().expect("the file is of a sample");
        Ok(sample.score(&decoded(file, format)?))
    }
}

fn sample_of(requested: &Picture, content: Content) -> Option<Picture> {
    if requested.pixel_count() <= SAMPLE_PIXELS {
        return Some(requested.clone());
    }
    let count = |side: u32| (side / TILE).min(TILES);
    let tiles = (count(requested.width()), count(requested.height()));
    if content == Content::Smooth {
        // Side by side, tiles would have edges that the picture does not have.
        let across = tiles.0.min(tiles.1);
        return (across > 0).then(|| transform::tiles(requested, TILE * across, (1, 1)))?;
    }
    (tiles.0 > 0 && tiles.1 > 0).then(|| transform::tiles(requested, TILE, tiles))?
}

/// The picture in our own `file`.
///
/// # Errors
/// [`JobError::Encode`] when it does not decode.
fn decoded(file: &[u8], format: Format) -> Result<Picture, JobError> {
    // The input passed the limits; what we wrote ourselves is no larger.
    let limits = Limits { max_pixels: u64::MAX, max_side: u32::MAX, ..Limits::default() };
    let decoded = codec::decode(file, &limits);
    Ok(decoded.map_err(|error| EncodeError::Failed { format, reason: error.to_string() })?.picture)
}

/// SSIMULACRA2 of `seen`, scaled up where it is smaller, against `reference`, which is of `picture`.
fn score_of_pixels(reference: &Reference, picture: &Picture, seen: &Picture) -> f64 {
    let (width, height) = (picture.width(), picture.height());
    if (seen.width(), seen.height()) == (width, height) {
        return reference.score(seen);
    }
    reference.score(&transform::scale(seen, width, height))
}
