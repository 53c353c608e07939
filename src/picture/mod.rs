//! Pictures: pixels in memory and what is done to them.

pub mod chroma;
pub(crate) mod content;
pub(crate) mod hidden;
pub mod orientation;
pub(crate) mod palette;
pub mod score;
pub mod transform;

pub use orientation::Orientation;

/// How the bytes of a pixel are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, alpha; the colour is not premultiplied.
    Rgba,
}

impl Layout {
    /// Bytes in one pixel: 3 or 4.
    pub const fn bytes_per_pixel(self) -> usize {
        match self {
            Layout::Rgb => 3,
            Layout::Rgba => 4,
        }
    }
}

/// How much of the chroma is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chroma {
    /// 4:2:0: half the samples across and down.
    Halved,
    /// 4:4:4: every sample.
    Full,
}

impl Chroma {
    /// Pixels across and down that one block of 8x8 chroma samples covers.
    pub const fn block_pixels(self) -> u32 {
        match self {
            Chroma::Halved => 16,
            Chroma::Full => 8,
        }
    }
}

/// An sRGB picture of 8 bits a channel: rows from the top, no padding between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    layout: Layout,
    pixels: Vec<u8>,
}

impl Picture {
    /// Wraps `pixels`, which hold `width * height` pixels in `layout`.
    ///
    /// # Panics
    /// When a side is zero or the length is not `width * height * layout.bytes_per_pixel()`.
    pub fn new(width: u32, height: u32, layout: Layout, pixels: Vec<u8>) -> Picture {
        let expected = width as usize * height as usize * layout.bytes_per_pixel();
        assert!(
            expected > 0 && pixels.len() == expected,
            "{width}x{height} {layout:?} takes {expected} bytes, got {}",
            pixels.len()
        );
        Picture { width, height, layout, pixels }
    }

    /// Width in pixels, at least 1.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels, at least 1.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Pixels in the picture.
    pub fn pixel_count(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// The layout of [`Picture::pixels`].
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The pixels, row after row from the top.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The pixels, taken out of the picture.
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }

    /// Whether the picture has an alpha channel.
    pub fn has_alpha(&self) -> bool {
        self.layout == Layout::Rgba
    }

    /// Whether every pixel has equal red, green and blue.
    pub fn is_grey(&self) -> bool {
        self.pixels
            .chunks_exact(self.layout.bytes_per_pixel())
            .all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2])
    }

    /// Drops an alpha channel that is opaque everywhere; any other picture stays as it is.
    pub fn without_opaque_alpha(self) -> Picture {
        if !self.has_alpha() || self.pixels.chunks_exact(4).any(|pixel| pixel[3] != u8::MAX) {
            return self;
        }
        let pixels = self.pixels.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
        Picture::new(self.width, self.height, Layout::Rgb, pixels)
    }
}
