//! Decodes with jpeg-decoder what zune-jpeg refuses or misreads: pictures with three samples across of one component to
//! one or two of another, which bridge cameras and old video tools write, and files that change a quantisation table
//! between scans, or have restart markers in several sequential ones.

use jpeg_decoder::{ColorTransform, Decoder};

use super::header::Header;
use super::meaning::Meaning;

/// Returns the samples as RGB or grey. Returns `None` when the data is damaged, contradicts `header`, or holds inks.
pub(super) fn decode(bytes: &[u8], header: &Header<'_>, meaning: Meaning) -> Option<Vec<u8>> {
    let (transform, samples) = match meaning {
        Meaning::Grey => (ColorTransform::Grayscale, 1),
        Meaning::YCbCr => (ColorTransform::YCbCr, 3),
        Meaning::Rgb => (ColorTransform::RGB, 3),
        Meaning::Cmyk | Meaning::Ycck => return None,
    };
    let length = header.width as usize * header.height as usize * samples;
    let mut decoder = Decoder::new(bytes);
    decoder.set_color_transform(transform);
    decoder.set_max_decoding_buffer_size(length);
    decoder.read_info().ok()?;
    let info = decoder.info()?;
    if (u32::from(info.width), u32::from(info.height)) != (header.width, header.height) {
        return None;
    }
    decoder.decode().ok().filter(|samples| samples.len() == length)
}

#[cfg(test)]
mod tests {
    use testkit::fixtures::{jpeg_begin, three_across_jpeg};

    use crate::codec::{Limits, jpeg};

    #[test]
    fn three_samples_across_to_one_are_spread() {
        let decoded = jpeg::decode::decode(&three_across_jpeg(1), &Limits::default()).unwrap().picture;
        assert_eq!((decoded.width(), decoded.height()), (24, 8));
        // Luma 136, 144 and 152, and both differences 8 above the middle.
        for (x, luma) in [(0, 136.0), (8, 144.0), (23, 152.0)] {
            let expected = [luma + 1.402 * 8.0, luma - (0.344 + 0.714) * 8.0, luma + 1.772 * 8.0];
            let pixel = &decoded.pixels()[x * 3..x * 3 + 3];
            assert!(pixel.iter().zip(expected).all(|(a, b): (&u8, f64)| (f64::from(*a) - b).abs() <= 1.0), "{pixel:?}");
        }
    }

    /// Three components of two rows of three blocks, a scan for each, with a restart marker after four blocks. Before
    /// the last scan the quantiser is doubled, where that is asked for.
    fn in_scans(is_doubled: bool) -> Vec<u8> {
        let mut file = jpeg_begin(24, 0x11);
        let height = file.windows(5).position(|bytes| bytes == b"\x11\x08\0\x08\0").unwrap() + 2;
        file[height + 1] = 16;
        file.extend(b"\xFF\xDD\0\x04\0\x04");
        for component in 1..=3 {
            if is_doubled && component == 3 {
                file.extend(b"\xFF\xDB\0\x43\0");
                file.extend([16; 64]);
            }
            file.extend([0xFF, 0xDA, 0, 8, 1, component, 0, 0, 0x3F, 0]);
            // Four blocks of 0 1000 0, a restart marker, and two more.
            file.extend([0b0100_0001, 0b0000_0100, 0b0001_0000, 0xFF, 0xD0, 0b0100_0001, 0b0000_1111]);
        }
        file.extend(b"\xFF\xD9");
        file
    }

    #[test]
    fn scans_of_their_own_restart_where_their_markers_are_and_have_their_own_tables() {
        for (is_doubled, red_per_level) in [(false, 1.0), (true, 2.0)] {
            let decoded = jpeg::decode::decode(&in_scans(is_doubled), &Limits::default()).unwrap().picture;
            assert_eq!((decoded.width(), decoded.height()), (24, 16));
            for (block, level) in [8.0, 16.0, 24.0, 32.0, 8.0, 16.0].into_iter().enumerate() {
                let (luma, blue, red) = (128.0 + level, level, red_per_level * level);
                let expected = [luma + 1.402 * red, luma - 0.344 * blue - 0.714 * red, luma + 1.772 * blue];
                let at = (block / 3 * 8 * 24 + block % 3 * 8) * 3;
                let pixel = &decoded.pixels()[at..at + 3];
                let is_near = |(a, b): (&u8, f64)| (f64::from(*a) - b).abs() <= 1.0;
                assert!(pixel.iter().zip(expected).all(is_near), "{pixel:?} {expected:?} in block {block}");
            }
        }
    }

    #[test]
    fn a_kind_that_neither_decoder_reads_is_refused() {
        for arithmetic_or_progressive in [0xC9, 0xC2] {
            let mut file = in_scans(true);
            let frame = file.windows(2).position(|bytes| bytes == [0xFF, 0xC0]).unwrap();
            file[frame + 1] = arithmetic_or_progressive;
            assert!(jpeg::decode::decode(&file, &Limits::default()).is_err(), "{arithmetic_or_progressive:x}");
        }
    }

    #[test]
    fn damage_anywhere_never_panics() {
        let file = three_across_jpeg(1);
        for at in 2..file.len() {
            for value in [0, 0xFF, file[at] ^ 0x10] {
                let mut damaged = file.clone();
                damaged[at] = value;
                let _ = jpeg::decode::decode(&damaged, &Limits { max_pixels: 1_000_000, ..Limits::default() });
            }
        }
    }
}
