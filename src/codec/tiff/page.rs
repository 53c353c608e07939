//! What the directory says of the first page, checked: nothing is left to guess when the samples are read.

use super::directory::{Directory, Entry};
use super::{refused, unsupported};
use crate::codec::colour::Channels;
use crate::codec::{DecodeError, Format, Limits};
use crate::picture::Orientation;

/// Tags (TIFF 6.0; supplements 1 and 2).
const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
const BITS: u16 = 258;
const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
const FILL_ORDER: u16 = 266;
const STRIP_OFFSETS: u16 = 273;
const ORIENTATION: u16 = 274;
const SAMPLES: u16 = 277;
const ROWS_PER_STRIP: u16 = 278;
const STRIP_BYTES: u16 = 279;
const PLANAR: u16 = 284;
const T4_OPTIONS: u16 = 292;
const PREDICTOR: u16 = 317;
const COLOUR_MAP: u16 = 320;
const TILE_WIDTH: u16 = 322;
const TILE_HEIGHT: u16 = 323;
const TILE_OFFSETS: u16 = 324;
const TILE_BYTES: u16 = 325;
const INK_SET: u16 = 332;
const EXTRA_SAMPLES: u16 = 338;
const SAMPLE_FORMAT: u16 = 339;
const JPEG_TABLES: u16 = 347;
const YCBCR_COEFFICIENTS: u16 = 529;
const YCBCR_SUBSAMPLING: u16 = 530;
const REFERENCE_BLACK_WHITE: u16 = 532;

/// What the first page is (TIFF 6.0 s8), with a bit for a smaller copy of another picture in the file.
const SUBFILE_TYPE: u16 = 254;
const REDUCED: u64 = 1;
/// Directories of a page, where cameras put the picture of a raw file whose first page is a thumbnail (TIFF tech note
/// 1).
const SUB_DIRECTORIES: u16 = 330;
const DNG_VERSION: u16 = 50_706;

/// Bytes of the tables that JPEG chunks share, each of which copies them: eight Huffman tables and four of 16 bits for
/// quantisation have less than 3 KB.
const MAX_TABLE_BYTES: usize = 16 << 10;

/// Bytes by which all chunks together may be longer than the file, or as many as they have samples.
const MAX_SHARED: u64 = 1 << 24;

/// Maximum number of samples in a pixel. Pictures have up to 5; more are measurements of many spectral bands.
const MAX_SAMPLES: u64 = 32;
/// Maximum number of pixels that tiles may store beyond four times those of the picture: one tile of 4096x4096.
const MAX_PADDING: u64 = 1 << 24;
/// Luma coefficients where the file names none (TIFF 6.0 s21: ITU-R BT.601).
const BT_601: [f64; 3] = [0.299, 0.587, 0.114];

/// The first page of a TIFF.
pub(super) struct Page<'a> {
    pub width: u32,
    pub height: u32,
    pub colours: Colours,
    pub alpha: Option<Alpha>,
    pub kind: SampleKind,
    /// Bits of a stored sample.
    pub bits: usize,
    /// Stored samples of a pixel, with those that are not shown.
    pub samples: usize,
    /// Whether each sample of a pixel lies in a plane of its own.
    pub is_planar: bool,
    pub is_little_endian: bool,
    /// Whether the first pixel of a byte is in its lowest bits.
    pub is_reversed: bool,
    pub compression: Compression<'a>,
    pub predictor: Predictor,
    pub chunks: Chunks,
    pub orientation: Orientation,
}

/// What the colour samples mean.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Colours {
    Grey {
        white_is_zero: bool,
    },
    /// Colours of 16 bits.
    Palette(Vec<[u16; 3]>),
    Rgb,
    Inks,
    YCbCr(Luma),
}

/// How luma and colour differences were made.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Luma {
    pub coefficients: [f64; 3],
    /// Values of black and white, or of no and full difference, for each sample.
    pub ranges: [[f64; 2]; 3],
    /// Pixels across and down that share their colour differences.
    pub shared: (usize, usize),
}

