//! Reads an overlay: pictures that lie one over the other on a canvas (HEIF s6.6.2.2, item iovl).

use std::borrow::Cow;

use super::meta::{Meta, frames};
use super::{Coding, Still};
use crate::codec::boxes::{Cursor, find};
use crate::picture::Orientation;
use crate::picture::transform::Area;

/// Maximum number of pictures in an overlay (HEIF would allow 65,535).
const MAX_LAYERS: usize = 64;

/// Pictures on a canvas, and what happens to the canvas.
#[derive(Debug)]
pub(in crate::codec) struct Overlay<'a> {
    pub width: u32,
    pub height: u32,
    /// Red, green, blue and alpha where no picture lies.
    pub fill: [u8; 4],
    /// From the bottom up.
    pub layers: Vec<Layer<'a>>,
    /// The part of the canvas that is shown, before the orientation.
    pub crop: Option<Area>,
    pub orientation: Orientation,
    pub exif: Option<Cow<'a, [u8]>>,
    pub xmp: Option<Cow<'a, [u8]>>,
    /// Frames of the longest track; 0 when the file is not a sequence.
    pub frames: u32,
}

/// A picture, and where its upper left corner lies on the canvas. It may reach beyond the canvas.
#[derive(Debug)]
pub(in crate::codec) struct Layer<'a> {
    pub left: i32,
    pub top: i32,
    pub still: Still<'a>,
}

/// Reads the overlay of a HEIC whose primary item is one.
///
/// Returns the reason as a text.
pub(in crate::codec) fn parse_overlay(bytes: &[u8]) -> Result<Overlay<'_>, &'static str> {
    let meta = find(bytes, b"meta").and_then(|meta| meta.get(4..)).ok_or("its description is cut short")?;
    Meta::read(bytes, meta, Coding::Hevc)?.overlay(find(bytes, b"moov").map_or(0, frames))
}

impl<'a> Meta<'a> {
    fn overlay(&self, frames: u32) -> Result<Overlay<'a>, &'static str> {
        let item = self.item(self.primary).ok_or("its primary picture is missing")?;
        if self.alpha_of(item).is_some() {
            return Err("its overlay has a transparency of its own, which is not supported");
        }
        let body = self.bytes_of(item).ok_or("its overlay lies outside the file")?;
        let ids: Vec<u32> = self.referred(b"dimg", item.id).take(MAX_LAYERS + 1).collect();
        if ids.is_empty() || ids.len() > MAX_LAYERS {
            return Err("its overlay has the wrong number of pictures");
        }
        self.check_essential(item.id)?;
        self.check_order(item.id)?;
        let canvas = Canvas::read(&body, ids.len()).ok_or("its overlay is damaged")?;
        let layer = |(&id, (left, top)): (&u32, (i32, i32))| -> Result<Layer<'a>, &'static str> {
            let item = self.item(id).ok_or("a picture of its overlay is missing")?;
            Ok(Layer { left, top, still: self.still_of(item, 0)? })
        };
        Ok(Overlay {
            width: canvas.width,
            height: canvas.height,
            fill: canvas.fill,
            layers: ids.iter().zip(canvas.corners).map(layer).collect::<Result<_, _>>()?,
            crop: self.crop(item.id, canvas.width, canvas.height),
            orientation: self.orientation(item.id),
            exif: self.exif(item.id),
            xmp: self.xmp(item.id),
            frames,
        })
    }
}

/// The fields of an overlay.
struct Canvas {
    fill: [u8; 4],
    width: u32,
    height: u32,
    /// The left and the upper side of each picture.
    corners: Vec<(i32, i32)>,
}

impl Canvas {
    fn read(body: &[u8], layers: usize) -> Option<Canvas> {
        let is_wide = body.get(1)? & 1 == 1;
        let mut fields = Cursor { bytes: body, at: 2 };
        let mut fill = [0; 4];
        for level in &mut fill {
            *level = (fields.number(2)? >> 8) as u8;
        }
        let mut side = || fields.number(if is_wide { 4 } else { 2 }).map(|side| side as u32);
        let (width, height) = (side()?, side()?);
        let mut offset = || side().map(|side| if is_wide { side as i32 } else { i32::from(side as u16 as i16) });
        let corners = (0..layers).map(|_| Some((offset()?, offset()?))).collect::<Option<_>>()?;
        Some(Canvas { fill, width, height, corners })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_have_a_sign_in_both_widths() {
        let fill = [0xFF, 0xFF, 0x80, 0, 0, 0, 0x40, 0];
        let narrow = [&[0, 0][..], &fill, &[0, 9, 0, 5, 0xFF, 0xFE, 0, 3]].concat();
        let wide = [&[0, 1][..], &fill, &[0, 0, 0, 9, 0, 0, 0, 5, 0xFF, 0xFF, 0xFF, 0xFE, 0, 0, 0, 3]].concat();
        for body in [narrow, wide] {
            let canvas = Canvas::read(&body, 1).unwrap();
            assert_eq!((canvas.width, canvas.height, canvas.fill), (9, 5, [255, 128, 0, 64]));
            assert_eq!(canvas.corners, [(-2, 3)]);
            assert!((0..body.len()).all(|end| Canvas::read(&body[..end], 1).is_none()));
        }
    }
}
