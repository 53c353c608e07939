//! Scales pictures.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::picture::{Layout, Picture};

/// Scales `picture` to exactly `width` x `height` (Lanczos3, alpha premultiplied around it).
pub fn scale(picture: &Picture, width: u32, height: u32) -> Picture {
    if (width, height) == (picture.width, picture.height) {
        return picture.clone();
    }
    resample(picture, width, height, &lanczos())
}

/// Rows of a band: those of a macroblock of JPEG at 4:2:0 or WebP.
const BAND: u32 = 16;

/// A sample of `picture` at `width` x `height`: what [`scale`] gives, or every n-th band of 16 of its rows, one below
/// the other, if it has many more than `pixels` pixels.
pub fn scale_in_part(picture: &Picture, width: u32, height: u32, pixels: u64) -> Picture {
    let every = (u64::from(width) * u64::from(height)).div_ceil(pixels) as u32;
    // Colours are multiplied by alpha in the whole picture, whatever part is asked for.
    if every < 2 || height / BAND < every || picture.has_alpha() {
        return scale(picture, width, height);
    }
    let rows = f64::from(picture.height) / f64::from(height);
    let band = |index: u32| {
        let top = f64::from(index * BAND) * rows;
        let part = lanczos().crop(0.0, top, f64::from(picture.width), f64::from(BAND) * rows);
        resample(picture, width, BAND, &part).pixels
    };
    let bands: Vec<Vec<u8>> = (every / 2..height / BAND).step_by(every as usize).map(band).collect();
    Picture::new(width, bands.len() as u32 * BAND, picture.layout, bands.concat())
}

/// The largest size of the ratio of `size` inside `bounds`, at least one side of which it touches.
pub(super) fn inside(size: (u32, u32), bounds: (u32, u32)) -> (u32, u32) {
    let (width, height) = (u128::from(size.0), u128::from(size.1));
    let (max_width, max_height) = (u128::from(bounds.0), u128::from(bounds.1));
    if max_width * height <= max_height * width {
        (bounds.0, rounded_ratio(max_width * height, width))
    } else {
        (rounded_ratio(max_height * width, height), bounds.1)
    }
}

/// `numerator / denominator` to the nearest whole number from 1 to `u32::MAX`.
fn rounded_ratio(numerator: u128, denominator: u128) -> u32 {
    let nearest = (numerator + denominator / 2) / denominator;
    u32::try_from(nearest).unwrap_or(u32::MAX).max(1)
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

#[cfg(test)]
mod tests {
    use super::super::drawn::{flat, labelled};
    use super::*;

    #[test]
    fn a_part_holds_the_rows_of_the_whole() {
        let picture = labelled(600, 900, Layout::Rgb);
        let (whole, part) = (scale(&picture, 300, 450), scale_in_part(&picture, 300, 450, 20_000));
        assert_eq!((part.width, part.height), (300, 4 * BAND));
        for (index, band) in [3, 10, 17, 24].into_iter().zip(part.pixels.chunks(300 * 3 * BAND as usize)) {
            assert_eq!(band, &whole.pixels[300 * 3 * BAND as usize * index..][..band.len()]);
        }
        assert_eq!(scale_in_part(&picture, 300, 450, 200_000), whole);
    }

    #[test]
    fn transparent_colour_does_not_bleed_when_scaled() {
        let mut picture = flat(64, 64, [0, 255, 0, 0]);
        for pixel in picture.pixels.chunks_exact_mut(4).step_by(2) {
            pixel.copy_from_slice(&[255, 0, 0, 255]);
        }
        let scaled = scale(&picture, 20, 20);
        assert!(scaled.pixels.chunks_exact(4).all(|pixel| pixel[3] > 0 && pixel[0] > 250 && pixel[1] < 5));
    }
}
