//! Hidden colour: that of pixels that are wholly transparent. Many files have it, and a lossy encoder spends bytes on
//! it.

use std::borrow::Cow;

use super::Picture;

/// Pixels on a side of a block: the smallest that the lossy formats transform.
const BLOCK: usize = 8;

/// `picture` with one colour in every block that is wholly transparent: that of the last visible block.
pub(crate) fn without_hidden_colours(picture: &Picture) -> Cow<'_, Picture> {
    if !picture.has_alpha() || picture.pixels.chunks_exact(4).all(|pixel| pixel[3] != 0) {
        return Cow::Borrowed(picture);
    }
    let (width, height) = (picture.width as usize, picture.height as usize);
    let mut pixels = picture.pixels.clone();
    let (all, _) = pixels.as_chunks_mut::<4>();
    let mut seen = [128; 3];
    for top in (0..height).step_by(BLOCK) {
        for left in (0..width).step_by(BLOCK) {
            let right = (left + BLOCK).min(width);
            let rows = top..(top + BLOCK).min(height);
            match mean_colour(rows.clone().flat_map(|y| &all[y * width..][left..right])) {
                Some(colour) => seen = colour,
                None => rows.for_each(|y| all[y * width..][left..right].fill([seen[0], seen[1], seen[2], 0])),
            }
        }
    }
    Cow::Owned(Picture::new(picture.width, picture.height, picture.layout, pixels))
}

/// The mean colour of the visible pixels. Returns `None` when there are none.
fn mean_colour<'a>(pixels: impl Iterator<Item = &'a [u8; 4]>) -> Option<[u8; 3]> {
    let (mut sums, mut count) = ([0u32; 3], 0);
    for [red, green, blue, _] in pixels.filter(|pixel| pixel[3] > 0) {
        for (sum, value) in sums.iter_mut().zip([red, green, blue]) {
            *sum += u32::from(*value);
        }
        count += 1;
    }
    (count > 0).then(|| sums.map(|sum| (sum / count) as u8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Layout;

    fn drawn(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 4]) -> Picture {
        let points = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        Picture::new(width, height, Layout::Rgba, points.flat_map(|(x, y)| pixel(x, y)).collect())
    }

    #[test]
    fn what_can_be_seen_stays_and_what_can_not_takes_its_colour() {
        let picture = drawn(21, 13, |x, y| [(x * y) as u8, 40, 90, if x < 5 { 200 } else { 0 }]);
        let cleared = without_hidden_colours(&picture);
        for (at, (before, after)) in picture.pixels.chunks_exact(4).zip(cleared.pixels.chunks_exact(4)).enumerate() {
            assert_eq!(before[3], after[3]);
            match at % 21 {
                // Blocks that can be seen in part stay whole.
                0..8 => assert_eq!(before, after),
                _ => assert_eq!(after[1..], [40, 90, 0]),
            }
        }
    }

    #[test]
    fn a_picture_without_hidden_pixels_is_not_copied() {
        let picture = drawn(9, 9, |x, _| [1, 2, 3, 1 + x as u8]);
        assert!(matches!(without_hidden_colours(&picture), Cow::Borrowed(_)));
    }

    #[test]
    fn nothing_to_be_seen_is_one_colour() {
        let cleared = without_hidden_colours(&drawn(30, 9, |x, y| [x as u8, y as u8, 3, 0])).into_owned();
        assert!(cleared.pixels.chunks_exact(4).all(|pixel| pixel == [128, 128, 128, 0]));
    }
}
