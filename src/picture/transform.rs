//! Turns, resizes and flattens pictures.

use std::borrow::Cow;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use serde::{Deserialize, Serialize};

use super::{Layout, Orientation, Picture};
use crate::named::named;

/// A size asked for; at least one side is set, each at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resize {
    /// Pixels. `None` follows from the height and the ratio.
    pub width: Option<u32>,
    /// Pixels. `None` follows from the width and the ratio.
    pub height: Option<u32>,
    /// What happens to the ratio when both sides are set.
    pub fit: ResizeFit,
    /// Whether the picture may grow.
    pub enlarge: bool,
}

named! {
    /// How a picture meets the asked size. With one side set the other follows the ratio, whatever the fit.
    #[derive(Default)]
    pub enum ResizeFit {
        /// Keeps the ratio, fits inside both sides.
        #[default]
        Inside = "inside",
        /// Fills both sides, the rest cropped off around the centre. A picture too small for that, when it may
        /// not grow, is cropped to the asked ratio and not scaled.
        Cover = "cover",
        /// Stretches to both sides. When the picture may not grow, no side does.
        Fill = "fill",
    }
}

/// Turns `picture` upright.
pub fn orient(picture: Picture, orientation: Orientation) -> Picture {
    if orientation == Orientation::Upright {
        return picture;
    }
    let (width, height) = orientation.upright_size(picture.width, picture.height);
    let turn = Turn::new(picture.width as usize, picture.height as usize, orientation);
    let pixels = match picture.layout {
        Layout::Rgb => turn.apply::<3>(&picture.pixels),
        Layout::Rgba => turn.apply::<4>(&picture.pixels),
    };
    Picture::new(width, height, picture.layout, pixels)
}

/// The size that `resize` gives a picture of `width` x `height`, each at least 1.
///
/// The side that follows the ratio is rounded to the nearest pixel.
pub fn resized_size(width: u32, height: u32, resize: &Resize) -> (u32, u32) {
    let (asked_width, asked_height) = match (resize.width, resize.height) {
        (Some(asked_width), Some(asked_height)) => (asked_width, asked_height),
        (Some(asked_width), None) => (asked_width, u32::MAX),
        (None, Some(asked_height)) => (u32::MAX, asked_height),
        (None, None) => return (width, height),
    };
    let both = resize.width.is_some() && resize.height.is_some();
    let grows = asked_width > width || asked_height > height;
    match resize.fit {
        ResizeFit::Fill if both && resize.enlarge => (asked_width, asked_height),
        ResizeFit::Fill if both => (asked_width.min(width), asked_height.min(height)),
        ResizeFit::Cover if both && (resize.enlarge || !grows) => (asked_width, asked_height),
        ResizeFit::Cover if both => inside((asked_width, asked_height), (width, height)),
        _ if resize.enlarge => inside((width, height), (asked_width, asked_height)),
        _ => inside((width, height), (asked_width.min(width), asked_height.min(height))),
    }
}

/// Applies `resize`. A picture that already has that size is returned as it is.
pub fn resize(picture: Picture, resize: &Resize) -> Picture {
    resized(&picture, resize).unwrap_or(picture)
}

/// What `resize` makes of `picture`. Returns `None` when the picture has the asked size already.
pub fn resized(picture: &Picture, resize: &Resize) -> Option<Picture> {
    let (width, height) = resized_size(picture.width, picture.height, resize);
    match resize.fit {
        _ if (width, height) == (picture.width, picture.height) => None,
        ResizeFit::Inside | ResizeFit::Fill => Some(scale(picture, width, height)),
        ResizeFit::Cover => Some(resample(picture, width, height, &centre_crop(picture, width, height))),
    }
}

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

/// Lays `picture` on an opaque `background` (red, green, blue) and drops the alpha channel.
pub fn flatten(picture: &Picture, background: [u8; 3]) -> Picture {
    flattened(picture, background).into_owned()
}

/// [`flatten`] that does not copy a picture without alpha.
pub(super) fn flattened(picture: &Picture, background: [u8; 3]) -> Cow<'_, Picture> {
    if !picture.has_alpha() {
        return Cow::Borrowed(picture);
    }
    let (source, _) = picture.pixels.as_chunks::<4>();
    let mut pixels = vec![[0; 3]; source.len()];
    for (laid, &[red, green, blue, alpha]) in pixels.iter_mut().zip(source) {
        *laid = [mix(red, background[0], alpha), mix(green, background[1], alpha), mix(blue, background[2], alpha)];
    }
    Cow::Owned(Picture::new(picture.width, picture.height, Layout::Rgb, pixels.into_flattened()))
}

/// `over` on `under` at `alpha` of 255, rounded to nearest (255 is odd: there are no ties).
fn mix(over: u8, under: u8, alpha: u8) -> u8 {
    let alpha = u32::from(alpha);
    ((u32::from(over) * alpha + u32::from(under) * (255 - alpha) + 127) / 255) as u8
}

