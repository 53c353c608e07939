//! Puts the decoded tiles of an AVIF or a HEIC together to a picture in sRGB.

use super::yuv::{Planes, Scratch};
use super::{Nclx, Still, Tile};
use crate::codec::colour::{Channels, Converter, Space};
use crate::codec::rights::Rights;
use crate::codec::{DecodeError, Decoded, Format, Limits, Metadata, keep_metadata};
use crate::picture::Picture;
use crate::picture::transform::cut;

/// A decoded tile, whatever it was coded by.
pub(in crate::codec) trait DecodedTile {
    /// The code points in its own data. Those of the container take precedence (AVIF s2.2.1).
    fn points(&self) -> Nclx;

    /// Calls `read` with its planes, whose samples mean what `points` say.
    ///
    /// # Errors
    /// [`DecodeError::Unsupported`] for code points that are not read, [`DecodeError::Undecodable`] when a plane is cut short.
    fn with_planes<T>(&self, points: Nclx, read: impl FnOnce(&Planes<'_>) -> T) -> Result<T, DecodeError>;
}

/// Checks every picture of `still` and each of its tiles against the limits.
///
/// # Errors
/// [`DecodeError::TooManyPixels`].
pub(in crate::codec) fn check(still: &Still<'_>, format: Format, limits: &Limits) -> Result<(), DecodeError> {
    for picture in std::iter::once(&still.colour).chain(&still.alpha) {
        limits.check_size(format, picture.width, picture.height)?;
        for tile in &picture.tiles {
            limits.check_size(format, tile.width, tile.height)?;
        }
    }
    limits.check_frames(still.frames, still.colour.width, still.colour.height)
}

/// The picture of `still`, each of whose tiles `decode` decodes.
///
/// # Errors
/// Those of `decode` and of [`DecodedTile::with_planes`].
pub(in crate::codec) fn assembled<T: DecodedTile>(
    still: &Still<'_>,
    limits: &Limits,
    decode: impl Fn(&Tile<'_>) -> Result<T, DecodeError>,
) -> Result<Decoded, DecodeError> {
    let alpha = still.alpha.as_ref().map(|picture| alpha_of(picture, &decode)).transpose()?;
    let (picture, as_stored) = colour_of(still, alpha.as_deref(), limits, &decode)?;
    Ok(Decoded {
        picture: match still.crop {
            Some(area) => cut(&picture, area),
            None => picture,
        },
        orientation: still.orientation,
        metadata: Metadata {
            exif: keep_metadata(still.exif.as_deref(), limits),
            xmp: keep_metadata(still.xmp.as_deref(), limits),
            density: None,
        },
        rights: Rights::default(),
        as_stored,
        damaged: false,
    })
}

/// The alpha plane in 8 bits, which is the luma of the auxiliary picture.
fn alpha_of<T: DecodedTile>(
    picture: &super::Picture<'_>,
    decode: impl Fn(&Tile<'_>) -> Result<T, DecodeError>,
) -> Result<Vec<u8>, DecodeError> {
    let mut alpha = vec![0; picture.width as usize * picture.height as usize];
    let (mut scratch, mut row) = (Scratch::default(), Vec::new());
    for (index, tile) in picture.tiles.iter().enumerate() {
        let tile = decode(tile)?;
        let points = Nclx { primaries: 2, transfer: 2, matrix: 2, full_range: tile.points().full_range };
        let (left, top, width, height) = picture.place(index);
        tile.with_planes(points, |planes| {
            for y in 0..height {
                planes.luma_row(y, &mut scratch, &mut row);
                let start = (top + y) * picture.width as usize + left;
                alpha[start..start + width].copy_from_slice(&row[..width]);
            }
        })?;
    }
    Ok(alpha)
}

/// The whole picture in sRGB, and whether it was stored in sRGB.
fn colour_of<T: DecodedTile>(
    still: &Still<'_>,
    alpha: Option<&[u8]>,
    limits: &Limits,
    decode: impl Fn(&Tile<'_>) -> Result<T, DecodeError>,
) -> Result<(Picture, bool), DecodeError> {
    let picture = &still.colour;
    let channels = if alpha.is_some() { Channels::Rgba } else { Channels::Rgb };
    let (full_width, size) = (picture.width as usize, channels.count());
    let mut pixels = vec![0; full_width * picture.height as usize * size];
    let mut scratch = Scratch::default();
    let (mut rgb, mut rgba, mut greys) = (Vec::new(), Vec::new(), Vec::new());
    let mut converters: [Option<Converter>; 2] = [None, None];
    for (index, tile) in picture.tiles.iter().enumerate() {
        let tile = decode(tile)?;
        let points = still.nclx.unwrap_or_else(|| tile.points());
        let space = space(still, points, limits);
        let (left, top, width, height) = picture.place(index);
        tile.with_planes(points, |planes| {
            // A profile for grey is for grey samples alone.
            let is_grey = planes.chroma.is_none() && space.is_grey();
            let kind = if is_grey { channels.of_grey() } else { channels };
            let converter = converters[usize::from(is_grey)].get_or_insert_with(|| Converter::new(&space, kind));
            for y in 0..height {
                planes.rgb_row(y, &mut scratch, &mut rgb);
                let start = (top + y) * full_width + left;
                let target = &mut pixels[start * size..(start + width) * size];
                let samples = match alpha {
                    Some(alpha) => {
                        add_alpha(&rgb, &alpha[start..start + width], still.premultiplied, &mut rgba);
                        &rgba[..]
                    }
                    None => &rgb[..width * 3],
                };
                if is_grey {
                    greys.clear();
                    // One of three colours, and what is after them.
                    greys.extend(samples.chunks_exact(size).flat_map(|pixel| pixel[2..].iter().copied()));
                    converter.convert(&greys, target);
                } else {
                    converter.convert(samples, target);
                }
            }
        })?;
    }
    let as_stored = converters.iter().flatten().all(Converter::keeps_colours);
    Ok((Picture::new(picture.width, picture.height, channels.layout(), pixels), as_stored))
}

/// Interleaves red, green, blue and alpha. Divides colours by alpha when they were multiplied by it.
pub(in crate::codec) fn add_alpha(rgb: &[u16], alpha: &[u8], premultiplied: bool, rgba: &mut Vec<u16>) {
    rgba.clear();
    for (pixel, &alpha) in rgb.chunks_exact(3).zip(alpha) {
        let divide = |sample: u16| match alpha {
            1..=254 if premultiplied => (u32::from(sample) * 255 / u32::from(alpha)).min(65_535) as u16,
            _ => sample,
        };
        rgba.extend(pixel.iter().map(|&sample| divide(sample)));
        rgba.push(u16::from(alpha) * 257);
    }
}

/// An ICC profile takes precedence over code points (HEIF s6.5.5).
fn space<'a>(still: &Still<'a>, points: Nclx, limits: &Limits) -> Space<'a> {
    match still.icc.filter(|icc| icc.len() <= limits.max_metadata_bytes) {
        Some(icc) => Space::Icc(icc),
        None => Space::Cicp { primaries: points.primaries, transfer: points.transfer },
    }
}

#[cfg(test)]
mod tests {
    use moxcms::ColorProfile;

    use super::super::Picture as Coded;
    use super::super::yuv::{Plane, Signal};
    use super::*;

    const LEVELS: [u8; 3] = [0, 64, 255];

    /// A row of grey.
    struct Grey;

    impl DecodedTile for Grey {
        fn points(&self) -> Nclx {
            Nclx { primaries: 1, transfer: 13, matrix: 1, full_range: true }
        }

        fn with_planes<T>(&self, points: Nclx, read: impl FnOnce(&Planes<'_>) -> T) -> Result<T, DecodeError> {
            let luma = Plane { bytes: &LEVELS, stride: 3, width: 3, height: 1, wide: false };
            Ok(read(&Planes { luma, chroma: None, signal: Signal::new(points, 8).unwrap() }))
        }
    }

    #[test]
    fn a_profile_for_grey_is_followed() {
        let profile = ColorProfile::new_gray_with_gamma(1.0).encode().unwrap();
        let coded = || Coded {
            width: 3,
            height: 1,
            columns: 1,
            tiles: vec![Tile { width: 3, height: 1, bytes: (&[]).into(), operating_point: 0, configuration: &[] }],
        };
        let decoded = |icc, alpha| {
            let still = Still {
                colour: coded(),
                alpha,
                premultiplied: false,
                icc,
                nclx: None,
                orientation: crate::picture::Orientation::Upright,
                crop: None,
                exif: None,
                xmp: None,
                frames: 0,
            };
            assembled(&still, &Limits::default(), |_| Ok(Grey)).unwrap()
        };
        let plain = decoded(None, None);
        assert_eq!((plain.picture.pixels(), plain.as_stored), (&[0, 0, 0, 64, 64, 64, 255, 255, 255][..], true));
        // A quarter of the light is 137 in sRGB.
        let linear = decoded(Some(&profile), None);
        assert_eq!((linear.picture.pixels(), linear.as_stored), (&[0, 0, 0, 137, 137, 137, 255, 255, 255][..], false));
        let with_alpha = decoded(Some(&profile), Some(coded()));
        assert_eq!(with_alpha.picture.pixels(), [0, 0, 0, 0, 137, 137, 137, 64, 255, 255, 255, 255]);
    }
}
