//! Reads what a PNG's chunks say (W3C PNG, third edition), without decoding.

use super::chunks::{Chunk, Chunks};
use super::text::{self, Texts};
use crate::codec::bytes::u32_be;
use crate::codec::cicp;
use crate::codec::colour::{Chromaticities, Space};
use crate::codec::density::Density;

/// The size of a PNG, and the chunks before or after its pixels that bytefit uses.
#[derive(Debug, Default)]
pub(super) struct Header<'a> {
    pub width: u32,
    pub height: u32,
    pub bit_depth: u8,
    pub colour_type: u8,
    pub interlaced: bool,
    /// Whether the file ends before its end chunk does.
    pub is_cut: bool,
    /// Whether a palette entry or a colour is transparent (tRNS).
    pub transparent: bool,
    /// Number of frames in acTL; 0 for a still picture.
    pub frames: u32,
    pub exif: Option<&'a [u8]>,
    /// The XMP packet, when it is not compressed.
    pub xmp: Option<&'a [u8]>,
    pub texts: Texts,
    pub density: Option<Density>,
    /// The deflated ICC profile.
    iccp: Option<&'a [u8]>,
    cicp: Option<(u8, u8)>,
    /// Whether black and white are not at the ends of the range of samples, as in video (W3C PNG s11.3.2.6).
    pub has_narrow_range: bool,
    srgb: bool,
    /// The value of gAMA, which is gamma times 100,000.
    gamma: Option<u32>,
    chromaticities: Option<Chromaticities>,
}

impl<'a> Header<'a> {
    /// Reads the chunks of `bytes` up to a damaged length. Returns `None` when there is no IHDR.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Header<'a>> {
        let mut header = Header { is_cut: true, ..Header::default() };
        let mut pixels_seen = false;
        for chunk in Chunks::lenient(bytes) {
            let payload = chunk.payload();
            match &chunk.name {
                b"IDAT" => pixels_seen = true,
                b"IEND" => header.is_cut = !chunk.is_complete(),
                // As other readers do, it ignores what is damaged and not critical.
                [b'a'..=b'z', ..] if !chunk.is_sound() => {}
                b"eXIf" => header.exif = header.exif.or(Some(payload)),
                b"tEXt" | b"zTXt" => header.texts.read(&chunk.name, payload),
                b"iTXt" => {
                    header.texts.read(&chunk.name, payload);
                    header.xmp = header.xmp.or_else(|| text::xmp(payload));
                }
                _ if !pixels_seen => header.read_chunk(&chunk),
                _ => {}
            }
        }
        (header.bit_depth > 0).then_some(header)
    }

    /// Reads a chunk that has a meaning only before the pixels.
    fn read_chunk(&mut self, chunk: &Chunk<'a>) {
        let payload = chunk.payload();
        match &chunk.name {
            // As in the file that is decoded, the first counts.
            b"IHDR" if self.bit_depth == 0 => self.read_size(payload),
            b"tRNS" => self.transparent = true,
            b"acTL" => self.frames = u32_be(payload, 0).unwrap_or(0),
            b"iCCP" => self.iccp = self.iccp.or(Some(payload)),
            b"cICP" if self.cicp.is_none() => {
                self.cicp = code_points(payload);
                self.has_narrow_range = self.cicp.is_some() && payload[3] == 0;
            }
            // One of the four rendering intents (s11.3.2.5).
            b"sRGB" => self.srgb |= matches!(payload, [0..=3]),
            b"gAMA" => self.gamma = self.gamma.or_else(|| u32_be(payload, 0)),
            b"cHRM" => self.chromaticities = self.chromaticities.or_else(|| chromaticities(payload)),
            b"pHYs" => self.density = self.density.or_else(|| density(payload)),
            _ => {}
        }
    }

    fn read_size(&mut self, body: &[u8]) {
        if let (Some(width), Some(height), Some(&[bit_depth, colour_type, _, _, interlace])) =
            (u32_be(body, 0), u32_be(body, 4), body.get(8..13))
        {
            (self.width, self.height, self.bit_depth, self.colour_type) = (width, height, bit_depth, colour_type);
            self.interlaced = interlace == 1;
        }
    }

    /// Returns the passes (W3C PNG s8.1), each with its rows and the bytes of a row after its filter byte. A picture
    /// that is not interlaced is one pass.
    fn passes(&self) -> impl Iterator<Item = (usize, usize)> {
        // First column and row, and steps across and down.
        const PASSES: [[u32; 4]; 7] =
            [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];
        let passes = if self.interlaced { &PASSES[..] } else { &[[0, 0, 1, 1]] };
        let samples: usize = match self.colour_type {
            2 => 3,
            4 => 2,
            6 => 4,
            _ => 1,
        };
        let bits = samples * usize::from(self.bit_depth);
        passes.iter().map(move |&[column, row, across, down]| {
            let columns = self.width.saturating_sub(column).div_ceil(across) as usize;
            let rows = self.height.saturating_sub(row).div_ceil(down) as usize;
            if columns == 0 { (0, 0) } else { (rows, (columns * bits).div_ceil(8)) }
        })
    }

    /// Returns the bytes of all rows, each with its filter byte.
    pub(super) fn filtered_bytes(&self) -> usize {
        self.passes().map(|(rows, bytes)| rows * (1 + bytes)).sum()
    }

    /// Returns the rows of all passes that the first `bytes` of these bytes hold.
    pub(super) fn whole_rows(&self, mut bytes: usize) -> usize {
        let mut whole = 0;
        for (rows, row_bytes) in self.passes() {
            let there = rows.min(bytes / (1 + row_bytes));
            whole += there;
            if there < rows {
                break;
            }
            bytes -= there * (1 + row_bytes);
        }
        whole
    }

    /// Whether these rows of all passes are half of the picture: in an interlaced one all passes but the last.
    pub(super) fn is_half(&self, rows: usize) -> bool {
        let half = if self.interlaced { self.rows_before_last_pass() } else { self.height.div_ceil(2) as usize };
        rows >= half
    }

    /// Returns the rows of all passes but the last, which has every second row of the picture.
    pub(super) fn rows_before_last_pass(&self) -> usize {
        self.passes().take(6).map(|(rows, _)| rows).sum()
    }

    /// Returns the samples of a pixel after the palette lookup, including transparency.
    pub(super) fn channels(&self) -> u64 {
        match (self.colour_type, self.transparent) {
            (0, false) => 1,
            (0, true) | (4, _) => 2,
            (2 | 3, false) => 3,
            _ => 4,
        }
    }

    /// Whether pixels may be transparent.
    pub(super) fn alpha(&self) -> bool {
        self.transparent || matches!(self.colour_type, 4 | 6)
    }

    /// Whether a frame with this control chunk has the size of the picture, and lies at its corner.
    pub(super) fn is_covered_by(&self, control: &[u8]) -> bool {
        [self.width, self.height, 0, 0]
            .into_iter()
            .enumerate()
            .all(|(index, side)| u32_be(control, 4 + 4 * index) == Some(side))
    }

    /// Returns the ICC profile. Returns `None` when it inflates to more than `max_bytes`, and stops inflating there.
    pub(super) fn icc(&self, max_bytes: usize) -> Option<Vec<u8>> {
        let body = self.iccp?;
        let name = body.iter().take(80).position(|&byte| byte == 0)?;
        // One byte of compression method follows the name. 0 is deflate.
        let (&0, deflated) = body.get(name + 1..)?.split_first()? else {
            return None;
        };
        fdeflate::decompress_to_vec_bounded(deflated, max_bytes).ok()
    }

    /// Returns the colour space of the samples, in the order of precedence of the third edition (s4.3): cICP, iCCP
    /// (`icc`, inflated), sRGB, gAMA with cHRM.
    pub(super) fn space<'b>(&self, icc: Option<&'b [u8]>) -> Space<'b> {
        if let Some((primaries, transfer)) = self.cicp {
            return Space::Cicp { primaries, transfer };
        }
        if let Some(icc) = icc {
            return Space::Icc(icc);
        }
        match self.gamma {
            Some(gamma @ 1_000..=1_000_000) if !self.srgb => self.gamma_space(100_000.0 / gamma as f32),
            _ => Space::Srgb,
        }
    }

    /// Writers that mean sRGB declare a power of about 2.2 with sRGB's primaries.
    fn gamma_space<'b>(&self, exponent: f32) -> Space<'b> {
        let primaries = self.chromaticities.filter(|primaries| !primaries.are_srgb());
        if (exponent / 2.2 - 1.0).abs() < 0.05 && primaries.is_none() {
            return Space::Srgb;
        }
        Space::Gamma { exponent, primaries }
    }
}

