//! Decodes the largest picture of a Windows icon or cursor (ICO, CUR): a PNG, or a bitmap with a mask.

mod bitmap;
mod directory;

use super::model::FormatModel;
use super::{DecodeError, Decoded, Format, Limits, Probe, png, undecodable};
use directory::{Content, largest};

pub(super) static MODEL: FormatModel = FormatModel {
    media_type: "image/vnd.microsoft.icon",
    extension: "ico",
    keeps_alpha: true,
    is_usually_lossy: false,
    recognises: |bytes| [b"\0\0\x01\0", b"\0\0\x02\0"].iter().any(|magic| bytes.starts_with(*magic)),
    probe,
    decode,
    // As many as of a PNG; a bitmap is copied once to a file of its own, and once more with a header of OS/2.
    decoder_copies: 3,
    output: None,
};

/// Reads the directory, and the header of the largest picture.
///
/// # Errors
/// [`DecodeError::Undecodable`] when there is no picture or its header is damaged, [`DecodeError::TooManyPixels`] when a
/// limit is exceeded.
pub(super) fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe, DecodeError> {
    let probe = match largest(bytes)? {
        Content::Png(file) => png::decode::probe(file, limits).map_err(of_icon)?,
        Content::Bitmap(bitmap) => bitmap.probe(limits)?,
    };
    Ok(Probe { format: Format::Ico, ..probe })
}

/// Decodes the largest picture.
///
/// # Errors
/// The same as [`probe`], [`DecodeError::Unsupported`] for kinds of bitmaps that are not read, and
/// [`DecodeError::Undecodable`] for damaged or missing data.
pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, DecodeError> {
    match largest(bytes)? {
        Content::Png(file) => png::decode::decode(file, limits),
        Content::Bitmap(bitmap) => bitmap.decode(limits),
    }
    .map_err(of_icon)
}

