//! A file that could be the answer.

use crate::codec::Format;

/// A finished file, metadata included, before padding.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub bytes: Vec<u8>,
    pub format: Format,
    pub width: u32,
    pub height: u32,
    pub kind: Kind,
    /// SSIMULACRA2 against the requested picture, once it was measured.
    pub score: Option<f64>,
}

/// How a candidate holds the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// The input itself.
    Passthrough,
    /// Every pixel as it was.
    Lossless,
    /// Lossy at the requested size. The quality goes up to 100 and may be below 1.
    Quality(f64),
    /// The same for a picture made smaller than requested.
    Downscaled(f64),
}

impl Kind {
    /// The quality of a lossy file.
    pub(super) fn quality(self) -> Option<f64> {
        match self {
            Kind::Passthrough | Kind::Lossless => None,
            Kind::Quality(quality) | Kind::Downscaled(quality) => Some(quality),
        }
    }

    /// The quality of a lossy file as reports give it.
    pub(super) fn reported_quality(self) -> Option<f64> {
        self.quality().map(reported)
    }
}

/// `quality` as reports give it: 1 to 100.
pub(super) fn reported(quality: f64) -> f64 {
    quality.clamp(1.0, 100.0)
}

impl Candidate {
    /// Bytes of the file.
    pub(super) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Whether the picture is smaller than that of `other`, or of equal size and coarser.
    pub(super) fn is_below(&self, other: &Candidate) -> bool {
        let size_and_quality = |candidate: &Candidate| {
            let pixels = u64::from(candidate.width) * u64::from(candidate.height);
            (pixels, candidate.kind.quality().unwrap_or(f64::INFINITY))
        };
        size_and_quality(self) < size_and_quality(other)
    }
}
