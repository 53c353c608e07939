//! A sample of a picture: square tiles spread over it, side by side.

use super::crop::{Area, cut};
use crate::picture::Picture;

/// `across` x `down` tiles of `side` pixels, from places that are spread evenly over `picture`. Returns `None` when
/// they would have as many pixels as the picture, or do not fit into it.
pub(crate) fn tiles(picture: &Picture, side: u32, (across, down): (u32, u32)) -> Option<Picture> {
    let (width, height) = (side * across, side * down);
    if width > picture.width || height > picture.height || (width, height) == (picture.width, picture.height) {
        return None;
    }
    // The middle of each of as many parts as there are tiles.
    let start = |index: u32, count: u32, length: u32| length * (2 * index + 1) / (2 * count) - side / 2;
    let pixel = picture.layout.bytes_per_pixel();
    let mut pixels = Vec::with_capacity(width as usize * height as usize * pixel);
    for row in 0..down {
        let top = start(row, down, picture.height);
        let cut_at =
            |column| cut(picture, Area { left: start(column, across, picture.width), top, width: side, height: side });
        let tiles: Vec<Picture> = (0..across).map(cut_at).collect();
        for line in 0..side as usize {
            let bytes = side as usize * pixel;
            tiles.iter().for_each(|tile| pixels.extend_from_slice(&tile.pixels[line * bytes..][..bytes]));
        }
    }
    Some(Picture::new(width, height, picture.layout, pixels))
}

#[cfg(test)]
mod tests {
    use super::super::drawn;
    use super::*;
    use crate::picture::Layout;

    fn labelled(width: u32, height: u32) -> Picture {
        drawn::labelled(width, height, Layout::Rgb)
    }

    #[test]
    fn tiles_come_from_places_spread_over_the_picture() {
        let picture = labelled(40, 20);
        let sample = tiles(&picture, 4, (2, 1)).unwrap();
        assert_eq!((sample.width, sample.height), (8, 4));
        let pixel = |picture: &Picture, x: usize, y: usize| {
            picture.pixels[(y * picture.width as usize + x) * 3..][..3].to_vec()
        };
        assert_eq!(pixel(&sample, 0, 0), pixel(&picture, 8, 8), "the first quarter's middle, less half a tile");
        assert_eq!(pixel(&sample, 7, 3), pixel(&picture, 31, 11));
    }

    #[test]
    fn a_picture_that_is_no_larger_than_its_tiles_has_none() {
        let picture = labelled(24, 12);
        assert!(tiles(&picture, 12, (2, 1)).is_none() && tiles(&picture, 13, (1, 1)).is_none());
        assert!(tiles(&picture, 12, (1, 1)).is_some());
    }
}