/// Reads the primaries and the transfer function in cICP (W3C PNG s11.3.2.6). Returns `None` where one is not
/// specified: another chunk may say it.
fn code_points(payload: &[u8]) -> Option<(u8, u8)> {
    match *payload {
        [primaries, transfer, _, _] if cicp::are_specified(primaries, transfer) => Some((primaries, transfer)),
        _ => None,
    }
}

/// Reads pHYs (W3C PNG s11.3.4.3). Without a unit it states the shape of a pixel only.
fn density(payload: &[u8]) -> Option<Density> {
    let is_per_metre = payload.get(8) == Some(&1);
    let sides = u32_be(payload, 0).zip(u32_be(payload, 4)).filter(|_| is_per_metre);
    sides.and_then(|(across, down)| Density::per_metre(across.into(), down.into()))
}

fn chromaticities(body: &[u8]) -> Option<Chromaticities> {
    let point = |at| Some((u32_be(body, at)? as f32 / 100_000.0, u32_be(body, at + 4)? as f32 / 100_000.0));
    Some(Chromaticities { white: point(0)?, red: point(8)?, green: point(16)?, blue: point(24)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut file = b"\x89PNG\r\n\x1A\n".to_vec();
        let header = (b"IHDR", &[0, 0, 0, 5, 0, 0, 0, 7, 8, 2, 0, 0, 0][..]);
        for (kind, body) in std::iter::once(header).chain(chunks.iter().copied()) {
            file.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
            let start = file.len();
            file.extend(kind);
            file.extend(body);
            let checksum = crc32fast::hash(&file[start..]);
            file.extend(checksum.to_be_bytes());
        }
        file
    }

    fn space(chunks: &[(&[u8; 4], &[u8])], icc: Option<&'static [u8]>) -> Space<'static> {
        Header::read(&file(chunks)).unwrap().space(icc)
    }

    const GAMMA_1: (&[u8; 4], &[u8]) = (b"gAMA", &[0, 1, 0x86, 0xA0]);
    const GAMMA_2_2: (&[u8; 4], &[u8]) = (b"gAMA", &[0, 0, 0xB1, 0x8F]);
    const SRGB: (&[u8; 4], &[u8]) = (b"sRGB", &[0]);

    #[test]
    fn colour_chunks_take_precedence_as_the_third_edition_orders_them() {
        let p3 = (b"cICP", &[12, 13, 0, 1][..]);
        assert_eq!(space(&[p3, SRGB, GAMMA_1], Some(b"icc")), Space::Cicp { primaries: 12, transfer: 13 });
        assert_eq!(space(&[SRGB, GAMMA_1], Some(b"icc")), Space::Icc(b"icc"));
        assert_eq!(space(&[SRGB, GAMMA_1], None), Space::Srgb);
        assert_eq!(space(&[GAMMA_1], None), Space::Gamma { exponent: 1.0, primaries: None });
        assert_eq!(space(&[], None), Space::Srgb);
    }

    #[test]
    fn code_points_that_say_nothing_leave_it_to_other_chunks() {
        for payload in [&[2, 2, 0, 1][..], &[1, 2, 0, 1], &[99, 99, 0, 1], &[12, 13]] {
            assert_eq!(space(&[(b"cICP", payload)], Some(b"icc")), Space::Icc(b"icc"), "{payload:?}");
        }
        for (payload, is_narrow) in [([1, 13, 0, 0], true), ([1, 13, 0, 1], false), ([2, 2, 0, 0], false)] {
            let file = file(&[(b"IHDR", &[0, 0, 0, 1, 0, 0, 0, 1, 8, 2, 0, 0, 0]), (b"cICP", &payload)]);
            assert_eq!(Header::read(&file).unwrap().has_narrow_range, is_narrow, "{payload:?}");
        }
    }

    #[test]
    fn the_first_gamma_counts_and_an_undefined_intent_is_ignored() {
        let linear = Space::Gamma { exponent: 1.0, primaries: None };
        assert_eq!(space(&[GAMMA_1, GAMMA_2_2], None), linear);
        for intent in [&[9][..], &[0, 0], &[]] {
            assert_eq!(space(&[(b"sRGB", intent), GAMMA_1], None), linear, "{intent:?}");
        }
    }

    #[test]
    fn a_damaged_chunk_that_is_not_critical_is_ignored() {
        let mut file = file(&[GAMMA_1, (b"tRNS", &[0; 6])]);
        let is_read = |file: &[u8]| {
            let header = Header::read(file).unwrap();
            (header.space(None) != Space::Srgb, header.transparent)
        };
        assert_eq!(is_read(&file), (true, true));
        for name in [b"gAMA", b"tRNS"] {
            let at = file.windows(4).position(|bytes| bytes == name).unwrap();
            file[at + 4] ^= 0x80;
        }
        assert_eq!(is_read(&file), (false, false));
    }

    #[test]
    fn the_first_size_counts() {
        let other = (b"IHDR", &[0, 0, 0, 5, 0, 0, 0, 7, 1, 0, 0, 0, 1][..]);
        let file = file(&[other]);
        let header = Header::read(&file).unwrap();
        assert_eq!((header.bit_depth, header.colour_type, header.interlaced), (8, 2, false));
    }

    #[test]
    fn a_gamma_of_2_2_with_the_usual_primaries_is_srgb() {
        let primaries = [31270u32, 32900, 64000, 33000, 30000, 60000, 15000, 6000].map(u32::to_be_bytes).concat();
        assert_eq!(space(&[GAMMA_2_2], None), Space::Srgb);
        assert_eq!(space(&[GAMMA_2_2, (b"cHRM", &primaries)], None), Space::Srgb);
    }

    #[test]
    fn a_gamma_of_zero_is_ignored() {
        assert_eq!(space(&[(b"gAMA", &[0; 4])], None), Space::Srgb);
    }

    #[test]
    fn xmp_is_read_only_where_it_is_not_compressed() {
        let plain = file(&[(b"iTXt", b"XML:com.adobe.xmp\0\0\0en\0key\0<x/>")]);
        assert_eq!(Header::read(&plain).unwrap().xmp, Some(&b"<x/>"[..]));
        let compressed = file(&[(b"iTXt", b"XML:com.adobe.xmp\0\x01\0en\0key\0<x/>")]);
        assert_eq!(Header::read(&compressed).unwrap().xmp, None);
    }

    #[test]
    fn truncation_at_every_point_never_panics() {
        let file = file(&[GAMMA_1, (b"iCCP", b"name\0\0x"), (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0x")]);
        for end in 0..file.len() {
            Header::read(&file[..end]).map(|header| header.icc(100));
        }
    }
}
