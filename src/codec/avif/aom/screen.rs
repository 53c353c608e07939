//! Tells text and flat art from photographs.

use std::array;

use crate::picture::{Layout, Picture};

/// Pixels on a side of the blocks that are examined.
const BLOCK: usize = 16;

/// At most so many blocks are examined.
const MAX_BLOCKS: usize = 2000;

/// A block counts when a channel has so many levels between its darkest and its brightest pixel. Smooth blocks have few
/// colours in photographs too.
const CONTRAST: u8 = 48;

/// At most so many colours are in a block of text or flat art, with the shades at the edges of letters.
const FEW_COLOURS: usize = 40;

/// Whether two of five blocks with an edge in them have few colours: docs/model.md, AVIF.
pub(super) fn is_screen_content(picture: &Picture) -> bool {
    let (columns, rows) = (picture.width() as usize / BLOCK, picture.height() as usize / BLOCK);
    let every = (columns * rows).div_ceil(MAX_BLOCKS).max(1);
    let (mut edged, mut few) = (0, 0);
    for block in (0..columns * rows).step_by(every) {
        let (row, column) = (block / columns, block % columns);
        if let Some(has_few) = has_few_colours(&Block { picture, left: column * BLOCK, top: row * BLOCK }) {
            edged += 1;
            few += usize::from(has_few);
        }
    }
    edged > 0 && few * 5 >= edged * 2
}

struct Block<'a> {
    picture: &'a Picture,
    left: usize,
    top: usize,
}

impl<'a> Block<'a> {
    fn rows(&self) -> impl Iterator<Item = &'a [u8]> {
        let size = self.picture.layout().bytes_per_pixel();
        let (stride, left) = (self.picture.width() as usize * size, self.left * size);
        let rows = self.picture.pixels().chunks_exact(stride).skip(self.top).take(BLOCK);
        rows.map(move |row| &row[left..left + BLOCK * size])
    }

    /// Whether a channel has [`CONTRAST`] levels between its darkest and its brightest pixel.
    fn has_edge<const N: usize>(&self) -> bool {
        let (mut darkest, mut brightest) = ([u8::MAX; N], [0; N]);
        for pixel in self.rows().flat_map(|row| row.as_chunks::<N>().0) {
            darkest = array::from_fn(|channel| darkest[channel].min(pixel[channel]));
            brightest = array::from_fn(|channel| brightest[channel].max(pixel[channel]));
        }
        brightest.iter().zip(darkest).take(3).any(|(bright, dark)| bright - dark >= CONTRAST)
    }

    /// Whether there are at most [`FEW_COLOURS`].
    fn has_few_colours<const N: usize>(&self) -> bool {
        let mut colours = self.rows().flat_map(|row| row.as_chunks::<N>().0).map(colour);
        let mut known = [colours.next().unwrap_or_default(); FEW_COLOURS];
        let mut count = 1;
        for colour in colours {
            // All places are compared, so that there is no branch for each.
            if known.iter().fold(false, |is_known, known| is_known | (*known == colour)) {
                continue;
            }
            if count == FEW_COLOURS {
                return false;
            }
            known[count] = colour;
            count += 1;
        }
        true
    }
}

/// A pixel of `N` bytes as a number.
fn colour<const N: usize>(pixel: &[u8; N]) -> u32 {
    let mut bytes = [0; 4];
    bytes[..N].copy_from_slice(pixel);
    u32::from_ne_bytes(bytes)
}

/// Whether a block has few colours. Returns `None` for a block without an edge.
fn has_few_colours(block: &Block<'_>) -> Option<bool> {
    match block.picture.layout() {
        Layout::Rgb => block.has_edge::<3>().then(|| block.has_few_colours::<3>()),
        Layout::Rgba => block.has_edge::<4>().then(|| block.has_few_colours::<4>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(pixel: impl Fn(usize, usize) -> [u8; 3]) -> Picture {
        let pixels = (0..200 * 300).flat_map(|index| pixel(index % 300, index / 300)).collect();
        Picture::new(300, 200, Layout::Rgb, pixels)
    }

    fn grain(x: usize, y: usize) -> u8 {
        ((x * 7919 + y * 104_729).wrapping_mul(2_654_435_761) >> 7) as u8 % 64
    }

    #[test]
    fn bars_are_and_grain_is_not() {
        assert!(is_screen_content(&drawn(|x, y| if (x / 10 + y / 7) % 3 == 0 { [200, 20, 20] } else { [255; 3] })));
        assert!(!is_screen_content(&drawn(|x, y| [grain(x, y), 90 + grain(y, x), 40])));
    }

    #[test]
    fn what_is_smooth_is_not() {
        assert!(!is_screen_content(&drawn(|x, y| [(x / 3) as u8, (y / 2) as u8, 40])));
        // A grey photograph has few colours everywhere.
        let grey = |x: usize, y: usize| 60 + grain(x, y) + if x > 150 { 90 } else { 0 };
        assert!(!is_screen_content(&drawn(|x, y| [grey(x, y); 3])));
    }

    #[test]
    fn a_photographed_thing_on_white_is_not() {
        let on_white = drawn(|x, y| if x < 240 { [255; 3] } else { [grain(x, y), 90 + grain(y, x), 40] });
        assert!(!is_screen_content(&on_white));
    }

    #[test]
    fn a_block_has_few_colours_up_to_forty() {
        for layout in [Layout::Rgb, Layout::Rgba] {
            let size = layout.bytes_per_pixel();
            for (count, expected) in
                [(1, None), (2, Some(true)), (FEW_COLOURS, Some(true)), (FEW_COLOURS + 1, Some(false))]
            {
                // The last byte alone tells the colours from the second on.
                let pixel = |index: usize| {
                    let mut pixel = vec![if index.is_multiple_of(count) { 0 } else { 100 }; size];
                    pixel[size - 1] = (index % count) as u8;
                    pixel
                };
                let picture = Picture::new(16, 16, layout, (0..BLOCK * BLOCK).flat_map(pixel).collect());
                assert_eq!(
                    has_few_colours(&Block { picture: &picture, left: 0, top: 0 }),
                    expected,
                    "{layout:?} {count}"
                );
            }
        }
    }

    #[test]
    fn nothing_is_said_of_one_colour() {
        assert!(!is_screen_content(&drawn(|_, _| [9; 3])));
        assert!(!is_screen_content(&Picture::new(1, 1, Layout::Rgb, vec![1, 2, 3])));
    }
}
