//! Turns pictures upright.

use crate::picture::{Layout, Orientation, Picture};

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
    use super::super::drawn::{labelled, letters};
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
}
