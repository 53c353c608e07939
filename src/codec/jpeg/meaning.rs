//! What the components of a JPEG mean, and the file as the decoder has to see it to agree.
//!
//! Readers follow libjpeg where markers contradict each other (jdapimin.c, `default_decompress_parms`). The decoder has
//! rules of its own and refuses some files for segments that no pixel depends on. So it gets a copy of the file without
//! those segments, in which one marker says what the components mean.

use super::segments::{
    ADOBE, ADOBE_BYTES, APP0, APP1, APP14, APP15, COM, DHT, EOI, JFIF, JFIF_BYTES, RST0, SOS, Segment, Segments, TEM,
};

/// What the components mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::codec) enum Meaning {
    Grey,
    YCbCr,
    Rgb,
    Cmyk,
    /// CMYK whose first three inks are coded as YCbCr.
    Ycck,
}

impl Meaning {
    /// Returns the transform that Adobe's marker names for it (T.872 s6.5.3).
    fn transform(self) -> Option<u8> {
        match self {
            Meaning::Grey => None,
            Meaning::Rgb | Meaning::Cmyk => Some(0),
            Meaning::YCbCr => Some(1),
            Meaning::Ycck => Some(2),
        }
    }
}

/// The segments before the first scan.
pub(super) struct Lead<'a> {
    /// The segments that the decoder needs, from marker to end.
    needed: Vec<&'a [u8]>,
    has_jfif: bool,
    /// The transform of Adobe's marker.
    adobe: Option<u8>,
    /// Whether Adobe's marker is cut short.
    has_short_adobe: bool,
    /// Whether the file has the tables of its codes.
    has_tables: bool,
    /// Where the first scan begins, with its marker.
    scan: usize,
}

impl<'a> Lead<'a> {
    /// Reads the segments up to the first scan, or to the end of `file`.
    pub(super) fn read(file: &'a [u8]) -> Lead<'a> {
        let mut lead = Lead {
            needed: Vec::new(),
            has_jfif: false,
            adobe: None,
            has_short_adobe: false,
            has_tables: false,
            scan: file.len(),
        };
        for segment in Segments::lenient(file) {
            if segment.marker == SOS {
                lead.scan = segment.start;
                break;
            }
            lead.read_segment(&segment, &file[segment.start..segment.end]);
        }
        lead
    }

    fn read_segment(&mut self, segment: &Segment<'_>, bytes: &'a [u8]) {
        let payload = segment.payload;
        match segment.marker {
            APP0 => self.has_jfif |= payload.starts_with(JFIF) && payload.len() >= JFIF_BYTES,
            APP14 if payload.starts_with(ADOBE) => match payload.get(ADOBE_BYTES - 1) {
                Some(&transform) => self.adobe = Some(transform),
                None => self.has_short_adobe = true,
            },
            // TEM, RSTn, SOI and EOI have no payload.
            TEM | RST0..=EOI | APP1..=APP15 | COM => {}
            marker => {
                self.has_tables |= marker == DHT;
                self.needed.push(bytes);
            }
        }
    }

    /// Returns what the components with these names mean. Returns `None` for a number of components that no colour has.
    pub(super) fn meaning(&self, components: &[u8]) -> Option<Meaning> {
        match (components, self.adobe) {
            ([_], _) => Some(Meaning::Grey),
            ([_, _, _], _) if self.has_jfif => Some(Meaning::YCbCr),
            ([_, _, _], Some(0)) => Some(Meaning::Rgb),
            (b"RGB", None) => Some(Meaning::Rgb),
            ([_, _, _], _) => Some(Meaning::YCbCr),
            ([_, _, _, _], None | Some(0)) => Some(Meaning::Cmyk),
            ([_, _, _, _], _) => Some(Meaning::Ycck),
            _ => None,
        }
    }

    /// Whether other readers agree on the file: it has its tables, and its markers do not contradict each other.
    pub(super) fn is_regular(&self, components: &[u8]) -> bool {
        let agrees = match (components.len(), self.adobe) {
            (_, None) => true,
            (1, Some(transform)) => transform == 0,
            (3, Some(transform)) => transform == 1 || (transform == 0 && !self.has_jfif),
            (_, Some(transform)) => matches!(transform, 0 | 2),
        };
        let is_named_rgb = components == b"RGB" && self.has_jfif;
        agrees && !is_named_rgb && !self.has_short_adobe && self.has_tables
    }

    /// Returns `file` with only the segments that decoding needs, and one that says `meaning`. `needs_tables` says that
    /// scans without tables use the typical ones, as webcams do (T.81, annex K.3).
    pub(super) fn for_decoder(&self, file: &[u8], meaning: Meaning, needs_tables: bool) -> Vec<u8> {
        let mut plain = Vec::with_capacity(file.len() + 512);
        plain.extend(b"\xFF\xD8");
        if let Some(transform) = meaning.transform() {
            plain.extend(b"\xFF\xEE\0\x0EAdobe\0\x64\0\0\0\0");
            plain.push(transform);
        }
        self.needed.iter().for_each(|segment| plain.extend(*segment));
        if needs_tables && !self.has_tables {
            plain.extend(typical_tables());
        }
        plain.extend(&file[self.scan.min(file.len())..]);
        plain
    }
}

/// Returns a segment with the typical Huffman tables (T.81, tables K.3 to K.6).
fn typical_tables() -> Vec<u8> {
    let tables: [(u8, [u8; 16], &[u8]); 4] = [
        (0x00, [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], &DC_SYMBOLS),
        (0x10, [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7D], &LUMA_AC_SYMBOLS),
        (0x01, [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], &DC_SYMBOLS),
        (0x11, [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77], &CHROMA_AC_SYMBOLS),
    ];
    let mut segment = b"\xFF\xC4\x01\xA2".to_vec();
    for (name, lengths, symbols) in tables {
        segment.push(name);
        segment.extend(lengths);
        segment.extend(symbols);
    }
    segment
}

const DC_SYMBOLS: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

#[rustfmt::skip]
const LUMA_AC_SYMBOLS: [u8; 162] = [
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71,
    0x14, 0x32, 0x81, 0x91, 0xA1, 0x08, 0x23, 0x42, 0xB1, 0xC1, 0x15, 0x52, 0xD1, 0xF0, 0x24, 0x33, 0x62, 0x72,
    0x82, 0x09, 0x0A, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x34, 0x35, 0x36, 0x37,
    0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59,
    0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x83,
    0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3,
    0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3,
    0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xE1, 0xE2,
    0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA,
];

#[rustfmt::skip]
const CHROMA_AC_SYMBOLS: [u8; 162] = [
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22,
    0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xA1, 0xB1, 0xC1, 0x09, 0x23, 0x33, 0x52, 0xF0, 0x15, 0x62, 0x72, 0xD1,
    0x0A, 0x16, 0x24, 0x34, 0xE1, 0x25, 0xF1, 0x17, 0x18, 0x19, 0x1A, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x35, 0x36,
    0x37, 0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58,
    0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A,
    0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A,
    0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA,
    0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA,
    0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA,
];

#[cfg(test)]
mod tests {
    use super::*;