/// An extra sample that is the opacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Alpha {
    /// Whether the colours were multiplied by it.
    pub is_premultiplied: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SampleKind {
    Unsigned,
    Float,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression<'a> {
    None,
    /// Group 3 without line ends. Rows begin at multiples of this many bits.
    FaxRuns {
        row_bits: usize,
    },
    /// Group 3 (ITU-T T.4), with rows that refer to the row before or without.
    FaxGroup3 {
        is_two_dimensional: bool,
    },
    /// Group 4 (ITU-T T.6).
    FaxGroup4,
    Lzw,
    Deflate,
    PackBits,
    /// JPEG (technical note 2), with tables that all chunks share.
    Jpeg {
        tables: &'a [u8],
        /// Whether the chunks store luma and colour differences. They are decoded to RGB.
        is_ycbcr: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Predictor {
    None,
    Horizontal,
    Float,
}

/// The strips or tiles, which cover the picture from left to right and from the top. The planes follow each other.
#[derive(Debug)]
pub(super) struct Chunks {
    pub width: usize,
    pub height: usize,
    pub across: usize,
    pub down: usize,
    /// Whether a chunk at the lower edge is as high as all others.
    pub is_padded: bool,
    offsets: Vec<u64>,
    /// Bytes of each chunk that are in the file.
    lengths: Vec<u64>,
}

impl<'a> Page<'a> {
    /// Reads the first page and checks its size against `limits`.
    pub(super) fn read(directory: &Directory<'a>, limits: &Limits) -> Result<Page<'a>, DecodeError> {
        let is_reduced = directory.number(SUBFILE_TYPE).is_some_and(|kind| kind & REDUCED == 1);
        if is_reduced && (directory.has(SUB_DIRECTORIES) || directory.has(DNG_VERSION)) {
            return Err(unsupported("camera raw"));
        }
        let (width, height) = size(directory)?;
        limits.check_size(Format::Tiff, width, height)?;
        let samples = samples(directory)?;
        let bits = bits(directory, samples)?;
        let compression = compression(directory)?;
        let colours = colours(directory, &compression, samples, bits)?;
        let is_planar = samples > 1 && directory.number(PLANAR) == Some(2);
        let page = Page {
            width,
            height,
            alpha: alpha(directory, &colours, samples)?,
            kind: sample_kind(directory)?,
            bits,
            samples,
            is_planar,
            is_little_endian: directory.is_little_endian(),
            is_reversed: directory.number(FILL_ORDER) == Some(2),
            predictor: predictor(directory, &compression)?,
            chunks: Chunks::read(directory, width, height, if is_planar { samples } else { 1 }, limits)?,
            orientation: orientation(directory),
            compression,
            colours,
        };
        page.check()?;
        Ok(page)
    }

    /// Refuses what the samples can't be: each kind has its depths, and some compressions have only one.
    fn check(&self) -> Result<(), DecodeError> {
        let is_known_depth = match self.kind {
            SampleKind::Float => {
                matches!(self.bits, 16 | 32) && matches!(self.colours, Colours::Grey { .. } | Colours::Rgb)
            }
            SampleKind::Unsigned => matches!(self.bits, 1..=16 | 32),
        };
        let depth_fits = match (&self.colours, &self.compression) {
            (_, Compression::Jpeg { .. }) | (Colours::YCbCr(_), _) => self.bits == 8,
            (_, Compression::FaxRuns { .. } | Compression::FaxGroup3 { .. } | Compression::FaxGroup4) => {
                self.bits == 1 && self.samples == 1
            }
            (Colours::Palette(_), _) => matches!(self.bits, 1..=8 | 16),
            _ => true,
        };
        let predictor_fits = match self.predictor {
            Predictor::None => true,
            Predictor::Horizontal => matches!(self.bits, 8 | 16 | 32),
            Predictor::Float => self.kind == SampleKind::Float,
        };
        if !is_known_depth || !depth_fits || !predictor_fits {
            return Err(unsupported(format!("TIFF with {} bits a sample of this kind", self.bits)));
        }
        if self.is_planar && matches!(self.compression, Compression::Jpeg { is_ycbcr: true, .. }) {
            return Err(unsupported("TIFF with JPEG planes of colour differences"));
        }
        let is_subsampled = matches!(&self.colours, Colours::YCbCr(luma) if luma.shared != (1, 1));
        if is_subsampled && (self.is_planar || self.samples != 3 || self.predictor != Predictor::None) {
            return Err(unsupported("TIFF with colour differences of this layout"));
        }
        Ok(())
    }

    /// Returns the channels that the samples become.
    pub(super) fn channels(&self) -> Channels {
        match (&self.colours, self.alpha) {
            (Colours::Grey { .. }, None) => Channels::Grey,
            (Colours::Grey { .. }, Some(_)) => Channels::GreyAlpha,
            (Colours::Inks, _) => Channels::Cmyk,
            (_, None) => Channels::Rgb,
            (_, Some(_)) => Channels::Rgba,
        }
    }

    /// Returns the number of stored samples that are used: the colours, and alpha.
    pub(super) fn used_samples(&self) -> usize {
        self.colours.samples() + usize::from(self.alpha.is_some())
    }

    /// Returns the samples of a pixel in one chunk.
    pub(super) fn chunk_samples(&self) -> usize {
        if self.is_planar { 1 } else { self.samples }
    }

    /// Returns the planes that are read.
    pub(super) fn planes(&self) -> usize {
        if self.is_planar { self.used_samples() } else { 1 }
    }

    /// Returns the bytes of a row in a decompressed chunk.
    pub(super) fn row_bytes(&self) -> usize {
        (self.chunks.width * self.chunk_samples() * self.bits).div_ceil(8)
    }

    /// Returns the bytes of a decompressed chunk of `rows` rows.
    pub(super) fn chunk_bytes(&self, rows: usize) -> usize {
        match &self.colours {
            Colours::YCbCr(luma) if luma.shared != (1, 1) => {
                luma.row_of_units_bytes(self.chunks.width) * rows.div_ceil(luma.shared.1)
            }
            _ => self.row_bytes() * rows,
        }
    }
}

impl Colours {
    /// Returns the stored samples that a colour takes.
    fn samples(&self) -> usize {
        match self {
            Colours::Grey { .. } | Colours::Palette(_) => 1,
            Colours::Rgb | Colours::YCbCr(_) => 3,
            Colours::Inks => 4,
        }
    }
}

impl Luma {
    /// Returns the bytes of a row of units (TIFF 6.0 s21): the luma of all pixels that share their colour differences,
    /// then the differences.
    pub(super) fn row_of_units_bytes(&self, width: usize) -> usize {
        width.div_ceil(self.shared.0) * (self.shared.0 * self.shared.1 + 2)
    }
}

impl Chunks {
    fn read(
        directory: &Directory<'_>,
        width: u32,
        height: u32,
        planes: usize,
        limits: &Limits,
    ) -> Result<Chunks, DecodeError> {
        let is_tiled = directory.has(TILE_WIDTH);
        let side = |tag| directory.number(tag).and_then(|side| u32::try_from(side).ok()).unwrap_or(0);
        let (chunk_width, chunk_height) = match is_tiled {
            true => (side(TILE_WIDTH), side(TILE_HEIGHT)),
            // One strip is the default.
            false => (width, directory.number(ROWS_PER_STRIP).map_or(height, |rows| rows.min(height.into()) as u32)),
        };
        limits
            .check_size(Format::Tiff, chunk_width, chunk_height)
            .map_err(|_| refused("its tiles have no usable size"))?;
        let (offsets, lengths) = if is_tiled { (TILE_OFFSETS, TILE_BYTES) } else { (STRIP_OFFSETS, STRIP_BYTES) };
        let file_bytes = directory.file_bytes();
        let mut chunks = Chunks {
            width: chunk_width as usize,
            height: chunk_height as usize,
            across: width.div_ceil(chunk_width) as usize,
            down: height.div_ceil(chunk_height) as usize,
            is_padded: is_tiled,
            offsets: directory.numbers(offsets).unwrap_or_default(),
            lengths: directory.numbers(lengths).unwrap_or_default(),
        };
        let stored = (chunks.across * chunks.width) as u64 * (chunks.down * chunks.height) as u64;
        if stored > u64::from(width) * u64::from(height) * 4 + MAX_PADDING {
            return Err(refused("its tiles are far larger than the picture"));
        }
        let needed = (chunks.across * chunks.down) as u64 * planes as u64;
        let has_lengths = chunks.lengths.is_empty() || chunks.lengths.len() as u64 >= needed;
        if (chunks.offsets.len() as u64) < needed || !has_lengths {
            return Err(refused("the list of its strips or tiles is too short"));
        }
        chunks.complete_lengths(file_bytes);
        let lengths = chunks.lengths.iter().take(needed as usize);
        let bytes = lengths.fold(0, |sum: u64, length| sum.saturating_add(*length));
        // Chunks that are alike may share their bytes.
        if bytes > file_bytes.saturating_add(MAX_SHARED.max(stored)) {
            return Err(refused("its strips or tiles together are far longer than the file"));
        }
        Ok(chunks)
    }

    /// Gives each chunk a length that is in the file: some writers leave lengths out, or that of a single strip 0. Such
    /// a chunk ends where the next one begins.
    fn complete_lengths(&mut self, file_bytes: u64) {
        let mut starts = self.offsets.clone();
        starts.sort_unstable();
        let next_of = |start: u64| starts.get(starts.partition_point(|other| *other <= start)).copied();
        let length = |(index, start): (usize, &u64)| {
            let rest = file_bytes.saturating_sub(*start);
            match self.lengths.get(index) {
                None | Some(0) => next_of(*start).map_or(rest, |next| (next - start).min(rest)),
                Some(length) => rest.min(*length),
            }
        };
        self.lengths = self.offsets.iter().enumerate().map(length).collect();
    }

    /// Returns the stored bytes of a chunk, as many of them as there are in the file.
    pub(super) fn bytes_of<'b>(&self, file: &'b [u8], index: usize) -> &'b [u8] {
        let start = self.offsets.get(index).and_then(|&offset| usize::try_from(offset).ok());
        let rest = start.and_then(|start| file.get(start..)).unwrap_or_default();
        let length = self.lengths.get(index).map_or(0, |&length| usize::try_from(length).unwrap_or(usize::MAX));
        &rest[..length.min(rest.len())]
    }
}

fn size(directory: &Directory<'_>) -> Result<(u32, u32), DecodeError> {
    let side = |tag| directory.number(tag).map(|side| u32::try_from(side).unwrap_or(u32::MAX));
    side(WIDTH).zip(side(HEIGHT)).ok_or_else(|| refused("its directory names no size"))
}

fn orientation(directory: &Directory<'_>) -> Orientation {
    Orientation::from_exif(directory.number(ORIENTATION).and_then(|value| u32::try_from(value).ok()).unwrap_or(1))
}

fn samples(directory: &Directory<'_>) -> Result<usize, DecodeError> {
    match directory.number(SAMPLES).unwrap_or(1) {
        0 => Err(refused("its pixels have no samples")),
        samples @ 1..=MAX_SAMPLES => Ok(samples as usize),
        samples => Err(unsupported(format!("TIFF with {samples} samples a pixel"))),
    }
}

fn bits(directory: &Directory<'_>, samples: usize) -> Result<usize, DecodeError> {
    let bits = directory.numbers(BITS).unwrap_or_else(|| vec![1]);
    let first = bits.first().copied().unwrap_or(1);
    // Some writers name the depth of one sample only.
    if bits.len() > 1 && bits.len() < samples {
        return Err(refused("it does not name the depth of each sample"));
    }
    if bits.iter().take(samples).any(|&other| other != first) {
        return Err(unsupported("TIFF with samples of different depths"));
    }
    match first {
        1..=64 => Ok(first as usize),
        _ => Err(refused(format!("its samples have {first} bits"))),
    }
}

fn sample_kind(directory: &Directory<'_>) -> Result<SampleKind, DecodeError> {
    let kinds = directory.numbers(SAMPLE_FORMAT).unwrap_or_else(|| vec![1]);
    let first = kinds.first().copied().unwrap_or(1);
    if kinds.iter().any(|&kind| kind != first) {
        return Err(unsupported("TIFF with samples of different kinds"));
    }
    match first {
        // 4 means that the writer did not know.
        1 | 4 => Ok(SampleKind::Unsigned),
        2 => Err(unsupported("TIFF with signed samples")),
        3 => Ok(SampleKind::Float),
        5 | 6 => Err(unsupported("TIFF with complex samples")),
        _ => Err(refused(format!("it names sample format {first}, which does not exist"))),
    }
}

fn compression<'a>(directory: &Directory<'a>) -> Result<Compression<'a>, DecodeError> {
    let number = directory.number(COMPRESSION).unwrap_or(1);
    let name = match number {
        1 => return Ok(Compression::None),
        2 => return Ok(Compression::FaxRuns { row_bits: 8 }),
        3 => {
            let is_two_dimensional = directory.number(T4_OPTIONS).unwrap_or(0) & 1 == 1;
            return Ok(Compression::FaxGroup3 { is_two_dimensional });
        }
        4 => return Ok(Compression::FaxGroup4),
        5 => return Ok(Compression::Lzw),
        7 => {
            let tables = directory.bytes_of(JPEG_TABLES).unwrap_or_default();
            if tables.len() > MAX_TABLE_BYTES {
                return Err(refused("its JPEG tables are too long"));
            }
            return Ok(Compression::Jpeg { tables, is_ycbcr: directory.number(PHOTOMETRIC) == Some(6) });
        }
        8 | 32_946 => return Ok(Compression::Deflate),
        32_771 => return Ok(Compression::FaxRuns { row_bits: 16 }),
        32_773 => return Ok(Compression::PackBits),
        6 => "old-style JPEG",
        9 | 10 | 34_661 => "JBIG",
        32_766 => "NeXT",
        32_809 => "ThunderScan",
        34_676 | 34_677 => "LogLuv",
        33_003 | 33_004 | 33_005 | 34_712 => "JPEG 2000",
        34_887 => "LERC",
        34_892 => "lossy DNG",
        34_925 => "LZMA",
        50_000 | 34_926 => "Zstandard",
        50_001 | 34_927 => "WebP",
        50_002 | 52_546 => "JPEG XL",
        _ => return Err(unsupported(format!("TIFF with compression {number}"))),
    };
    Err(unsupported(format!("TIFF with {name} compression")))
}

