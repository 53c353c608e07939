//! Converts red, green and blue to the planes of luma and chroma that AV1 codes: BT.601, full range, 8 bits.

use crate::picture::chroma::{HalvedPlanes, SampleRange, full_planes};
use crate::picture::{Chroma, Picture};

/// The planes of a picture, row after row without padding.
#[derive(Debug)]
pub(super) struct Planes {
    pub width: u32,
    pub height: u32,
    pub y: Vec<u8>,
    pub cb: Vec<u8>,
    pub cr: Vec<u8>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Luma alone. Chroma is grey, since the library reads it.
    Grey,
    Colour(Chroma),
}

impl Planes {
    /// The colour of `picture` without its alpha; only luma if all of it is grey.
    pub(super) fn of(picture: &Picture, chroma: Chroma) -> Planes {
        if picture.is_grey() {
            let size = picture.layout().bytes_per_pixel();
            return Planes::grey(picture, picture.pixels().chunks_exact(size).map(|pixel| pixel[0]).collect());
        }
        let (width, height) = (picture.width(), picture.height());
        let [y, cb, cr] = match chroma {
            Chroma::Halved => {
                let HalvedPlanes { luma, chroma: [cb, cr], .. } = HalvedPlanes::of(picture, SampleRange::Full);
                [luma, cb, cr]
            }
            Chroma::Full => full_planes(picture),
        };
        Planes { width, height, y, cb, cr, kind: Kind::Colour(chroma) }
    }

    /// The alpha channel of `picture` as luma. Returns `None` when it has none.
    pub(super) fn of_alpha(picture: &Picture) -> Option<Planes> {
        let alpha = |pixel: &[u8]| pixel[3];
        picture.has_alpha().then(|| Planes::grey(picture, picture.pixels().chunks_exact(4).map(alpha).collect()))
    }

    /// The luma `y`, and chroma that says nothing.
    fn grey(picture: &Picture, y: Vec<u8>) -> Planes {
        let (width, height) = (picture.width(), picture.height());
        let cb = vec![NO_COLOUR; width.div_ceil(2) as usize * height.div_ceil(2) as usize];
        Planes { width, height, y, cr: cb.clone(), cb, kind: Kind::Grey }
    }

    /// Whether there is no chroma.
    pub(super) fn is_grey(&self) -> bool {
        self.kind == Kind::Grey
    }

    /// Whether every pixel has its own chroma.
    pub(super) fn is_full(&self) -> bool {
        self.kind == Kind::Colour(Chroma::Full)
    }

    /// Samples in a row of chroma.
    pub(super) fn chroma_width(&self) -> u32 {
        if self.is_full() { self.width } else { self.width.div_ceil(2) }
    }
}

/// The chroma of grey.
const NO_COLOUR: u8 = 128;
