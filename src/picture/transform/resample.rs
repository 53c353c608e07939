//! Scales pictures.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::pyramid::Pyramid;
use crate::picture::{Layout, Picture};

/// Scales `picture` to exactly `width` x `height` (Lanczos3, alpha premultiplied around it).
pub fn scale(picture: &Picture, width: u32, height: u32) -> Picture {
    Pyramid::new(picture).scale(width, height)
}

/// Rows of a band: those of a macroblock of JPEG at 4:2:0 or WebP.
pub(super) const BAND: u32 = 16;

/// Every n-th band of 16 rows, one below the other, of what `picture` is at `width` x `height`: about `pixels` pixels.
/// `size` is the part of `picture` that is scaled, from its corner on. Returns `None` when that is most of it.
pub(super) fn resample_in_part(
    picture: &Picture,
    size: [f64; 2],
    (width, height): (u32, u32),
    pixels: u64,
) -> Option<Picture> {
    let every = (u64::from(width) * u64::from(height)).div_ceil(pixels) as u32;
    // Colours are multiplied by alpha in the whole picture, whatever part is asked for.
    if every < 2 || height / BAND < every || picture.has_alpha() {
        return None;
    }
    let rows = size[1] / f64::from(height);
    let band = |index: u32| {
        let top = f64::from(index * BAND) * rows;
        // Rounding must not put the end of the last band below the picture.
        let band_rows = (f64::from(BAND) * rows).min(size[1] - top);
        let part = lanczos().crop(0.0, top, f64::from(picture.width), band_rows);
        resample(picture, picture.width, BAND, &part).pixels
    };
    let bands: Vec<Vec<u8>> = (every / 2..height / BAND).step_by(every as usize).map(band).collect();
    let height = bands.len() as u32 * BAND;
    // All bands are scaled across together, so that the kernels of a row are computed once.
    let bands = Picture::new(picture.width, height, picture.layout, bands.concat());
    Some(resample(&bands, width, height, &lanczos().crop(0.0, 0.0, size[0], f64::from(height))))
}

pub(super) fn lanczos() -> ResizeOptions {
    ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3)).use_alpha(true)
}

pub(super) fn resample(picture: &Picture, width: u32, height: u32, options: &ResizeOptions) -> Picture {
    let pixel_type = match picture.layout {
        Layout::Rgb => PixelType::U8x3,
        Layout::Rgba => PixelType::U8x4,
    };
    let source = ImageRef::new(picture.width, picture.height, &picture.pixels, pixel_type)
        .expect("a picture holds as many bytes as its size and layout say");
    let mut target = Image::new(width, height, pixel_type);
    Resizer::new()
        .resize(&source, &mut target, options)
        .expect("source and target share a pixel type, and the crop lies inside the source");
    Picture::new(width, height, picture.layout, target.into_vec())
}
