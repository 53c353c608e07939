//! A file that could be the answer. Must not know how it was found.

use crate::codec::Format;

/// A finished file, metadata included, before padding.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub bytes: Vec<u8>,
    pub format: Format,
    pub width: u32,
    pub height: u32,
    pub kind: Kind,
    /// SSIMULACRA2 against the picture asked for, once it was measured.
    pub score: Option<f64>,
}

/// How a candidate holds the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// The input itself.
    Passthrough,
    /// Every pixel as it was.
    Lossless,
    /// Lossy, of this quality (as the scale has it: up to 100, and below 1), at the size asked for.
    Quality(f64),
    /// The same, made smaller than asked.
    Downscaled(f64),
}

impl Kind {
    /// The quality, where there is one.
    pub fn quality(self) -> Option<f64> {
        match self {
            Kind::Passthrough | Kind::Lossless => None,
            Kind::Quality(quality) | Kind::Downscaled(quality) => Some(quality),
        }
    }
}

impl Candidate {
    /// Bytes of the file.
    pub fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Whether this is of a smaller picture than `other`, or as large and coarser.
    pub fn is_below(&self, other: &Candidate) -> bool {
        let place = |candidate: &Candidate| {
            let pixels = u64::from(candidate.width) * u64::from(candidate.height);
            (pixels, candidate.kind.quality().unwrap_or(f64::INFINITY))
        };
        place(self) < place(other)
    }
}
