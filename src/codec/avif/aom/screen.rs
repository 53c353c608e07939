//! Whether a picture is text or flat art rather than a photograph. Must not know libaom.

use crate::picture::Picture;

/// Pixels a side of the blocks looked at.
const BLOCK: usize = 16;

/// Blocks looked at, at the most.
const MAX_BLOCKS: usize = 2000;

/// Colours that a block of text or flat art has at the most, the shades at the edges of letters included: a few in
/// drawn art and bitmap fonts, some thirty where edges are smooth. Of a photograph a block has over a hundred.
const FEW_COLOURS: usize = 40;

/// Whether three of four blocks of more than one colour have few of them. A photographed thing on plain white is no
/// flat art.
pub fn is_screen_content(picture: &Picture) -> bool {
    let (columns, rows) = (picture.width() as usize / BLOCK, picture.height() as usize / BLOCK);
    let every = (columns * rows).div_ceil(MAX_BLOCKS).max(1);
    let counts = (0..columns * rows).step_by(every).map(|block| {
        let (row, column) = (block / columns, block % columns);
        colours(picture, column * BLOCK, row * BLOCK)
    });
    let (mut telling, mut few) = (0, 0);
    for count in counts.filter(|count| *count > 1) {
        telling += 1;
        few += usize::from(count <= FEW_COLOURS);
    }
    telling > 0 && few * 4 >= telling * 3
}

/// The colours of a block, counted up to one more than [`FEW_COLOURS`].
fn colours(picture: &Picture, left: usize, top: usize) -> usize {
    let size = picture.layout().bytes_per_pixel();
    let stride = picture.width() as usize * size;
    let mut known: Vec<&[u8]> = Vec::with_capacity(FEW_COLOURS + 1);
    for y in top..top + BLOCK {
        let row = &picture.pixels()[y * stride + left * size..][..BLOCK * size];
        for pixel in row.chunks_exact(size) {
            // Most pixels have the colour of the last one that was new.
            if !known.iter().rev().any(|colour| *colour == pixel) {
                known.push(pixel);
            }
            if known.len() > FEW_COLOURS {
                return known.len();
            }
        }
    }
    known.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Layout;

    fn drawn(pixel: impl Fn(usize, usize) -> [u8; 3]) -> Picture {
        let pixels = (0..200 * 300).flat_map(|place| pixel(place % 300, place / 300)).collect();
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
    fn a_photographed_thing_on_white_is_not() {
        let on_white = drawn(|x, y| if x < 240 { [255; 3] } else { [grain(x, y), 90 + grain(y, x), 40] });
        assert!(!is_screen_content(&on_white));
    }

    #[test]
    fn nothing_is_said_of_one_colour() {
        assert!(!is_screen_content(&drawn(|_, _| [9; 3])));
        assert!(!is_screen_content(&Picture::new(1, 1, Layout::Rgb, vec![1, 2, 3])));
    }
}