/// The largest size of the ratio of `size` inside `bounds`, at least one side of which it touches.
fn inside(size: (u32, u32), bounds: (u32, u32)) -> (u32, u32) {
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

fn lanczos() -> ResizeOptions {
    ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3)).use_alpha(true)
}

/// Takes the largest part of the ratio `width : height` from the centre of `picture`.
fn centre_crop(picture: &Picture, width: u32, height: u32) -> ResizeOptions {
    let (source_width, source_height) = (f64::from(picture.width), f64::from(picture.height));
    let scale = (source_width / f64::from(width)).min(source_height / f64::from(height));
    let (crop_width, crop_height) =
        (source_width.min(f64::from(width) * scale), source_height.min(f64::from(height) * scale));
    let (left, top) = ((source_width - crop_width) / 2.0, (source_height - crop_height) / 2.0);
    // A crop that isn't scaled stays on whole pixels, or half a pixel of shift would blur it.
    if scale == 1.0 {
        lanczos().crop(left.floor(), top.floor(), f64::from(width), f64::from(height))
    } else {
        lanczos().crop(left, top, crop_width, crop_height)
    }
}

fn resample(picture: &Picture, width: u32, height: u32, options: &ResizeOptions) -> Picture {
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

/// Where the pixels of a turned picture come from: the pixel at (x, y) is the source's pixel number
/// `origin + x * step_x + y * step_y`.
struct Turn {
    width: usize,
    height: usize,
    origin: usize,
    step_x: isize,
    step_y: isize,
}

/// Side of the squares that a turn works through, in pixels: rows of source and target that fit the
/// innermost cache.
const BLOCK: usize = 32;

impl Turn {
    /// A turn of a stored picture of `width` x `height`.
    fn new(width: usize, height: usize, orientation: Orientation) -> Turn {
        let (right, bottom) = (width - 1, (height - 1) * width);
        let down = width as isize;
        let (origin, step_x, step_y) = match orientation {
            Orientation::Upright => (0, 1, down),
            Orientation::FlipHorizontal => (right, -1, down),
            Orientation::Rotate180 => (bottom + right, -1, -down),
            Orientation::FlipVertical => (bottom, 1, -down),
            Orientation::Transpose => (0, down, 1),
            Orientation::Rotate90 => (bottom, -down, 1),
            Orientation::Transverse => (bottom + right, -down, -1),
            Orientation::Rotate270 => (right, down, -1),
        };
        let (width, height) = if orientation.swaps_sides() { (height, width) } else { (width, height) };
        Turn { width, height, origin, step_x, step_y }
    }

    /// Turns pixels of `N` bytes, block by block: along columns, a row a time would miss the cache at
    /// every pixel.
    fn apply<const N: usize>(&self, pixels: &[u8]) -> Vec<u8> {
        let (source, _) = pixels.as_chunks::<N>();
        let mut target = vec![[0; N]; source.len()];
        for top in (0..self.height).step_by(BLOCK) {
            for left in (0..self.width).step_by(BLOCK) {
                for y in top..self.height.min(top + BLOCK) {
                    let row = y * self.width;
                    let end = self.width.min(left + BLOCK);
                    let mut from = self.source_index(left, y);
                    for pixel in &mut target[row + left..row + end] {
                        *pixel = source[from];
                        from = from.wrapping_add_signed(self.step_x);
                    }
                }
            }
        }
        target.into_flattened()
    }

    fn source_index(&self, x: usize, y: usize) -> usize {
        self.origin.wrapping_add_signed(x as isize * self.step_x + y as isize * self.step_y)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ORIENTATIONS: [Orientation; 8] = [
        Orientation::Upright,
        Orientation::FlipHorizontal,
        Orientation::Rotate180,
        Orientation::FlipVertical,
        Orientation::Transpose,
        Orientation::Rotate90,
        Orientation::Transverse,
        Orientation::Rotate270,
    ];

    /// A picture whose every pixel is different.
    fn labelled(width: u32, height: u32, layout: Layout) -> Picture {
        let pixels =
            (0..width * height).flat_map(|label| label.to_le_bytes()[..layout.bytes_per_pixel()].to_vec()).collect();
        Picture::new(width, height, layout, pixels)
    }

    /// One letter a pixel, rows from the top.
    fn letters(rows: &[&str]) -> Picture {
        let pixels = rows.concat().bytes().flat_map(|letter| [letter; 3]).collect();
        Picture::new(rows[0].len() as u32, rows.len() as u32, Layout::Rgb, pixels)
    }

    fn flat(width: u32, height: u32, colour: [u8; 4]) -> Picture {
        Picture::new(width, height, Layout::Rgba, colour.repeat((width * height) as usize))
    }

    fn asked(width: Option<u32>, height: Option<u32>, fit: ResizeFit, enlarge: bool) -> Resize {
        Resize { width, height, fit, enlarge }
    }

    /// The upright picture by the words of EXIF 2.32 on tag 0x0112: which side of the scene the stored row 0
    /// and column 0 are.
    fn by_the_standard(picture: &Picture, orientation: Orientation) -> Picture {
        let (width, height) = orientation.upright_size(picture.width, picture.height);
        let size = picture.layout.bytes_per_pixel();
        let mut pixels = vec![0; picture.pixels.len()];
        for row in 0..picture.height {
            for column in 0..picture.width {
                let (from_right, from_bottom) = (width.wrapping_sub(1), height.wrapping_sub(1));
                let (x, y) = match orientation.to_exif() {
                    1 => (column, row),                            // row 0 top, column 0 left
                    2 => (from_right - column, row),               // top, right
                    3 => (from_right - column, from_bottom - row), // bottom, right
                    4 => (column, from_bottom - row),              // bottom, left
                    5 => (row, column),                            // left, top
                    6 => (from_right - row, column),               // right, top
                    7 => (from_right - row, from_bottom - column), // right, bottom
                    _ => (row, from_bottom - column),              // left, bottom
                };
                let from = (row * picture.width + column) as usize * size;
                let to = (y * width + x) as usize * size;
                pixels[to..to + size].copy_from_slice(&picture.pixels[from..from + size]);
            }
        }
        Picture::new(width, height, picture.layout, pixels)
    }

    #[test]
    fn every_orientation_turns_as_drawn() {
        let expected: [&[&str]; 8] = [
            &["abc", "def"],
            &["cba", "fed"],
            &["fed", "cba"],
            &["def", "abc"],
            &["ad", "be", "cf"],
            &["da", "eb", "fc"],
            &["fc", "eb", "da"],
            &["cf", "be", "ad"],
        ];
        for (orientation, rows) in ORIENTATIONS.into_iter().zip(expected) {
            assert_eq!(orient(letters(&["abc", "def"]), orientation), letters(rows), "{orientation:?}");
        }
    }

    #[test]
    fn every_orientation_turns_big_pictures_as_the_standard_says() {
        for (width, height) in [(1, 1), (1, 70), (70, 1), (32, 32), (33, 65), (100, 40)] {
            for layout in [Layout::Rgb, Layout::Rgba] {
                for orientation in ORIENTATIONS {
                    let picture = labelled(width, height, layout);
                    let expected = by_the_standard(&picture, orientation);
                    assert_eq!(orient(picture, orientation), expected, "{width}x{height} {layout:?} {orientation:?}");
                }
            }
        }
    }

    #[test]
    fn turns_compose() {
        use Orientation::*;
        for (first, second, both) in [
            (Rotate90, Rotate90, Rotate180),
            (Rotate90, Rotate270, Upright),
            (Rotate180, FlipHorizontal, FlipVertical),
            (Transpose, FlipHorizontal, Rotate90),
            (Transpose, FlipVertical, Rotate270),
            (Transpose, Rotate180, Transverse),
            (Transverse, Transverse, Upright),
        ] {
            let picture = labelled(37, 50, Layout::Rgb);
            let expected = orient(picture.clone(), both);
            assert_eq!(orient(orient(picture, first), second), expected, "{first:?} then {second:?}");
        }
    }

    #[test]
    fn sizes_are_those_that_users_expect() {
        use ResizeFit::*;
        let (some, none) = (Some, None);
        for (source, width, height, fit, enlarge, expected) in [
            ((4000, 3000), some(800), none, Inside, false, (800, 600)),
            ((4000, 3000), none, some(600), Cover, false, (800, 600)),
            ((4000, 3000), some(800), none, Fill, false, (800, 600)),
            ((4000, 3000), some(800), some(800), Inside, false, (800, 600)),
            ((4000, 3000), some(800), some(800), Cover, false, (800, 800)),
            ((4000, 3000), some(800), some(800), Fill, false, (800, 800)),
            ((400, 300), some(800), some(800), Inside, false, (400, 300)),
            ((400, 300), some(800), some(800), Inside, true, (800, 600)),
            ((400, 300), some(800), none, Inside, true, (800, 600)),
            ((400, 300), some(800), some(800), Cover, false, (300, 300)),
            ((400, 300), some(200), some(600), Cover, false, (100, 300)),
            ((400, 300), some(800), some(800), Cover, true, (800, 800)),
            ((400, 300), some(800), some(200), Fill, false, (400, 200)),
            ((400, 300), some(800), some(200), Fill, true, (800, 200)),
            ((3, 2), some(2), none, Inside, false, (2, 1)),
            ((1000, 667), some(500), none, Inside, false, (500, 334)),
            ((65_535, 1), some(100), none, Inside, false, (100, 1)),
            ((1, 65_535), some(65_535), none, Inside, true, (65_535, 4_294_836_225)),
        ] {
            let resize = asked(width, height, fit, enlarge);
            assert_eq!(resized_size(source.0, source.1, &resize), expected, "{source:?} {resize:?}");
        }
    }

    #[test]
    fn cover_keeps_the_centre() {
        let striped = letters(&["lllccccrrr"; 4]);
        let covered = resize(striped.clone(), &asked(Some(4), Some(4), ResizeFit::Cover, false));
        assert_eq!(covered, letters(&["cccc"; 4]));
        let small = resize(striped.clone(), &asked(Some(400), Some(400), ResizeFit::Cover, false));
        assert_eq!(small, letters(&["cccc"; 4]), "not scaled, so not blurred");
        let large = resize(striped.clone(), &asked(Some(8), Some(8), ResizeFit::Cover, true));
        assert!(large.pixels.iter().all(|value| value.abs_diff(b'c') <= 4), "l and r are further off");
    }

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
    fn an_odd_crop_that_is_not_scaled_copies_pixels() {
        let cropped = resize(letters(&["abcd"; 3]), &asked(Some(30), Some(30), ResizeFit::Cover, false));
        assert_eq!(cropped, letters(&["abc"; 3]));
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

    #[test]
    fn flattening_rounds_to_the_nearest_value() {
        for alpha in 0..=255_u8 {
            for (over, under) in [(0, 255), (255, 0), (200, 13), (7, 9), (255, 255)] {
                let exact =
                    f64::from(over) * f64::from(alpha) / 255.0 + f64::from(under) * f64::from(255 - alpha) / 255.0;
                let laid = flatten(&flat(1, 1, [over, over, over, alpha]), [under; 3]);
                assert_eq!(laid.pixels, [exact.round() as u8; 3], "{over} over {under} at {alpha}");
            }
        }
    }

    #[test]
    fn an_opaque_picture_flattens_to_itself() {
        let picture = letters(&["abc", "def"]);
        assert_eq!(flatten(&picture, [1, 2, 3]), picture);
    }

    prop_compose! {
        fn any_resize()(
            (width, height) in prop_oneof![
                (1..5000_u32).prop_map(|width| (Some(width), None)),
                (1..5000_u32).prop_map(|height| (None, Some(height))),
                (1..5000_u32, 1..5000_u32).prop_map(|(width, height)| (Some(width), Some(height))),
            ],
            fit in prop_oneof![Just(ResizeFit::Inside), Just(ResizeFit::Cover), Just(ResizeFit::Fill)],
            enlarge in any::<bool>(),
        ) -> Resize {
            asked(width, height, fit, enlarge)
        }
    }

    proptest! {
        #[test]
        fn no_side_is_over_what_was_asked_or_empty(
            width in 1..70_000_u32, height in 1..70_000_u32, resize in any_resize(),
        ) {
            let (out_width, out_height) = resized_size(width, height, &resize);
            prop_assert!(out_width >= 1 && out_height >= 1);
            prop_assert!(out_width <= resize.width.unwrap_or(u32::MAX));
            prop_assert!(out_height <= resize.height.unwrap_or(u32::MAX));
            prop_assert!(resize.enlarge || (out_width <= width && out_height <= height));
        }

        #[test]
        fn the_ratio_is_kept_to_the_nearest_pixel(
            width in 1..70_000_u32, height in 1..70_000_u32, mut resize in any_resize(),
        ) {
            resize.fit = ResizeFit::Inside;
            let (out_width, out_height) = resized_size(width, height, &resize);
            let exact_height = f64::from(out_width) * f64::from(height) / f64::from(width);
            let exact_width = f64::from(out_height) * f64::from(width) / f64::from(height);
            let near = |exact: f64, out: u32| (exact.max(1.0) - f64::from(out)).abs() <= 0.5;
            prop_assert!(near(exact_height, out_height) || near(exact_width, out_width));
        }

        #[test]
        fn a_resized_picture_has_the_promised_size(
            width in 1..40_u32, height in 1..40_u32, out_width in 1..60_u32, out_height in 1..60_u32,
            fit in prop_oneof![Just(ResizeFit::Inside), Just(ResizeFit::Cover), Just(ResizeFit::Fill)],
            enlarge in any::<bool>(), rgba in any::<bool>(),
        ) {
            let picture = labelled(width, height, if rgba { Layout::Rgba } else { Layout::Rgb });
            let asked = asked(Some(out_width), Some(out_height), fit, enlarge);
            let resized = resize(picture.clone(), &asked);
            prop_assert_eq!((resized.width, resized.height), resized_size(width, height, &asked));
            prop_assert_eq!(resized.layout, picture.layout);
        }
    }
}