/// Returns the predictor. Only two compressions have one: readers ignore the tag with any other.
fn predictor(directory: &Directory<'_>, compression: &Compression<'_>) -> Result<Predictor, DecodeError> {
    if !matches!(compression, Compression::Lzw | Compression::Deflate) {
        return Ok(Predictor::None);
    }
    match directory.number(PREDICTOR).unwrap_or(1) {
        1 => Ok(Predictor::None),
        2 => Ok(Predictor::Horizontal),
        3 => Ok(Predictor::Float),
        other => Err(refused(format!("it names predictor {other}, which does not exist"))),
    }
}

fn colours(
    directory: &Directory<'_>,
    compression: &Compression<'_>,
    samples: usize,
    bits: usize,
) -> Result<Colours, DecodeError> {
    let is_fax =
        matches!(compression, Compression::FaxRuns { .. } | Compression::FaxGroup3 { .. } | Compression::FaxGroup4);
    // The tag is required. Where it is missing, readers go by the number of samples.
    let assumed = if samples >= 3 { 2 } else { u64::from(!is_fax) };
    let colours = match directory.number(PHOTOMETRIC).unwrap_or(assumed) {
        number @ (0 | 1) => Colours::Grey { white_is_zero: number == 0 },
        2 => Colours::Rgb,
        3 => Colours::Palette(palette(directory, bits)?),
        5 if directory.number(INK_SET).unwrap_or(1) == 1 => Colours::Inks,
        5 => return Err(unsupported("TIFF with inks that are not CMYK")),
        6 if matches!(compression, Compression::Jpeg { .. }) => Colours::Rgb,
        6 => Colours::YCbCr(luma(directory)?),
        4 => return Err(unsupported("TIFF with a transparency mask as its first page")),
        8..=10 => return Err(unsupported("TIFF with Lab colours")),
        32_803 | 34_892 => return Err(unsupported("TIFF with the raw samples of a sensor")),
        32_844 | 32_845 => return Err(unsupported("TIFF with LogLuv colours")),
        other => return Err(unsupported(format!("TIFF with colours of kind {other}"))),
    };
    if samples < colours.samples() {
        return Err(refused("its pixels have fewer samples than its colours take"));
    }
    Ok(colours)
}

