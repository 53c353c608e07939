//! SSIMULACRA2: how similar two pictures look, 100 for the same, about 0 for very poor.

use std::time::Duration;

use fast_ssim2::{PixelDescriptor, PixelSlice, Ssimulacra2Reference};

use super::Picture;
use super::transform::flattened;

/// About the time of a comparison for each pixel: decoding a candidate, preparing the reference, comparing.
pub const COST: Duration = Duration::from_nanos(250);

/// A prepared picture with which others are compared.
///
/// Holds 48 bytes a pixel; comparing takes 60 more while it runs (measured at 12 megapixels).
#[derive(Clone, Debug)]
pub struct Reference {
    prepared: Ssimulacra2Reference,
    background: [u8; 3],
}

impl Reference {
    /// Pixels that a reference may have.
    pub const MAX_PIXELS: u64 = fast_ssim2::MAX_IMAGE_PIXELS as u64;

    /// Prepares `picture`. It and the pictures that it is compared with are laid on `background` (red, green, blue).
    ///
    /// # Panics
    /// When the picture has more than [`Reference::MAX_PIXELS`].
    pub fn new(picture: &Picture, background: [u8; 3]) -> Reference {
        let opaque = flattened(picture, background);
        let prepared = Ssimulacra2Reference::new(&slice(&opaque)).expect("the picture is within MAX_PIXELS");
        Reference { prepared, background }
    }

    /// The SSIMULACRA2 of `distorted` against this reference: 100 for the same pixels, 90 and more cannot be
    /// told apart side by side, 70 high quality, 50 medium, 30 low; very poor ones go far below 0.
    ///
    /// Pictures with a side under 8 pixels are mirrored out to 8 first.
    ///
    /// # Panics
    /// When `distorted` has another size than the reference.
    pub fn score(&self, distorted: &Picture) -> f64 {
        let opaque = flattened(distorted, self.background);
        self.prepared.compare(&slice(&opaque)).expect("the compared pictures have one size")
    }
}

fn slice(opaque: &Picture) -> PixelSlice<'_> {
    let row_bytes = opaque.width as usize * opaque.layout.bytes_per_pixel();
    PixelSlice::new(&opaque.pixels, opaque.width, opaque.height, row_bytes, PixelDescriptor::RGB8_SRGB)
        .expect("an opaque picture holds width * height pixels of three bytes")
}

#[cfg(test)]
mod tests {
    use super::super::Layout;
    use super::*;

    /// A smooth picture with some texture.
    fn drawn(width: u32, height: u32) -> Picture {
        let pixels = (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .flat_map(|(x, y)| [x * 3 % 256, (x * y / 7) % 256, (y * 2 + x % 5 * 9) % 256])
            .map(|value| value as u8)
            .collect();
        Picture::new(width, height, Layout::Rgb, pixels)
    }

    /// `picture` with every channel moved by up to `strength`, by a fixed sequence.
    fn noisy(picture: &Picture, strength: i32) -> Picture {
        let mut state = 1_u32;
        let mut pixels = picture.pixels.clone();
        for value in &mut pixels {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let shift = (state >> 16) as i32 % (2 * strength + 1) - strength;
            *value = (i32::from(*value) + shift).clamp(0, 255) as u8;
        }
        Picture::new(picture.width, picture.height, picture.layout, pixels)
    }

    #[test]
    fn a_picture_scores_100_against_itself() {
        for (width, height) in [(64, 48), (8, 8), (7, 3), (1, 1), (1, 40)] {
            let picture = drawn(width, height);
            let score = Reference::new(&picture, [255; 3]).score(&picture);
            assert!((score - 100.0).abs() < 1e-6, "{width}x{height}: {score}");
        }
    }

    #[test]
    fn more_noise_scores_less() {
        for (width, height) in [(128, 96), (7, 5)] {
            let picture = drawn(width, height);
            let reference = Reference::new(&picture, [255; 3]);
            let scores = [0, 3, 12, 48, 120].map(|strength| reference.score(&noisy(&picture, strength)));
            assert!(scores.is_sorted_by(|a, b| a > b), "{width}x{height}: {scores:?}");
        }
    }

    #[test]
    fn what_is_transparent_does_not_count() {
        let seen = |hidden: u8| {
            let pixels = (0..32 * 32)
                .flat_map(
                    |at: u32| if at.is_multiple_of(3) { [hidden, hidden, hidden, 0] } else { [at as u8, 9, 80, 255] },
                )
                .collect();
            Picture::new(32, 32, Layout::Rgba, pixels)
        };
        let reference = Reference::new(&seen(0), [10, 20, 30]);
        assert!((reference.score(&seen(200)) - 100.0).abs() < 1e-6);
    }

    #[test]
    fn the_background_is_part_of_the_comparison() {
        let clear = Picture::new(16, 16, Layout::Rgba, [0, 0, 0, 0].repeat(256));
        let white = Picture::new(16, 16, Layout::Rgb, vec![255; 768]);
        assert!(Reference::new(&clear, [255; 3]).score(&white) > 99.9);
        let on_black = Reference::new(&clear, [0; 3]).score(&white);
        assert!(on_black < 60.0, "{on_black}");
    }
}
