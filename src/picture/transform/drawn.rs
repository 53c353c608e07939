//! Pictures for the tests of transforms.

use crate::picture::{Layout, Picture};

/// A picture whose every pixel is different.
pub(super) fn labelled(width: u32, height: u32, layout: Layout) -> Picture {
    let pixels =
        (0..width * height).flat_map(|label| label.to_le_bytes()[..layout.bytes_per_pixel()].to_vec()).collect();
    Picture::new(width, height, layout, pixels)
}

/// One letter a pixel, rows from the top.
pub(super) fn letters(rows: &[&str]) -> Picture {
    let pixels = rows.concat().bytes().flat_map(|letter| [letter; 3]).collect();
    Picture::new(rows[0].len() as u32, rows.len() as u32, Layout::Rgb, pixels)
}

pub(super) fn flat(width: u32, height: u32, colour: [u8; 4]) -> Picture {
    Picture::new(width, height, Layout::Rgba, colour.repeat((width * height) as usize))
}