/// What Corel Draw 10 writes for an extra sample that is opacity (libtiff, tif_dir.c).
const COREL_ALPHA: u64 = 999;

/// Returns what the first extra sample is, when it is the opacity. A fourth sample of RGB or a second of grey that the
/// file says nothing of is opacity, too. Inks have none.
fn alpha(directory: &Directory<'_>, colours: &Colours, samples: usize) -> Result<Option<Alpha>, DecodeError> {
    if samples == colours.samples() || *colours == Colours::Inks {
        return Ok(None);
    }
    let is_declared = directory.has(EXTRA_SAMPLES);
    match directory.number(EXTRA_SAMPLES) {
        Some(1) => Ok(Some(Alpha { is_premultiplied: true })),
        Some(2 | COREL_ALPHA) => Ok(Some(Alpha { is_premultiplied: false })),
        Some(_) => Ok(None),
        None if is_declared => Err(refused("its list of extra samples can't be read")),
        None if samples == colours.samples() + 1 => Ok(Some(Alpha { is_premultiplied: false })),
        None => Err(unsupported(format!("TIFF with {samples} samples a pixel that it does not explain"))),
    }
}

/// Returns the palette as 16-bit RGB. TIFF stores all reds, then all greens, then all blues.
fn palette(directory: &Directory<'_>, bits: usize) -> Result<Vec<[u16; 3]>, DecodeError> {
    let entries = 1usize << bits.min(16);
    let map = directory.numbers(COLOUR_MAP).unwrap_or_default();
    if map.len() < entries * 3 {
        return Err(refused("its palette is cut short"));
    }
    // Some writers put 8-bit values into the 16-bit fields. libtiff's readers detect it the same way.
    let are_bytes = map.iter().all(|&value| value < 256);
    // Others put them into the upper half alone.
    let are_upper_bytes = map.iter().all(|&value| value & 0xFF == 0);
    let value = |index: usize| match map[index].min(u16::MAX.into()) as u16 {
        byte if are_bytes => byte * 257,
        value if are_upper_bytes => (value >> 8) * 257,
        value => value,
    };
    Ok((0..entries).map(|index| [value(index), value(entries + index), value(2 * entries + index)]).collect())
}

