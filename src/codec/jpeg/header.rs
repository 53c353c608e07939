//! Reads what a JPEG's markers say (ITU-T T.81 annex B), without decoding.

use memchr::memchr_iter;

use super::segments::{
    APP0, APP1, APP2, APP13, APP14, DQT, DRI, EOI, EXIF, ICC, JFIF, JPEG_LS, PHOTOSHOP, RST0, RST7, SOF2, SOF6, SOF10,
    SOF14, SOI, SOS, Segment, Segments, XMP,
};
use crate::codec::bytes::u16_be;
use crate::codec::density::Density;
use crate::codec::rights::{Rights, iptc};

/// Maximum bytes of Photoshop's resources that are read. More than a few segments hold pictures, not texts.
const MAX_RESOURCES: usize = 256 << 10;

/// A JPEG up to its end marker. The rest of the file (other pictures, gain maps) is not read.
#[derive(Debug, Default)]
pub(super) struct Header<'a> {
    pub width: u32,
    pub height: u32,
    pub progressive: bool,
    /// The second byte of the frame's marker, which names its kind (T.81, table B.1).
    pub frame: u8,
    /// Bits of a sample.
    pub precision: u8,
    pub components: Vec<Component>,
    pub exif: Option<&'a [u8]>,
    pub xmp: Option<&'a [u8]>,
    /// The density in JFIF's segment.
    pub density: Option<Density>,
    /// Chunks of the ICC profile: number, count, bytes.
    icc: Vec<(u8, u8, &'a [u8])>,
    /// Parts of Photoshop's image resources.
    resources: Vec<&'a [u8]>,
    /// Number of scans that begin.
    pub scans: usize,
    /// What is wrong with a scan. In a file that is cut, that may be the reason.
    fault: Option<&'static str>,
    /// Blocks of 8x8 samples that all scans together code.
    pub block_visits: u64,
    /// Whether a scan has restart markers.
    has_restarts: bool,
    /// The restart interval of the next scan.
    restart_interval: u16,
    /// The quantisation tables, as they are stored, with their precision.
    tables: [Option<(u8, &'a [u8])>; 4],
    /// Whether a quantisation table changes after the first scan.
    pub changes_tables: bool,
    /// Whether the end marker is present.
    pub complete: bool,
    /// Where the picture ends: after the end marker, or where another file begins instead of it.
    pub end: usize,
}

/// A colour component as declared in the frame header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Component {
    id: u8,
    horizontal: u32,
    vertical: u32,
    /// Whether a scan codes it.
    is_coded: bool,
}

impl<'a> Header<'a> {
    /// Reads all markers of `bytes` up to the end marker or the end of the bytes. Returns `None` when a marker is
    /// damaged before the first scan begins. After that, what was found so far is returned.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Header<'a>> {
        let mut header = Header { end: bytes.len(), ..Header::default() };
        for segment in Segments::lenient(bytes) {
            // Some phones write a picture without an end marker, and another file after it.
            if segment.marker == SOI && header.scans > 0 {
                header.end = segment.start;
                break;
            }
            header.read_segment(&segment);
        }
        (header.complete || header.scans > 0).then_some(header)
    }

    fn read_segment(&mut self, segment: &Segment<'a>) {
        match segment.marker {
            EOI => {
                self.complete = true;
                self.end = segment.end;
            }
            APP0..=APP14 if segment.follows_scan => {}
            APP0 => self.density = self.density.or_else(|| jfif_density(segment.payload)),
            APP1 => self.read_app1(segment.payload),
            APP2 => self.read_icc(segment.payload),
            APP13 => self.resources.extend(segment.payload.strip_prefix(PHOTOSHOP)),
            DQT => self.read_tables(segment.payload),
            DRI => self.restart_interval = u16_be(segment.payload, 0).unwrap_or(0),
            SOS => self.read_scan(segment),
            _ if segment.is_frame() || segment.marker == JPEG_LS => self.read_frame(segment),
            _ => {}
        }
    }

    fn read_frame(&mut self, segment: &Segment) {
        if !self.components.is_empty() {
            return;
        }
        let (Some(height), Some(width)) = (u16_be(segment.payload, 1), u16_be(segment.payload, 3)) else {
            return;
        };
        self.frame = segment.marker;
        self.precision = segment.payload.first().copied().unwrap_or(0);
        self.width = u32::from(width);
        self.height = u32::from(height);
        self.progressive = matches!(segment.marker, SOF2 | SOF6 | SOF10 | SOF14);
        let components = segment.payload.get(6..).unwrap_or_default().chunks_exact(3).take(4);
        self.components = components
            .map(|bytes| Component {
                id: bytes[0],
                horizontal: u32::from(bytes[1] >> 4).clamp(1, 4),
                vertical: u32::from(bytes[1] & 15).clamp(1, 4),
                is_coded: false,
            })
            .collect();
    }

    fn read_app1(&mut self, payload: &'a [u8]) {
        if let Some(exif) = payload.strip_prefix(EXIF) {
            self.exif.get_or_insert(exif);
        } else if let Some(xmp) = payload.strip_prefix(XMP) {
            self.xmp.get_or_insert(xmp);
        }
    }

    fn read_icc(&mut self, payload: &'a [u8]) {
        if let Some([number, count, chunk @ ..]) = payload.strip_prefix(ICC) {
            self.icc.push((*number, *count, chunk));
        }
    }

    /// Reads quantisation tables (T.81 s B.2.4.1).
    fn read_tables(&mut self, mut payload: &'a [u8]) {
        while let Some((&kind, rest)) = payload.split_first() {
            let length = if kind >> 4 == 0 { 64 } else { 128 };
            let (Some(table), Some(place)) = (rest.get(..length), self.tables.get_mut(usize::from(kind & 15))) else {
                return;
            };
            let before = place.replace((kind >> 4, table));
            self.changes_tables |= self.scans > 0 && before.is_some_and(|before| before != (kind >> 4, table));
            payload = &rest[length..];
        }
    }

    fn read_scan(&mut self, segment: &Segment<'_>) {
        self.scans += 1;
        self.has_restarts |= self.restart_interval > 0;
        let count = usize::from(segment.payload.first().copied().unwrap_or(0)).min(4);
        let (selectors, band) =
            segment.payload.get(1..).unwrap_or_default().split_at_checked(2 * count).unwrap_or_default();
        let place = |id: u8| self.components.iter().position(|component| component.id == id);
        let coded: Vec<usize> = selectors.chunks_exact(2).filter_map(|selector| place(selector[0])).collect();
        if !coded.is_sorted() {
            self.fault = Some("a scan has its components in another order than the frame");
        }
        // Lower and upper end of the band (T.81 s G.1.1.1.1).
        if self.progressive && matches!(band, [0, end, ..] if *end > 0) {
            self.fault = Some("a scan of a progressive file codes DC and AC together");
        }
        // In arithmetic coding there may be no data after the last.
        let (inside, all) = restarts(segment.entropy);
        if !(inside..=all).contains(&self.restarts_expected(&coded)) {
            self.fault = Some("restart markers are missing, or there are too many");
        }
        for index in coded {
            self.components[index].is_coded = true;
            self.block_visits = self.block_visits.saturating_add(self.blocks_of(&self.components[index]));
        }
    }

    /// Returns the number of restart markers in a scan of these components (T.81 s A.2, s E.1.4).
    fn restarts_expected(&self, coded: &[usize]) -> u64 {
        if self.restart_interval == 0 {
            return 0;
        }
        let largest = |side: fn(&Component) -> u32| self.components.iter().map(side).max().unwrap_or(1);
        let (across, down) = (largest(|component| component.horizontal), largest(|component| component.vertical));
        let units = |side: u32, size: u32| u64::from(side.div_ceil(size));
        let count = match *coded {
            // A scan of one component has no blocks beyond its samples.
            [index] => {
                let Component { horizontal, vertical, .. } = self.components[index];
                units((self.width * horizontal).div_ceil(across), 8) * units((self.height * vertical).div_ceil(down), 8)
            }
            _ => units(self.width, 8 * across) * units(self.height, 8 * down),
        };
        count.div_ceil(u64::from(self.restart_interval)).saturating_sub(1)
    }

    /// Returns what is wrong with the scans of a file that is complete. Decoders disagree on such files.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let is_coded = |id: u8| self.components.iter().any(|component| component.id == id && component.is_coded);
        let misses_one = !self.progressive && self.component_ids().into_iter().any(|id| !is_coded(id));
        let missing = misses_one.then_some("a scan of it is missing");
        self.fault.or(missing).filter(|_| self.complete)
    }

    /// Whether zune-jpeg refuses the file or misreads it: it refuses three samples across to one or two, applies the
    /// last of a component's quantisation tables, and loses blocks after restart markers in several sequential scans.
    pub(super) fn needs_other_decoder(&self) -> bool {
        let restarts_in_scans = self.has_restarts && !self.progressive && self.scans > 1;
        restarts_in_scans || self.changes_tables || self.components.iter().any(|component| component.horizontal == 3)
    }

    /// Whether a component has fewer samples than another.
    pub(super) fn is_subsampled(&self) -> bool {
        self.components
            .windows(2)
            .any(|pair| (pair[0].horizontal, pair[0].vertical) != (pair[1].horizontal, pair[1].vertical))
    }

    /// Returns the names of the components.
    pub(super) fn component_ids(&self) -> Vec<u8> {
        self.components.iter().map(|component| component.id).collect()
    }

    /// Whether there is an ICC profile whose chunks are numbered wrongly or not all there.
    pub(super) fn has_broken_icc(&self) -> bool {
        !self.icc.is_empty() && self.icc(usize::MAX).is_none()
    }

    /// Returns the number of blocks of all components together.
    pub(super) fn blocks(&self) -> u64 {
        self.components.iter().map(|component| self.blocks_of(component)).sum()
    }

    /// Returns the number of blocks of a component, padded to whole units of the picture's sampling.
    fn blocks_of(&self, component: &Component) -> u64 {
        let across = self.components.iter().map(|component| component.horizontal).max().unwrap_or(1);
        let down = self.components.iter().map(|component| component.vertical).max().unwrap_or(1);
        let units = u64::from(self.width.div_ceil(8 * across)) * u64::from(self.height.div_ceil(8 * down));
        units * u64::from(component.horizontal * component.vertical)
    }

    /// Returns the rights in IPTC, read from at most `max_bytes` of resources.
    pub(super) fn rights(&self, max_bytes: usize) -> Rights {
        let mut left = max_bytes.min(MAX_RESOURCES);
        let parts = self.resources.iter().map_while(|part| {
            left = left.checked_sub(part.len())?;
            Some(*part)
        });
        iptc::of_resources(&parts.collect::<Vec<_>>().concat())
    }

    /// Returns the bytes of all chunks of an ICC profile.
    pub(super) fn icc_bytes(&self) -> usize {
        self.icc.iter().map(|(_, _, chunk)| chunk.len()).sum()
    }

    /// Returns the ICC profile when all its chunks are present and together at most `max_bytes` long (ICC.1 annex B.4).
    pub(super) fn icc(&self, max_bytes: usize) -> Option<Vec<u8>> {
        let &(_, count, _) = self.icc.first()?;
        let total = self.icc_bytes();
        if self.icc.len() != usize::from(count) || total > max_bytes {
            return None;
        }
        let mut profile = Vec::with_capacity(total);
        for number in 1..=count {
            let (_, _, chunk) = self.icc.iter().find(|(found, _, _)| *found == number)?;
            profile.extend_from_slice(chunk);
        }
        Some(profile)
    }
}