    const JFIF_SEGMENT: &[u8] = b"\xFF\xE0\0\x10JFIF\0\x01\x02\0\0\x01\0\x01\0\0";

    fn adobe(transform: u8) -> Vec<u8> {
        [b"\xFF\xEE\0\x0EAdobe\0\x64\0\0\0\0".to_vec(), vec![transform]].concat()
    }

    fn file(segments: &[&[u8]]) -> Vec<u8> {
        [&b"\xFF\xD8"[..], &segments.concat(), b"\xFF\xDA\0\x02\x55"].concat()
    }

    #[test]
    fn markers_decide_in_the_order_of_other_readers() {
        let (rgb, ycc) = (adobe(0), adobe(1));
        let (ycck, short) = (adobe(2), b"\xFF\xEE\0\x0DAdobe\0\x64\0\0\0\0".to_vec());
        let ids: &[u8] = &[1, 2, 3];
        for (segments, components, meaning, is_regular) in [
            (&[][..], ids, Meaning::YCbCr, true),
            (&[&rgb[..]], ids, Meaning::Rgb, true),
            (&[JFIF_SEGMENT, &rgb], ids, Meaning::YCbCr, false),
            (&[&rgb, JFIF_SEGMENT], ids, Meaning::YCbCr, false),
            (&[JFIF_SEGMENT, &ycc], ids, Meaning::YCbCr, true),
            (&[], b"RGB", Meaning::Rgb, true),
            (&[JFIF_SEGMENT], b"RGB", Meaning::YCbCr, false),
            (&[&ycc], b"RGB", Meaning::YCbCr, true),
            (&[&short], ids, Meaning::YCbCr, false),
            (&[], &[9, 8, 7], Meaning::YCbCr, true),
            (&[&ycc], &[1], Meaning::Grey, false),
            (&[&ycck], &[1], Meaning::Grey, false),
            (&[], &[1, 2, 3, 4], Meaning::Cmyk, true),
            (&[&rgb], &[1, 2, 3, 4], Meaning::Cmyk, true),
            (&[&ycck], &[1, 2, 3, 4], Meaning::Ycck, true),
        ] {
            let file = file(&[segments, &[b"\xFF\xC4\0\x02"]].concat());
            let lead = Lead::read(&file);
            assert_eq!(lead.meaning(components), Some(meaning), "{segments:?} {components:?}");
            assert_eq!(lead.is_regular(components), is_regular, "{segments:?} {components:?}");
        }
        assert_eq!(Lead::read(&file(&[])).meaning(&[1, 2]), None);
    }

    #[test]
    fn the_decoder_gets_what_pixels_depend_on_and_what_they_mean() {
        let profile = b"\xFF\xE2\0\x10ICC_PROFILE\0\x02\x01";
        let file = file(&[JFIF_SEGMENT, &adobe(0), profile, b"\xFF\xDB\0\x03\x09"]);
        let plain = Lead::read(&file).for_decoder(&file, Meaning::YCbCr, true);
        let expected = [
            b"\xFF\xD8".to_vec(),
            adobe(1),
            b"\xFF\xDB\0\x03\x09".to_vec(),
            typical_tables(),
            b"\xFF\xDA\0\x02\x55".to_vec(),
        ];
        assert_eq!(plain, expected.concat());
        let again = Lead::read(&plain).for_decoder(&plain, Meaning::YCbCr, true);
        assert_eq!(again, plain);
    }
}