fn luma(directory: &Directory<'_>) -> Result<Luma, DecodeError> {
    let coefficients: Option<[f64; 3]> =
        directory.fractions(YCBCR_COEFFICIENTS).and_then(|found| found.try_into().ok());
    let coefficients = coefficients.unwrap_or(BT_601);
    if coefficients.iter().any(|coefficient| !(0.01..1.0).contains(coefficient)) {
        return Err(refused("its coefficients of luma are impossible"));
    }
    let ranges = directory.fractions(REFERENCE_BLACK_WHITE).filter(|ranges| ranges.len() == 6);
    let ranges = ranges.unwrap_or_else(|| vec![0.0, 255.0, 128.0, 255.0, 128.0, 255.0]);
    if ranges.chunks_exact(2).any(|range| range[1] <= range[0]) {
        return Err(refused("its range of luma is empty"));
    }
    let shared = match directory.numbers(YCBCR_SUBSAMPLING).as_deref() {
        None => (2, 2),
        Some(&[across @ (1 | 2 | 4), down @ (1 | 2 | 4)]) => (across as usize, down as usize),
        Some(_) => return Err(refused("its colour differences are shared in an impossible way")),
    };
    let ranges = [[ranges[0], ranges[1]], [ranges[2], ranges[3]], [ranges[4], ranges[5]]];
    Ok(Luma { coefficients, ranges, shared })
}

/// Reads the first directory and checks that no entry declares too many values.
pub(super) fn read_directory(bytes: &[u8]) -> Result<Directory<'_>, DecodeError> {
    let directory = Directory::read(bytes).ok_or_else(|| refused("its directory is cut short"))?;
    let is_excessive = |entry: &&Entry| {
        let is_bare = entry.count > super::MANY_VALUES && directory.values_of(entry).is_none();
        (is_bare || entry.count > super::MAX_VALUES) && !super::METADATA.contains(&entry.tag)
    };
    match directory.entries().iter().find(is_excessive) {
        Some(entry) => Err(refused(format!("its tag {} claims {} values", entry.tag, entry.count))),
        None => Ok(directory),
    }
}