/// Returns the density in the payload of a JFIF segment (JFIF 1.02). Without a unit it states the shape of a pixel
/// only.
fn jfif_density(payload: &[u8]) -> Option<Density> {
    let (unit, sides) = payload.strip_prefix(JFIF)?.get(2..)?.split_first()?;
    let (across, down) = (u16_be(sides, 0)?.into(), u16_be(sides, 2)?.into());
    match unit {
        1 => Density::per_inch(across, down),
        2 => Density::per_centimetre(across, down),
        _ => None,
    }
}

/// Returns the number of restart markers in coded data: of those with data after them, and of all.
fn restarts(coded: &[u8]) -> (u64, u64) {
    let is_restart = |at: &usize| matches!(coded.get(at + 1), Some(RST0..=RST7));
    let last = coded.iter().rposition(|byte| *byte != 0xFF).unwrap_or(0);
    let markers = || memchr_iter(0xFF, coded).filter(is_restart);
    (markers().filter(|at| at + 1 < last).count() as u64, markers().count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Markers of a 20x10 frame with 4:2:0 chroma, then `scans` scans of luma alone.
    fn file(scans: usize) -> Vec<u8> {
        let mut file = b"\xFF\xD8\xFF\xFF\xFF\xC2\0\x11\x08\0\x0A\0\x14\x03\x01\x22\0\x02\x11\0\x03\x11\0".to_vec();
        for _ in 0..scans {
            file.extend(b"\xFF\xDA\0\x08\x01\x01\0\0\x3F\0\x12\xFF\0\xFF\xD0\x34");
        }
        file.extend(b"\xFF\xD9");
        file
    }

    #[test]
    fn counts_scans_and_the_blocks_they_visit() {
        let file = file(3);
        let header = Header::read(&file).unwrap();
        assert_eq!((header.width, header.height, header.scans), (20, 10, 3));
        assert!(header.complete && header.progressive);
        // Two units of 16x16, with 4 luma and 2 chroma blocks each.
        assert_eq!((header.blocks(), header.block_visits), (12, 24));
    }

    #[test]
    fn nothing_after_the_end_marker_counts() {
        let mut file = file(1);
        file.extend(self::file(50));
        assert_eq!(Header::read(&file).unwrap().scans, 1);
    }

    #[test]
    fn the_last_interval_of_restarts_may_be_empty() {
        assert_eq!(restarts(b"\x12\xFF\xD0\x34\xFF\0"), (1, 1));
        assert_eq!(restarts(b"\x12\xFF\xD0\xFF\xD1"), (1, 2));
        assert_eq!(restarts(b"\x12\xFF\xD0\xFF\xFF"), (0, 1));
    }

    #[test]
    fn truncation_at_every_point_never_panics() {
        let file = file(2);
        for end in 0..file.len() {
            if let Some(header) = Header::read(&file[..end]) {
                assert!(!header.complete && header.scans > 0);
            }
        }
    }

    #[test]
    fn an_icc_profile_is_joined_in_order() {
        let mut file = b"\xFF\xD8".to_vec();
        for (number, byte) in [(2, b'b'), (1, b'a')] {
            file.extend(b"\xFF\xE2\0\x11ICC_PROFILE\0");
            file.extend([number, 2, byte]);
        }
        file.extend(b"\xFF\xD9");
        let header = Header::read(&file).unwrap();
        assert_eq!(header.icc(10).as_deref(), Some(&b"ab"[..]));
        assert_eq!(header.icc(1), None);
    }
}