/// The client sent an icon, whatever is in it.
fn of_icon(error: DecodeError) -> DecodeError {
    match error {
        DecodeError::Undecodable { reason, .. } => undecodable(Format::Ico, reason),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Effort;
    use crate::picture::{Layout, Picture};

    /// An entry of the directory: its width and height, and the picture.
    type Entry<'a> = (u8, u8, &'a [u8]);

    /// A file of this type (1 an icon, 2 a cursor) with these pictures in this order.
    fn file(kind: u8, entries: &[Entry<'_>]) -> Vec<u8> {
        let mut file = vec![0, 0, kind, 0, entries.len() as u8, 0];
        let mut offset = 6 + 16 * entries.len();
        for (width, height, content) in entries {
            // A cursor's hot spot stands where an icon has its planes and bits.
            file.extend([*width, *height, 0, 0, 9, 9, 9, 9]);
            file.extend([content.len() as u32, offset as u32].map(u32::to_le_bytes).concat());
            offset += content.len();
        }
        entries.iter().for_each(|(.., content)| file.extend(*content));
        file
    }

    fn png(width: u32, height: u32, colour: [u8; 4]) -> Vec<u8> {
        let pixels = colour.repeat((width * height) as usize);
        png::encode::encode_lossless(&Picture::new(width, height, Layout::Rgba, pixels), Effort::Fast).unwrap()
    }

    /// A bitmap of one pixel a row in a header of 40 bytes, whose height counts rows of picture and mask.
    fn bitmap(width: i32, height: i32, bits: u16, rest: &[u8]) -> Vec<u8> {
        let mut header = [40, width, height].map(i32::to_le_bytes).concat();
        header.extend([1, 0]);
        header.extend(bits.to_le_bytes());
        header.resize(40, 0);
        [&header, rest].concat()
    }

    fn pixels(file: &[u8]) -> Vec<u8> {
        decode(file, &Limits::default()).unwrap().picture.into_pixels()
    }

    fn refusal(file: &[u8]) -> String {
        let refused = decode(file, &Limits::default()).unwrap_err();
        assert_eq!(probe(file, &Limits::default()).err().unwrap_or(refused.clone()), refused);
        refused.to_string()
    }

    const RED: [u8; 4] = [255, 0, 0, 254];
    const BLUE: [u8; 4] = [0, 0, 255, 128];

    #[test]
    fn the_largest_picture_is_shown_and_of_equals_the_deepest() {
        let (small, large) = (png(2, 2, RED), png(3, 3, BLUE));
        for entries in [[(2, 2, &small[..]), (3, 3, &large)], [(3, 3, &large), (2, 2, &small)]] {
            assert_eq!(pixels(&file(1, &entries)), BLUE.repeat(9));
            assert_eq!(pixels(&file(2, &entries)), BLUE.repeat(9));
        }
        let shallow = bitmap(1, 2, 8, &[&[7; 1024][..], &[0; 8]].concat());
        let deep = bitmap(1, 2, 24, &[3, 2, 1, 0, 0, 0, 0, 0]);
        for entries in [[(1, 1, &shallow[..]), (1, 1, &deep)], [(1, 1, &deep), (1, 1, &shallow)]] {
            assert_eq!(pixels(&file(1, &entries)), [1, 2, 3, 255]);
        }
    }

    #[test]
    fn what_the_pictures_say_counts_and_not_what_the_directory_says() {
        let (small, large) = (png(2, 2, RED), png(300, 1, BLUE));
        let lying = file(1, &[(0, 0, &small), (1, 1, &large)]);
        assert_eq!(pixels(&lying), BLUE.repeat(300));
        let probed = probe(&lying, &Limits::default()).unwrap();
        assert_eq!((probed.format, probed.width, probed.height), (Format::Ico, 300, 1));
    }

    #[test]
    fn lengths_in_the_directory_may_be_wrong() {
        let mut wrong = file(1, &[(2, 2, &png(2, 2, RED))]);
        for length in [0, 1, u32::MAX] {
            wrong[14..18].copy_from_slice(&length.to_le_bytes());
            assert_eq!(pixels(&wrong), RED.repeat(4), "{length}");
        }
    }

    #[test]
    fn a_picture_outside_of_the_file_is_not_replaced_by_a_smaller_one() {
        let (small, large) = (png(2, 2, RED), png(4, 4, BLUE));
        let mut outside = file(1, &[(2, 2, &small), (4, 4, &large)]);
        outside.truncate(6 + 32 + small.len());
        assert_eq!(refusal(&outside), "the ico data can't be decoded: it is cut short");
        for offset in [outside.len() as u32, u32::MAX - 15, u32::MAX] {
            outside[34..38].copy_from_slice(&offset.to_le_bytes());
            assert_eq!(refusal(&outside), "the ico data can't be decoded: it is cut short");
        }
        // A width and height of 0 are 256.
        outside[22..24].fill(0);
        assert_eq!(refusal(&outside), "the ico data can't be decoded: it is cut short");
        outside[22..24].fill(1);
        assert_eq!(pixels(&outside), RED.repeat(4));
    }

    #[test]
    fn files_without_a_picture_are_refused() {
        for empty in [&b"\0\0\x01\0"[..], b"\0\0\x01\0\0\0", b"\0\0\x02\0\x01\0\x10\x10"] {
            assert_eq!(refusal(empty), "the ico data can't be decoded: it holds no picture", "{empty:?}");
        }
        let text = file(1, &[(16, 16, b"GIF89a is not in icons, and neither is text")]);
        assert_eq!(refusal(&text), "the ico data can't be decoded: its largest picture is neither a PNG nor a bitmap");
        assert_eq!(
            refusal(&file(1, &[(0, 0, &bitmap(0, 0, 32, &[]))])),
            "the ico data can't be decoded: its header says 0x0"
        );
    }

    #[test]
    fn compressed_bitmaps_are_named() {
        let mut runs = bitmap(16, 32, 8, &[&[0; 1024][..], &[16, 7, 0, 1]].concat());
        runs[16] = 1;
        assert_eq!(
            refusal(&file(1, &[(16, 16, &runs)])),
            "ICO with a compressed bitmap is not supported: save the picture as JPEG or PNG"
        );
    }

    #[test]
    fn bombs_are_refused_by_their_headers() {
        let mut large = png(1, 1, RED);
        large[16..24].copy_from_slice(&[0, 0, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF]);
        for bomb in [large, bitmap(60_000, 120_000, 32, &[]), bitmap(i32::MAX, i32::MIN, 1, &[])] {
            let bomb = file(1, &[(1, 1, &bomb)]);
            let refused = decode(&bomb, &Limits::default());
            assert!(matches!(refused, Err(DecodeError::TooManyPixels { .. })), "{refused:?}");
            assert_eq!(probe(&bomb, &Limits::default()).err(), refused.err());
        }
    }

    #[test]
    fn truncation_and_damage_anywhere_never_panic() {
        let mask = [0x40, 0, 0, 0, 0x80, 0, 0, 0];
        let deep = bitmap(2, 4, 24, &[&[7; 16][..], &mask].concat());
        let file = file(1, &[(1, 1, &png(1, 1, RED)), (2, 2, &deep)]);
        for at in 0..file.len() {
            let _ = decode(&file[..at], &Limits::default());
            for value in [0, 1, 0x7F, 0x80, 0xFF] {
                let mut damaged = file.clone();
                damaged[at] = value;
                let _ = decode(&damaged, &Limits { max_pixels: 1_000_000, ..Limits::default() });
            }
        }
    }
}
