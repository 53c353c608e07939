//! Lays the pictures of an overlay one over the other.

use super::decode::refused;
use crate::codec::heif::assemble;
use crate::codec::heif::{Overlay, Still};
use crate::codec::limits::SizeLimit;
use crate::codec::rights::Rights;
use crate::codec::{DecodeError, Decoded, Format, Limits, Metadata, keep_metadata};
use crate::picture::transform::{cut, orient};
use crate::picture::{Layout, Picture};

/// Maximum number of tiles of all pictures. Each takes part of a block more than is shown of it.
const MAX_TILES: usize = 1024;

/// Checks the canvas, every picture on it, and all of them together against the limits.
///
/// # Errors
/// [`DecodeError::TooManyPixels`], [`DecodeError::Undecodable`].
pub(super) fn check(overlay: &Overlay<'_>, limits: &Limits) -> Result<(), DecodeError> {
    let Overlay { width, height, frames, .. } = *overlay;
    limits.check_size(Format::Heic, width, height)?;
    limits.check_frames(frames, width, height)?;
    let (mut pixels, mut tiles) = (0, 0);
    for layer in &overlay.layers {
        assemble::check(&layer.still, Format::Heic, limits)?;
        let colour = &layer.still.colour;
        pixels += u64::from(colour.width) * u64::from(colour.height);
        tiles += colour.tiles.len();
    }
    if pixels > limits.max_pixels {
        return Err(DecodeError::TooManyPixels { width, height, limit: SizeLimit::Pixels(limits.max_pixels) });
    }
    if tiles > MAX_TILES {
        return Err(refused("its overlay has too many tiles"));
    }
    Ok(())
}

