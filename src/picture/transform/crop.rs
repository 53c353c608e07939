//! The part of a picture that is cut out.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::picture::Picture;

/// A part to cut out of an upright picture.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Crop {
    /// From the left edge of the picture.
    pub left: Length,
    /// From the top edge of the picture.
    pub top: Length,
    /// More than zero.
    pub width: Length,
    /// More than zero.
    pub height: Length,
}

/// A distance along a side of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Length {
    /// Whole pixels.
    Pixels(u32),
    /// Percent of the side, 0 to 100. Edges are rounded to the nearest pixel.
    Percent(f64),
}

/// The crop reaches beyond the picture.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("crop: {crop} reaches beyond the picture, which has {width}x{height} pixels")]
pub struct CropOutside {
    /// The crop asked for.
    pub crop: Crop,
    /// Width of the upright picture, in pixels.
    pub width: u32,
    /// Height of the upright picture, in pixels.
    pub height: u32,
}

/// A part of a picture in pixels, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Area {
    pub left: u32,
    pub top: u32,
    pub width: u32,
    pub height: u32,
}

impl Crop {
    /// The part of a picture of `width` x `height` that this is.
    ///
    /// # Errors
    /// [`CropOutside`] when a part of it lies outside the picture.
    pub(super) fn area(&self, width: u32, height: u32) -> Result<Area, CropOutside> {
        let across = span(self.left, self.width, width);
        let down = span(self.top, self.height, height);
        match (across, down) {
            (Some((left, cut_width)), Some((top, cut_height))) => {
                Ok(Area { left, top, width: cut_width, height: cut_height })
            }
            _ => Err(CropOutside { crop: *self, width, height }),
        }
    }
}

/// Start and length on a side of `side` pixels. Returns `None` when they reach beyond it.
fn span(start: Length, length: Length, side: u32) -> Option<(u32, u32)> {
    let first = start.pixels(side);
    let pixels = match (start, length) {
        // Rounds both edges, so that parts that meet in percent meet in pixels.
        (Length::Percent(from), Length::Percent(part)) => Length::Percent(from + part).pixels(side) - first,
        _ => length.pixels(side),
    };
    let pixels = pixels.max(1);
    // A part of less than a pixel at the very end is the last pixel.
    let first = if matches!(start, Length::Percent(_)) { first.min(side - 1) } else { first };
    (first.checked_add(pixels)? <= side).then_some((first, pixels))
}

impl Length {
    fn pixels(self, side: u32) -> u32 {
        match self {
            Length::Pixels(pixels) => pixels,
            Length::Percent(percent) => (f64::from(side) * percent / 100.0).round() as u32,
        }
    }
}

impl fmt::Display for Crop {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{},{},{},{}", self.left, self.top, self.width, self.height)
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Length::Pixels(pixels) => write!(f, "{pixels}"),
            Length::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// Copies `area` out of `picture`, inside which it must be.
pub(crate) fn cut(picture: &Picture, area: Area) -> Picture {
    let pixel = picture.layout.bytes_per_pixel();
    let row = picture.width as usize * pixel;
    let columns = area.left as usize * pixel..(area.left + area.width) as usize * pixel;
    let rows = picture.pixels.chunks_exact(row).skip(area.top as usize).take(area.height as usize);
    let mut pixels = Vec::with_capacity(columns.len() * area.height as usize);
    rows.for_each(|row| pixels.extend_from_slice(&row[columns.clone()]));
    Picture::new(area.width, area.height, picture.layout, pixels)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::drawn::letters;
    use super::Length::{Percent, Pixels};
    use super::*;

    fn crop(left: Length, top: Length, width: Length, height: Length) -> Crop {
        Crop { left, top, width, height }
    }

    fn area(crop: Crop, width: u32, height: u32) -> Option<(u32, u32, u32, u32)> {
        crop.area(width, height).ok().map(|area| (area.left, area.top, area.width, area.height))
    }

    #[test]
    fn a_crop_is_the_part_that_it_names() {
        let pixels = crop(Pixels(10), Pixels(20), Pixels(30), Pixels(40));
        assert_eq!(area(pixels, 100, 100), Some((10, 20, 30, 40)));
        assert_eq!(area(pixels, 40, 60), Some((10, 20, 30, 40)), "up to the edges");
        let percent = crop(Percent(10.0), Percent(0.0), Percent(50.0), Percent(100.0));
        assert_eq!(area(percent, 200, 50), Some((20, 0, 100, 50)));
        let mixed = crop(Percent(50.0), Pixels(1), Pixels(9), Percent(10.0));
        assert_eq!(area(mixed, 20, 30), Some((10, 1, 9, 3)));
        let tiny = crop(Percent(99.9), Percent(0.0), Percent(0.1), Percent(0.01));
        assert_eq!(area(tiny, 10, 10), Some((9, 0, 1, 1)), "at least a pixel");
    }

    #[test]
    fn a_crop_beyond_the_picture_is_refused_with_both_sizes() {
        for (left, width) in [(10, 31), (40, 1), (u32::MAX, 1), (1, u32::MAX)] {
            let outside = crop(Pixels(left), Pixels(0), Pixels(width), Pixels(1));
            let error = outside.area(40, 30).unwrap_err();
            assert_eq!((error.width, error.height), (40, 30));
            assert!(error.to_string().contains(&format!("{left},0,{width},1 reaches beyond")), "{error}");
        }
    }

    #[test]
    fn cutting_copies_the_pixels() {
        let area = Area { left: 1, top: 1, width: 2, height: 2 };
        assert_eq!(cut(&letters(&["abcd", "efgh", "ijkl"]), area), letters(&["fg", "jk"]));
    }

    proptest! {
        #[test]
        fn parts_that_meet_in_percent_meet_in_pixels(side in 100..5000_u32, at in 1.0..99.0_f64) {
            let (first, second) = (
                span(Percent(0.0), Percent(at), side).unwrap(),
                span(Percent(at), Percent(100.0 - at), side).unwrap(),
            );
            prop_assert_eq!(first.0 + first.1, second.0);
            prop_assert_eq!(second.0 + second.1, side);
        }
    }
}
