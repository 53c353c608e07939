//! The size that a picture is asked to have.

use fast_image_resize::ResizeOptions;
use serde::{Deserialize, Serialize};

use super::gravity::Gravity;
use super::resample::{lanczos, resample, scale};
use super::smart;
use crate::named::named;
use crate::picture::{Layout, Picture};

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
        /// Fills both sides; gravity says what is cropped off. A picture too small for that, when it may not grow, is
        /// cropped to the asked ratio and not scaled.
        Cover = "cover",
        /// Stretches to both sides. When the picture may not grow, no side does.
        Fill = "fill",
        /// Fits inside both sides and fills the rest with the background; gravity says where the picture lies. The
        /// answer has the asked size even when the picture may not grow.
        Contain = "contain",
    }
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
        ResizeFit::Contain if both => (asked_width, asked_height),
        ResizeFit::Cover if both => inside((asked_width, asked_height), (width, height)),
        _ if resize.enlarge => inside((width, height), (asked_width, asked_height)),
        _ => inside((width, height), (asked_width.min(width), asked_height.min(height))),
    }
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

/// Applies `resize` around the centre, on white. A picture that already has that size is returned as it is.
pub fn resize(picture: Picture, resize: &Resize) -> Picture {
    resized(&picture, resize, Gravity::default(), [255; 3]).unwrap_or(picture)
}

/// What `resize` makes of `picture`. Returns `None` when the picture has the asked size already.
pub fn resized(picture: &Picture, resize: &Resize, gravity: Gravity, background: [u8; 3]) -> Option<Picture> {
    let (width, height) = resized_size(picture.width, picture.height, resize);
    match resize.fit {
        _ if (width, height) == (picture.width, picture.height) => None,
        ResizeFit::Inside | ResizeFit::Fill => Some(scale(picture, width, height)),
        ResizeFit::Cover => Some(resample(picture, width, height, &covering_part(picture, width, height, gravity))),
        ResizeFit::Contain => {
            let within = Resize { fit: ResizeFit::Inside, ..*resize };
            let scaled = resized(picture, &within, gravity, background);
            Some(padded(scaled.as_ref().unwrap_or(picture), (width, height), gravity, background))
        }
    }
}

/// `picture` on a canvas of `width` x `height`, which is `background` and opaque around it.
fn padded(picture: &Picture, (width, height): (u32, u32), gravity: Gravity, background: [u8; 3]) -> Picture {
    let [red, green, blue] = background;
    let mut pixels = match picture.layout {
        Layout::Rgb => background.repeat(width as usize * height as usize),
        Layout::Rgba => [red, green, blue, u8::MAX].repeat(width as usize * height as usize),
    };
    let pixel = picture.layout.bytes_per_pixel();
    let (left, top) = gravity.place_of((picture.width, picture.height), (width, height));
    let rows = pixels.chunks_exact_mut(width as usize * pixel).skip(top as usize);
    let own = picture.width as usize * pixel;
    for (row, source) in rows.zip(picture.pixels.chunks_exact(own)) {
        row[left as usize * pixel..][..own].copy_from_slice(source);
    }
    Picture::new(width, height, picture.layout, pixels)
}

/// Takes the largest part of the ratio `width : height` from `picture`, where `gravity` says.
fn covering_part(picture: &Picture, width: u32, height: u32, gravity: Gravity) -> ResizeOptions {
    let (source_width, source_height) = (f64::from(picture.width), f64::from(picture.height));
    let scale = (source_width / f64::from(width)).min(source_height / f64::from(height));
    let (crop_width, crop_height) =
        (source_width.min(f64::from(width) * scale), source_height.min(f64::from(height) * scale));
    let (left, top) = match gravity {
        Gravity::Smart => smart::best_window(picture, crop_width, crop_height),
        Gravity::Point { x, y } => (around(x, crop_width, source_width), around(y, crop_height, source_height)),
    };
    // A crop that isn't scaled stays on whole pixels, or half a pixel of shift would blur it.
    if scale == 1.0 {
        lanczos().crop(left.floor(), top.floor(), f64::from(width), f64::from(height))
    } else {
        lanczos().crop(left, top, crop_width, crop_height)
    }
}

/// Where a part of `length` begins whose middle is at the share `point` of `side`, or as near to it as the side allows.
fn around(point: f64, length: f64, side: f64) -> f64 {
    (point * side - length / 2.0).clamp(0.0, side - length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::super::drawn::{flat, labelled, letters};
    use super::*;
    use crate::picture::Layout;

    fn asked(width: Option<u32>, height: Option<u32>, fit: ResizeFit, enlarge: bool) -> Resize {
        Resize { width, height, fit, enlarge }
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
            ((4000, 3000), some(800), some(800), Contain, false, (800, 800)),
            ((400, 300), some(800), some(800), Contain, false, (800, 800)),
            ((400, 300), some(800), none, Contain, false, (400, 300)),
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
    fn gravity_says_what_cover_keeps() {
        let striped = letters(&["lllccccrrr"; 4]);
        let square = asked(Some(4), Some(4), ResizeFit::Cover, false);
        for (x, expected) in [(0.0, "lllc"), (0.2, "lllc"), (0.5, "cccc"), (0.75, "ccrr"), (1.0, "crrr")] {
            let kept = resized(&striped, &square, Gravity::Point { x, y: 0.3 }, [0; 3]).unwrap();
            let rows = [kept.pixels[0], kept.pixels[3], kept.pixels[6], kept.pixels[9]];
            assert_eq!(std::str::from_utf8(&rows).unwrap(), expected, "{x}");
        }
    }

    #[test]
    fn contain_pads_to_the_size_where_gravity_leaves_room() {
        let wide = letters(&["ab", "cd"]);
        let canvas = asked(Some(5), Some(2), ResizeFit::Contain, false);
        for (x, expected) in [(0.0, ["ab...", "cd..."]), (0.5, [".ab..", ".cd.."]), (1.0, ["...ab", "...cd"])] {
            let padded = resized(&wide, &canvas, Gravity::Point { x, y: 0.5 }, [b'.'; 3]).unwrap();
            assert_eq!(padded, letters(&expected), "{x}");
        }
        let clear = flat(2, 1, [1, 2, 3, 0]);
        let padded =
            resized(&clear, &asked(Some(2), Some(3), ResizeFit::Contain, true), Gravity::Smart, [7, 8, 9]).unwrap();
        assert_eq!(
            padded.pixels,
            [[7, 8, 9, 255], [7, 8, 9, 255], [1, 2, 3, 0], [1, 2, 3, 0], [7, 8, 9, 255], [7, 8, 9, 255]].concat()
        );
    }

    #[test]
    fn an_odd_crop_that_is_not_scaled_copies_pixels() {
        let cropped = resize(letters(&["abcd"; 3]), &asked(Some(30), Some(30), ResizeFit::Cover, false));
        assert_eq!(cropped, letters(&["abc"; 3]));
    }

    prop_compose! {
        fn any_resize()(
            (width, height) in prop_oneof![
                (1..5000_u32).prop_map(|width| (Some(width), None)),
                (1..5000_u32).prop_map(|height| (None, Some(height))),
                (1..5000_u32, 1..5000_u32).prop_map(|(width, height)| (Some(width), Some(height))),
            ],
            fit in select(ResizeFit::ALL),
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
            let may_grow = resize.enlarge || resize.fit == ResizeFit::Contain;
            prop_assert!(may_grow || (out_width <= width && out_height <= height));
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
            fit in select(ResizeFit::ALL),
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