/// The canvas with every picture on it, each as `decode` decodes it.
///
/// # Errors
/// Those of `decode`.
pub(super) fn composed(
    overlay: &Overlay<'_>,
    limits: &Limits,
    decode: impl Fn(&Still<'_>) -> Result<Decoded, DecodeError>,
) -> Result<Decoded, DecodeError> {
    let mut canvas = Canvas::filled(overlay.width, overlay.height, overlay.fill);
    for layer in &overlay.layers {
        let Decoded { picture, orientation, .. } = decode(&layer.still)?;
        canvas.lay(&orient(picture, orientation), i64::from(layer.left), i64::from(layer.top));
    }
    let picture = canvas.picture();
    Ok(Decoded {
        picture: match overlay.crop {
            Some(area) => cut(&picture, area),
            None => picture,
        },
        orientation: overlay.orientation,
        metadata: Metadata {
            exif: keep_metadata(overlay.exif.as_deref(), limits),
            xmp: keep_metadata(overlay.xmp.as_deref(), limits),
            density: None,
        },
        rights: Rights::default(),
        as_stored: false,
        damaged: false,
    })
}

struct Canvas {
    width: u32,
    height: u32,
    layout: Layout,
    pixels: Vec<u8>,
}

impl Canvas {
    /// A canvas of one colour, with alpha unless that is opaque.
    fn filled(width: u32, height: u32, fill: [u8; 4]) -> Canvas {
        let layout = layout(fill);
        let pixels = fill[..layout.bytes_per_pixel()].repeat(width as usize * height as usize);
        Canvas { width, height, layout, pixels }
    }

    fn picture(self) -> Picture {
        Picture::new(self.width, self.height, self.layout, self.pixels)
    }

    /// Lays `over` with its upper left corner at `left` and `top`. What is beyond the canvas is cut off.
    fn lay(&mut self, over: &Picture, left: i64, top: i64) {
        let (size, of_over) = (self.layout.bytes_per_pixel(), over.layout().bytes_per_pixel());
        let rows = over.pixels().chunks_exact(over.width() as usize * of_over);
        let columns = visible(left, over.width(), self.width);
        if columns.is_empty() {
            return;
        }
        let start = (left + columns.start as i64).max(0) as usize;
        for (y, row) in (top..).zip(rows).filter(|(y, _)| (0..i64::from(self.height)).contains(y)) {
            let at = (y as usize * self.width as usize + start) * size;
            let under = self.pixels[at..].chunks_exact_mut(size);
            let row = &row[columns.start * of_over..columns.end * of_over];
            under.zip(row.chunks_exact(of_over)).for_each(|(under, over)| blend(under, over));
        }
    }
}

/// The layout of a canvas of this colour.
pub(super) fn layout(fill: [u8; 4]) -> Layout {
    if fill[3] == 255 { Layout::Rgb } else { Layout::Rgba }
}

/// Which of `count` columns, of which the first is at `left`, are within `width`.
fn visible(left: i64, count: u32, width: u32) -> std::ops::Range<usize> {
    let end = (i64::from(width) - left).clamp(0, count.into());
    (-left).clamp(0, end) as usize..end as usize
}

/// Lays a pixel over another. Colours are not multiplied by alpha.
fn blend(under: &mut [u8], over: &[u8]) {
    let alpha = over.get(3).map_or(255, |&alpha| u32::from(alpha));
    let below = under.get(3).map_or(255, |&alpha| u32::from(alpha)) * (255 - alpha);
    let total = alpha * 255 + below;
    if total == 0 {
        return;
    }
    for (under, over) in under.iter_mut().zip(&over[..3]) {
        *under = ((u32::from(*over) * alpha * 255 + u32::from(*under) * below + total / 2) / total) as u8;
    }
    if let Some(level) = under.get_mut(3) {
        *level = ((total + 127) / 255) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode::{decode, probe};
    use super::*;
    use crate::codec::boxes::boxed;
    use crate::codec::heif::{Coding, parse};
    use heifer::EncodeOptions;

    const OPTIONS: EncodeOptions = EncodeOptions { quality: 100, max_threads: 1 };
    const RED: [u8; 4] = [200, 30, 20, 255];
    const BLUE: [u8; 4] = [10, 40, 220, 255];

    /// A HEIC of one colour, with alpha unless it is opaque.
    fn of_colour(side: u32, colour: [u8; 4]) -> Vec<u8> {
        let pixels = (side * side) as usize;
        match colour[3] {
            255 => heifer::encode_rgb8(side, side, &colour[..3].repeat(pixels), &OPTIONS),
            _ => heifer::encode_rgba8(side, side, &colour.repeat(pixels), &OPTIONS),
        }
        .unwrap()
    }

    fn full(kind: &[u8; 4], version: u8, parts: &[&[u8]]) -> Vec<u8> {
        boxed(kind, &[&[version, 0, 0, 0], &parts.concat()]).unwrap()
    }

    fn infe(id: u8, kind: &[u8; 4]) -> Vec<u8> {
        full(b"infe", 2, &[&[0, id, 0, 0], kind, &[0]])
    }

    /// An overlay (item 1) of opaque pictures (items from 2 on) of these HEICs with their corners.
    fn overlay(size: (u16, u16), fill: [u8; 4], layers: &[(&[u8], i16, i16)]) -> Vec<u8> {
        let stills: Vec<_> = layers.iter().map(|(file, ..)| parse(file, Coding::Hevc).unwrap()).collect();
        let mut body = [0, 0].to_vec();
        body.extend(fill.iter().flat_map(|level| [*level, *level]));
        body.extend([size.0.to_be_bytes(), size.1.to_be_bytes()].concat());
        layers.iter().for_each(|(_, left, top)| body.extend([left.to_be_bytes(), top.to_be_bytes()].concat()));
        let mut items = vec![(1, b"iovl", body)];
        items.extend(stills.iter().zip(2..).map(|(still, id)| (id, b"hvc1", still.colour.tiles[0].bytes.to_vec())));

        let (mut idat, mut iloc, mut iinf) =
            (Vec::new(), vec![0x44, 0, 0, items.len() as u8], vec![0, items.len() as u8]);
        let (mut ipco, mut ipma) = (Vec::new(), vec![0, 0, 0, stills.len() as u8]);
        for (id, kind, bytes) in &items {
            iloc.extend([0, *id, 0, 1, 0, 0, 0, 1]);
            iloc.extend([(idat.len() as u32).to_be_bytes(), (bytes.len() as u32).to_be_bytes()].concat());
            iinf.extend(infe(*id, kind));
            idat.extend(bytes);
        }
        for (still, id) in stills.iter().zip(2u8..) {
            let tile = &still.colour.tiles[0];
            ipco.extend(full(b"ispe", 0, &[&tile.width.to_be_bytes(), &tile.height.to_be_bytes()]));
            ipco.extend(boxed(b"hvcC", &[tile.configuration]).unwrap());
            ipma.extend([0, id, 2, 2 * id - 3, 2 * id - 2]);
        }
        let ids: Vec<u8> = (0..stills.len() as u8).flat_map(|index| [0, index + 2]).collect();
        let dimg = boxed(b"dimg", &[&[0, 1, 0, stills.len() as u8], &ids]).unwrap();
        let meta = [
            full(b"hdlr", 0, &[&[0; 4], b"pict", &[0; 13]]),
            full(b"pitm", 0, &[&[0, 1]]),
            full(b"iinf", 0, &[&iinf]),
            full(b"iloc", 1, &[&iloc]),
            full(b"iref", 0, &[&dimg]),
            boxed(b"iprp", &[&boxed(b"ipco", &[&ipco]).unwrap(), &full(b"ipma", 0, &[&ipma])]).unwrap(),
            boxed(b"idat", &[&idat]).unwrap(),
        ];
        [boxed(b"ftyp", &[b"heic\0\0\0\0mif1heic"]).unwrap(), full(b"meta", 0, &[&meta.concat()])].concat()
    }

    fn pixel(picture: &Picture, x: usize, y: usize) -> Vec<i32> {
        let size = picture.layout().bytes_per_pixel();
        let at = (y * picture.width() as usize + x) * size;
        picture.pixels()[at..at + size].iter().map(|level| i32::from(*level)).collect()
    }

    fn assert_near(found: &[i32], expected: &[u8]) {
        assert_eq!(found.len(), expected.len());
        let is_near = found.iter().zip(expected).all(|(found, expected)| (found - i32::from(*expected)).abs() <= 4);
        assert!(is_near, "{found:?} for {expected:?}");
    }

    #[test]
    fn pictures_of_an_overlay_lie_one_over_the_other() {
        let (red, blue) = (of_colour(64, RED), of_colour(32, BLUE));
        let file = overlay((100, 80), [240, 250, 230, 255], &[(&red, 20, 10), (&blue, 70, -8), (&blue, -16, 70)]);
        let probed = probe(&file, &Limits::default()).unwrap();
        assert_eq!((probed.width, probed.height, probed.alpha), (100, 80, false));
        let picture = decode(&file, &Limits::default()).unwrap().picture;
        assert_eq!((picture.width(), picture.height(), picture.layout()), (100, 80, Layout::Rgb));
        let fill = [240, 250, 230];
        for ((x, y), colour) in [
            ((19, 40), &fill[..]),
            ((21, 40), &RED[..3]),
            ((40, 9), &fill),
            ((40, 11), &RED[..3]),
            ((72, 20), &BLUE[..3]),
            ((72, 30), &RED[..3]),
            ((99, 0), &BLUE[..3]),
            ((14, 79), &BLUE[..3]),
            ((99, 79), &fill),
        ] {
            assert_near(&pixel(&picture, x, y), colour);
        }
    }

    #[test]
    fn a_canvas_may_be_transparent() {
        let red = of_colour(32, RED);
        let file = overlay((48, 32), [0; 4], &[(&red, 0, 0)]);
        assert!(probe(&file, &Limits::default()).unwrap().alpha);
        let picture = decode(&file, &Limits::default()).unwrap().picture;
        assert_near(&pixel(&picture, 10, 10), &RED);
        assert_eq!(pixel(&picture, 40, 10), [0; 4]);
    }

    #[test]
    fn alpha_is_blended() {
        let blended = |under: &[u8], over: &[u8]| {
            let mut under = under.to_vec();
            blend(&mut under, over);
            under
        };
        assert_eq!(blended(&[0, 100, 200], &[100, 100, 100, 51]), [20, 100, 180]);
        assert_eq!(blended(&[0, 100, 200, 255], &[100, 100, 100, 51]), [20, 100, 180, 255]);
        assert_eq!(blended(&[9, 9, 9, 0], &[100, 0, 50, 102]), [100, 0, 50, 102]);
        assert_eq!(blended(&[200, 0, 0, 128], &[0, 200, 0, 128]), [66, 134, 0, 192]);
        assert_eq!(blended(&[9, 9, 9, 0], &[1, 2, 3, 0]), [9, 9, 9, 0]);
    }

    #[test]
    fn a_picture_beyond_the_canvas_is_not_seen() {
        let red = of_colour(32, RED);
        for (left, top) in [(-32, 0), (48, 0), (0, -32), (0, 40), (i16::MIN, i16::MIN), (i16::MAX, i16::MAX)] {
            let file = overlay((48, 40), [1, 2, 3, 255], &[(&red, left, top)]);
            let picture = decode(&file, &Limits::default()).unwrap().picture;
            assert!(picture.pixels().chunks_exact(3).all(|pixel| pixel == [1, 2, 3]), "{left},{top}");
        }
    }

    #[test]
    fn the_pictures_of_an_overlay_count_together() {
        let red = of_colour(64, RED);
        let file = |count| overlay((64, 64), [0, 0, 0, 255], &vec![(&red[..], 0, 0); count]);
        let limits = Limits { max_pixels: 3 * 64 * 64, ..Limits::default() };
        assert!(decode(&file(3), &limits).is_ok());
        assert!(matches!(probe(&file(4), &limits), Err(DecodeError::TooManyPixels { .. })));
        let small = Limits { max_pixels: 64 * 64 - 1, ..Limits::default() };
        assert!(matches!(probe(&file(1), &small), Err(DecodeError::TooManyPixels { .. })));
        assert!(matches!(probe(&file(65), &Limits::default()), Err(DecodeError::Undecodable { .. })));
    }

    #[test]
    fn damage_anywhere_in_an_overlay_never_panics() {
        let (red, blue) = (of_colour(32, RED), of_colour(16, BLUE));
        let file = overlay((40, 40), [0, 0, 0, 255], &[(&red, 4, 4), (&blue, -3, 20)]);
        let limits = Limits { max_pixels: 1 << 16, ..Limits::default() };
        for at in 0..file.len() {
            assert!(decode(&file[..at], &limits).is_err(), "{at}");
            for value in [0, 1, 0x7F, 0xFF] {
                let mut damaged = file.clone();
                damaged[at] = value;
                let _ = decode(&damaged, &limits);
            }
        }
    }
}
