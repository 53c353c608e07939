//! Whether a picture is text or flat art rather than a photograph. Must not know libaom.

use crate::picture::Picture;

/// Pixels a side of the blocks looked at.
const BLOCK: usize = 16;

/// Blocks looked at, at the most.
const MAX_BLOCKS: usize = 2000;

/// Levels between the darkest and the brightest of a channel from which on a block tells: what is smooth has few colours
/// whatever it shows.
const CONTRAST: u8 = 48;

/// Colours that a block of text or flat art has at the most, the shades at the edges of letters included: a few in
/// drawn art and bitmap fonts, some thirty where edges are smooth.
const FEW_COLOURS: usize = 40;

/// Whether two of five blocks with an edge in them have few colours: of 46 photographs at three sizes at the most 7 % of
/// those blocks, and 33 % when they are made grey; of drawn text 56 to 70 %, of flat art all.
pub fn is_screen_content(picture: &Picture) -> bool {
    let (columns, rows) = (picture.width() as usize / BLOCK, picture.height() as usize / BLOCK);
    let every = (columns * rows).div_ceil(MAX_BLOCKS).max(1);
    let (mut telling, mut few) = (0, 0);
    for block in (0..columns * rows).step_by(every) {
        let (row, column) = (block / columns, block % columns);
        if let Some(has_few) = has_few_colours(&Block { picture, left: column * BLOCK, top: row * BLOCK }) {
            telling += 1;
            few += usize::from(has_few);
        }
    }
    telling > 0 && few * 5 >= telling * 2
}

struct Block<'a> {
    picture: &'a Picture,
    left: usize,
    top: usize,
}

impl<'a> Block<'a> {
    fn pixels(&self) -> impl Iterator<Item = &'a [u8]> {
        let size = self.picture.layout().bytes_per_pixel();
        let (stride, left) = (self.picture.width() as usize * size, self.left * size);
        let rows = self.picture.pixels().chunks_exact(stride).skip(self.top).take(BLOCK);
        rows.flat_map(move |row| row[left..left + BLOCK * size].chunks_exact(size))
    }
}

/// Whether a block has few colours; nothing where it has no edge.
fn has_few_colours(block: &Block<'_>) -> Option<bool> {
    let (mut darkest, mut brightest) = ([u8::MAX; 3], [0; 3]);
    let mut known: Vec<&[u8]> = Vec::with_capacity(FEW_COLOURS + 1);
    for pixel in block.pixels() {
        for (channel, value) in pixel[..3].iter().enumerate() {
            darkest[channel] = darkest[channel].min(*value);
            brightest[channel] = brightest[channel].max(*value);
        }
        // Most pixels have the colour of the last one that was new.
        if known.len() <= FEW_COLOURS && !known.iter().rev().any(|colour| *colour == pixel) {
            known.push(pixel);
        }
    }
    let has_edge = brightest.iter().zip(darkest).any(|(bright, dark)| bright - dark >= CONTRAST);
    has_edge.then_some(known.len() <= FEW_COLOURS)
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
    fn nothing_is_said_of_one_colour() {
        assert!(!is_screen_content(&drawn(|_, _| [9; 3])));
        assert!(!is_screen_content(&Picture::new(1, 1, Layout::Rgb, vec![1, 2, 3])));
    }
}
