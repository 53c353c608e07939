//! Converts red, green and blue to the planes of luma and chroma that AV1 codes: BT.601, full range, 8 bits.

use yuv::{BufferStoreMut, YuvConversionMode, YuvPlanarImageMut, YuvRange, YuvStandardMatrix};

use crate::picture::chroma::{HalvedPlanes, SampleRange};
use crate::picture::{Chroma, Layout, Picture};

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
        if chroma == Chroma::Halved {
            let HalvedPlanes { luma: y, chroma: [cb, cr], .. } = HalvedPlanes::of(picture, SampleRange::Full);
            return Planes { width, height, y, cb, cr, kind: Kind::Colour(chroma) };
        }
        let luma = vec![0; picture.pixel_count() as usize];
        let mut planes = Planes::new(width, height, Kind::Colour(chroma), luma);
        let chroma_width = planes.chroma_width();
        let mut image = YuvPlanarImageMut {
            y_plane: BufferStoreMut::Borrowed(&mut planes.y),
            y_stride: width,
            u_plane: BufferStoreMut::Borrowed(&mut planes.cb),
            u_stride: chroma_width,
            v_plane: BufferStoreMut::Borrowed(&mut planes.cr),
            v_stride: chroma_width,
            width,
            height,
        };
        let convert = match picture.layout() {
            Layout::Rgb => yuv::rgb_to_yuv444,
            Layout::Rgba => yuv::rgba_to_yuv444,
        };
        let stride = width * picture.layout().bytes_per_pixel() as u32;
        let (range, matrix, mode) = (YuvRange::Full, YuvStandardMatrix::Bt601, YuvConversionMode::Balanced);
        convert(&mut image, picture.pixels(), stride, range, matrix, mode).expect("planes of the picture's own size");
        planes
    }

    /// The alpha channel of `picture` as luma. Returns `None` when it has none.
    pub(super) fn of_alpha(picture: &Picture) -> Option<Planes> {
        let alpha = |pixel: &[u8]| pixel[3];
        picture.has_alpha().then(|| Planes::grey(picture, picture.pixels().chunks_exact(4).map(alpha).collect()))
    }

    fn grey(picture: &Picture, y: Vec<u8>) -> Planes {
        Planes::new(picture.width(), picture.height(), Kind::Grey, y)
    }

    /// The luma `y`, and chroma that is still grey.
    fn new(width: u32, height: u32, kind: Kind, y: Vec<u8>) -> Planes {
        let mut planes = Planes { width, height, y, cb: Vec::new(), cr: Vec::new(), kind };
        let chroma_rows = if planes.is_full() { height } else { height.div_ceil(2) };
        planes.cb = vec![NO_COLOUR; planes.chroma_width() as usize * chroma_rows as usize];
        planes.cr = planes.cb.clone();
        planes
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
