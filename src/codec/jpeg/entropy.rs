//! Reads the Huffman-coded data of a JPEG symbol by symbol (ITU-T T.81, annexes F and G), to check whether its scans
//! hold exactly the blocks that its headers announce. Decoders continue after damage there, and what they show is a
//! guess.

use super::segments::{DHT, DRI, EOI, RST0, RST7, SOF0, SOF1, SOF2, SOS, Segment, Segments};

/// The largest categories of differences and coefficients in 8-bit pictures (T.81, tables F.1 and F.2).
const MAX_DC_CATEGORY: u32 = 11;
const MAX_AC_CATEGORY: u32 = 10;
/// Last position in a block (T.81 s A.3.6).
const LAST: usize = 63;

/// Whether every scan of `file` is complete, up to its end marker. Arithmetic coding and lossless JPEG count as damage,
/// because they are not decoded either.
pub fn is_sound(file: &[u8]) -> bool {
    walk(file).is_some()
}

fn walk(file: &[u8]) -> Option<()> {
    let mut segments = Segments::strict(file)?;
    let mut coded = Coded::default();
    loop {
        let segment = segments.next()?;
        match segment.marker {
            EOI => return coded.is_complete().then_some(()),
            SOF0 | SOF1 | SOF2 => coded.read_frame(&segment)?,
            _ if segment.is_frame() => return None,
            DHT => coded.read_tables(segment.payload)?,
            DRI => coded.restart_interval = usize::from(u16::from_be_bytes(segment.payload.try_into().ok()?)),
            SOS => coded.read_scan(&segment)?,
            _ => {}
        }
    }
}

/// The headers read so far.
#[derive(Default)]
struct Coded {
    is_progressive: bool,
    width: usize,
    height: usize,
    components: Vec<Component>,
    dc_tables: [Option<Table>; 4],
    ac_tables: [Option<Table>; 4],
    /// Units between restart markers; 0 when there are none.
    restart_interval: usize,
}

struct Component {
    id: u8,
    horizontal: usize,
    vertical: usize,
    /// Blocks in a row that the picture needs, and blocks in a row with the padding to whole units.
    blocks_across: usize,
    blocks_down: usize,
    stride: usize,
    /// For each block, one bit for each position whose coefficient is not zero. Refinements depend on them.
    nonzero: Vec<u64>,
    has_dc: bool,
}

/// The parameters of a scan (T.81 s B.2.3).
#[derive(Clone, Copy)]
struct Band {
    first: usize,
    last: usize,
    /// Whether the scan adds one bit to the coefficients of earlier scans.
    refines: bool,
}

/// A component in a scan, with its tables.
#[derive(Clone, Copy)]
struct Selected {
    index: usize,
    dc: usize,
    ac: usize,
}

impl Coded {
    fn is_complete(&self) -> bool {
        !self.components.is_empty() && self.components.iter().all(|component| component.has_dc)
    }

    fn read_frame(&mut self, segment: &Segment) -> Option<()> {
        let [8, high, low, wide, narrow, count, rest @ ..] = segment.payload else { return None };
        if !self.components.is_empty() || rest.len() != 3 * usize::from(*count) || rest.is_empty() {
            return None;
        }
        self.is_progressive = segment.marker == SOF2;
        self.height = usize::from(u16::from_be_bytes([*high, *low]));
        self.width = usize::from(u16::from_be_bytes([*wide, *narrow]));
        let factors: Vec<_> = rest.chunks_exact(3).map(|part| (part[0], part[1] >> 4, part[1] & 15)).collect();
        let mut sides = factors.iter().flat_map(|(_, horizontal, vertical)| [*horizontal, *vertical]);
        if self.width * self.height == 0 || !sides.all(|factor| (1..=4).contains(&factor)) {
            return None;
        }
        let across = usize::from(factors.iter().map(|(_, horizontal, _)| *horizontal).max()?);
        let down = usize::from(factors.iter().map(|(_, _, vertical)| *vertical).max()?);
        let units = (self.width.div_ceil(8 * across), self.height.div_ceil(8 * down));
        for (id, horizontal, vertical) in factors {
            let (horizontal, vertical) = (usize::from(horizontal), usize::from(vertical));
            let stride = units.0 * horizontal;
            let blocks = if self.is_progressive { stride * units.1 * vertical } else { 0 };
            self.components.push(Component {
                id,
                horizontal,
                vertical,
                blocks_across: (self.width * horizontal).div_ceil(8 * across),
                blocks_down: (self.height * vertical).div_ceil(8 * down),
                stride,
                nonzero: vec![0; blocks],
                has_dc: false,
            });
        }
        Some(())
    }

    fn read_tables(&mut self, mut payload: &[u8]) -> Option<()> {
        while let [place, rest @ ..] = payload {
            let (table, used) = Table::read(rest)?;
            let tables = match place >> 4 {
                0 => &mut self.dc_tables,
                1 => &mut self.ac_tables,
                _ => return None,
            };
            *tables.get_mut(usize::from(place & 15))? = Some(table);
            payload = &rest[used..];
        }
        Some(())
    }

    fn read_scan(&mut self, segment: &Segment) -> Option<()> {
        let (count, rest) = segment.payload.split_first()?;
        let (selectors, parameters) = rest.split_at_checked(2 * usize::from(*count))?;
        let [first, last, bits] = *parameters else { return None };
        let mut selected = Vec::new();
        for selector in selectors.chunks_exact(2) {
            let index = self.components.iter().position(|component| component.id == selector[0])?;
            selected.push(Selected { index, dc: usize::from(selector[1] >> 4), ac: usize::from(selector[1] & 15) });
        }
        let band = Band { first: usize::from(first), last: usize::from(last), refines: bits >> 4 > 0 };
        let is_valid = match self.is_progressive {
            false => (band.first, band.last, bits) == (0, LAST, 0),
            true => (first == 0 && last == 0) || (0 < first && first <= last && band.last <= LAST && *count == 1),
        };
        if !is_valid || !(1..=4).contains(count) {
            return None;
        }
        self.read_coded(segment.entropy, &selected, band)?;
        if band.first == 0 {
            selected.iter().for_each(|part| self.components[part.index].has_dc = true);
        }
        Some(())
    }

    /// Reads the parts of a scan between restart markers, which count from 0 to 7 repeatedly.
    fn read_coded(&mut self, entropy: &[u8], selected: &[Selected], band: Band) -> Option<()> {
        let (across, down) = self.units(selected);
        let mut unit = 0;
        let mut rest = Some(entropy);
        for expected in (0..8_u8).cycle() {
            let Some(piece) = rest else { break };
            let (piece, following) = split_at_restart(piece, expected)?;
            let left = across * down - unit;
            let here = if self.restart_interval == 0 { left } else { left.min(self.restart_interval) };
            if here == 0 {
                return None;
            }
            let mut reader = BitReader::new(piece);
            let mut zero_run = 0;
            for unit in unit..unit + here {
                self.read_unit(&mut reader, selected, band, (unit % across, unit / across), &mut zero_run)?;
            }
            if zero_run > 0 || !reader.is_at_end() {
                return None;
            }
            unit += here;
            rest = following;
        }
        (unit == across * down).then_some(())
    }

    /// Returns the number of units across and down. A unit is one block in a scan of one component; in a scan of
    /// several, their sampling defines it (T.81 s A.2).
    fn units(&self, selected: &[Selected]) -> (usize, usize) {
        let first = &self.components[selected[0].index];
        match selected {
            [_] => (first.blocks_across, first.blocks_down),
            _ => {
                let down = self.components.iter().map(|component| component.vertical).max().unwrap_or(1);
                (first.stride / first.horizontal, self.height.div_ceil(8 * down))
            }
        }
    }

    fn read_unit(
        &mut self,
        reader: &mut BitReader,
        selected: &[Selected],
        band: Band,
        (x, y): (usize, usize),
        zero_run: &mut u32,
    ) -> Option<()> {
        for part in selected {
            let component = &self.components[part.index];
            let (stride, whole) = (component.stride, selected.len() > 1);
            let (across, down) = if whole { (component.horizontal, component.vertical) } else { (1, 1) };
            for (row, column) in (0..down).flat_map(|row| (0..across).map(move |column| (row, column))) {
                let block = (y * down + row) * stride + x * across + column;
                self.read_block(reader, *part, band, block, zero_run)?;
            }
        }
        Some(())
    }

    fn read_block(
        &mut self,
        reader: &mut BitReader,
        part: Selected,
        band: Band,
        block: usize,
        zero_run: &mut u32,
    ) -> Option<()> {
        if band.first == 0 && band.refines {
            return reader.skip(1);
        }
        if band.first == 0 {
            let category = reader.symbol(self.dc_tables.get(part.dc)?.as_ref()?)?;
            reader.skip(Some(category).filter(|category| *category <= MAX_DC_CATEGORY)?)?;
        }
        if band.last == 0 {
            return Some(());
        }
        let table = self.ac_tables.get(part.ac)?.as_ref()?;
        if !self.is_progressive {
            return read_coefficients(reader, table, Band { first: 1, ..band }, &mut 0, &mut 0, false);
        }
        let nonzero = self.components[part.index].nonzero.get_mut(block)?;
        if band.refines {
            return refine_coefficients(reader, table, band, nonzero, zero_run);
        }
        read_coefficients(reader, table, band, nonzero, zero_run, true)
    }
}

/// Reads the coefficients of a block in `band` that are coded for the first time (T.81 s F.1.2.2, G.1.2.2). `zero_run`
/// is the number of further blocks that are zero, which only progressive scans have.
fn read_coefficients(
    reader: &mut BitReader,
    table: &Table,
    band: Band,
    nonzero: &mut u64,
    zero_run: &mut u32,
    has_runs: bool,
) -> Option<()> {
    if *zero_run > 0 {
        *zero_run -= 1;
        return Some(());
    }
    let mut at = band.first;
    while at <= band.last {
        let symbol = reader.symbol(table)?;
        let (run, category) = (symbol >> 4, symbol & 15);
        match (run, category) {
            (15, 0) => at += 16,
            (0, 0) => return Some(()),
            (_, 0) if has_runs => {
                *zero_run = (1 << run) - 1 + reader.bits(run)?;
                return Some(());
            }
            (_, 0) => return None,
            _ => {
                at += run as usize;
                reader.skip(Some(category).filter(|category| *category <= MAX_AC_CATEGORY && at <= band.last)?)?;
                *nonzero |= 1 << at;
                at += 1;
            }
        }
    }
    // A run of sixteen zeros may reach the end of the band, but not go past it.
    (at == band.last + 1).then_some(())
}

/// Reads one more bit for the coefficients of a block in `band`, and the coefficients that become nonzero (T.81 s
/// G.1.2.3).
fn refine_coefficients(
    reader: &mut BitReader,
    table: &Table,
    band: Band,
    nonzero: &mut u64,
    zero_run: &mut u32,
) -> Option<()> {
    let known = *nonzero;
    let is_known = |at: usize| known >> at & 1 == 1;
    let mut at = band.first;
    while *zero_run == 0 && at <= band.last {
        let symbol = reader.symbol(table)?;
        let (run, category) = (symbol >> 4, symbol & 15);
        match (run, category) {
            (15, 0) | (_, 1) => {}
            (_, 0) => {
                *zero_run = (1 << run) + reader.bits(run)?;
                break;
            }
            _ => return None,
        }
        reader.skip(category)?;
        let mut zeros = run;
        // Each known coefficient on the way takes one bit. The new one comes after `run` zeros.
        while at <= band.last && (is_known(at) || zeros > 0) {
            if is_known(at) {
                reader.skip(1)?;
            } else {
                zeros -= 1;
            }
            at += 1;
        }
        if at > band.last {
            return None;
        }
        *nonzero |= u64::from(category) << at;
        at += 1;
    }
    if *zero_run > 0 {
        *zero_run -= 1;
        let left = (at..=band.last).filter(|at| is_known(*at)).count();
        reader.skip(left as u32)?;
    }
    Some(())
}

/// Returns the bytes up to the next restart marker, which must be the `expected` one, and the bytes after it.
fn split_at_restart(entropy: &[u8], expected: u8) -> Option<(&[u8], Option<&[u8]>)> {
    let is_restart = |pair: &[u8]| pair[0] == 0xFF && matches!(pair[1], RST0..=RST7);
    let Some(at) = entropy.windows(2).position(is_restart) else { return Some((without_fill(entropy), None)) };
    (entropy[at + 1] == RST0 + expected).then(|| (without_fill(&entropy[..at]), Some(&entropy[at + 2..])))
}

/// Returns `bytes` without the fill bytes that may precede a marker (T.81 s B.1.1.2).
fn without_fill(bytes: &[u8]) -> &[u8] {
    let fill = bytes.iter().rev().take_while(|byte| **byte == 0xFF).count();
    &bytes[..bytes.len() - fill]
}

/// Bits of the lookup table's index. Most codes are shorter.
const LOOKUP_BITS: u32 = 9;
/// Bits of the longest code (T.81 s B.2.4.2).
const MAX_CODE_BITS: usize = 16;

/// A Huffman table (T.81, annex C).
struct Table {
    /// Indexed by the next bits: the length of the code that they begin with, and its symbol. Longer codes have a
    /// length of 0.
    lookup: Vec<(u8, u8)>,
    /// For each length: the first code, the number of codes, and the index of their first symbol.
    lengths: [(u32, u32, usize); MAX_CODE_BITS + 1],
    symbols: Vec<u8>,
}

impl Table {
    /// Reads a table. Also returns how many bytes it takes.
    fn read(bytes: &[u8]) -> Option<(Table, usize)> {
        let counts = bytes.get(..MAX_CODE_BITS)?;
        let total = counts.iter().map(|count| usize::from(*count)).sum::<usize>();
        let symbols = bytes.get(MAX_CODE_BITS..MAX_CODE_BITS + total)?.to_vec();
        let mut lengths = [(0, 0, 0); MAX_CODE_BITS + 1];
        let mut lookup = vec![(0, 0); 1 << LOOKUP_BITS];
        let (mut code, mut start) = (0_u32, 0);
        for (length, count) in (1..).zip(counts) {
            let count = u32::from(*count);
            lengths[length] = (code, count, start);
            if code + count > 1 << length {
                return None;
            }
            if let Some(free) = LOOKUP_BITS.checked_sub(length as u32) {
                for (code, symbol) in (code..code + count).zip(&symbols[start..]) {
                    lookup[(code << free) as usize..((code + 1) << free) as usize].fill((length as u8, *symbol));
                }
            }
            start += count as usize;
            code = (code + count) << 1;
        }
        Some((Table { lookup, lengths, symbols }, MAX_CODE_BITS + total))
    }
}

/// Reads bits, starting with the highest of each byte, from coded data in which a zero follows each 0xFF (T.81 s
/// F.1.2.3).
struct BitReader<'a> {
    rest: &'a [u8],
    /// The next bits, starting at the highest bit.
    buffer: u64,
    held: u32,
}

impl<'a> BitReader<'a> {
    fn new(rest: &'a [u8]) -> BitReader<'a> {
        BitReader { rest, buffer: 0, held: 0 }
    }

    fn refill(&mut self) {
        while self.held <= 56 {
            let rest = match *self.rest {
                [0xFF, 0, ref rest @ ..] => rest,
                [byte, ref rest @ ..] if byte != 0xFF => rest,
                _ => return,
            };
            self.buffer |= u64::from(self.rest[0]) << (56 - self.held);
            self.held += 8;
            self.rest = rest;
        }
    }

    /// Skips `count` bits, at most 64.
    fn skip(&mut self, count: u32) -> Option<()> {
        self.bits(count.min(32))?;
        self.bits(count.saturating_sub(32)).map(|_| ())
    }

    /// Reads the next `count` bits, at most 32. Returns `None` when there are fewer.
    fn bits(&mut self, count: u32) -> Option<u32> {
        if self.held < count {
            self.refill();
        }
        self.held = self.held.checked_sub(count)?;
        let value = if count == 0 { 0 } else { self.buffer >> (64 - count) };
        self.buffer <<= count;
        Some(value as u32)
    }

    /// Reads the symbol of the next code. Returns `None` when no code matches.
    fn symbol(&mut self, table: &Table) -> Option<u32> {
        if self.held < MAX_CODE_BITS as u32 {
            self.refill();
        }
        let (length, symbol) = table.lookup[(self.buffer >> (64 - LOOKUP_BITS)) as usize];
        if length > 0 {
            self.skip(u32::from(length))?;
            return Some(u32::from(symbol));
        }
        for length in LOOKUP_BITS as usize + 1..=MAX_CODE_BITS {
            let code = (self.buffer >> (64 - length)) as u32;
            let (first, count, start) = table.lengths[length];
            if let Some(index) = code.checked_sub(first).filter(|index| *index < count) {
                self.skip(length as u32)?;
                return Some(u32::from(table.symbols[start + index as usize]));
            }
        }
        None
    }

    /// Whether only the bits that fill the last byte are left.
    fn is_at_end(&mut self) -> bool {
        self.refill();
        self.rest.is_empty() && self.held < 8
    }
}

#[cfg(test)]
mod tests {
    use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

    use super::*;

    const WIDTH: u16 = 75;
    const HEIGHT: u16 = 53;

    fn drawn(channels: usize) -> Vec<u8> {
        let pixels = (0..u32::from(HEIGHT)).flat_map(|y| (0..u32::from(WIDTH)).map(move |x| [x * 3, (x * y) % 251, y]));
        pixels.flat_map(|pixel| pixel.into_iter().take(channels).map(|value| value as u8)).collect()
    }

    fn encoded(change: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = Encoder::new(&mut file, 85);
        change(&mut encoder);
        encoder.encode(&drawn(3), WIDTH, HEIGHT, ColorType::Rgb).unwrap();
        file
    }

    /// Files of every kind that encoders write: one scan and many, restarts, subsampled and full chroma.
    fn files() -> Vec<Vec<u8>> {
        let mut grey = Vec::new();
        Encoder::new(&mut grey, 85).encode(&drawn(1), WIDTH, HEIGHT, ColorType::Luma).unwrap();
        let factors = [SamplingFactor::F_1_1, SamplingFactor::F_2_2, SamplingFactor::F_2_1, SamplingFactor::F_4_1];
        let mut files: Vec<_> = factors.map(|factor| encoded(|encoder| encoder.set_sampling_factor(factor))).into();
        files.extend([0, 3].map(|interval| {
            encoded(|encoder| {
                encoder.set_progressive_scans(6);
                encoder.set_restart_interval(interval);
            })
        }));
        files.push(encoded(|encoder| encoder.set_restart_interval(2)));
        files.push(encoded(|encoder| encoder.set_optimized_huffman_tables(true)));
        files.push(grey);
        files.push(by_libjpeg());
        files
    }

    /// A progressive file as libjpeg writes it by default, with successive approximation.
    #[expect(unsafe_code, reason = "mozjpeg is a C library")]
    fn by_libjpeg() -> Vec<u8> {
        use mozjpeg_sys as sys;
        let (pixels, mut coded, mut size) = (drawn(3), std::ptr::null_mut::<u8>(), 0);
        // SAFETY: The calls come in the order that libjpeg requires. A row holds WIDTH pixels of three bytes. The file
        // is copied before it is freed.
        unsafe {
            let mut errors: sys::jpeg_error_mgr = std::mem::zeroed();
            let mut info: sys::jpeg_compress_struct = std::mem::zeroed();
            info.common.err = sys::jpeg_std_error(&mut errors);
            sys::jpeg_create_compress(&mut info);
            sys::jpeg_mem_dest(&mut info, &mut coded, &mut size);
            (info.image_width, info.image_height) = (WIDTH.into(), HEIGHT.into());
            (info.input_components, info.in_color_space) = (3, sys::JCS_RGB);
            sys::jpeg_c_set_int_param(&mut info, sys::JINT_COMPRESS_PROFILE, sys::JCP_FASTEST as i32);
            sys::jpeg_set_defaults(&mut info);
            sys::jpeg_set_quality(&mut info, 85, 1);
            sys::jpeg_simple_progression(&mut info);
            sys::jpeg_start_compress(&mut info, 1);
            for row in pixels.chunks_exact(usize::from(WIDTH) * 3) {
                sys::jpeg_write_scanlines(&mut info, [row.as_ptr()].as_ptr(), 1);
            }
            sys::jpeg_finish_compress(&mut info);
            sys::jpeg_destroy_compress(&mut info);
            let file = std::slice::from_raw_parts(coded, size as usize).to_vec();
            libc::free(coded.cast());
            file
        }
    }

    /// Returns the start of the coded data of the last scan.
    fn last_scan(file: &[u8]) -> usize {
        let marker = file.windows(2).rposition(|pair| pair == [0xFF, SOS]).unwrap();
        marker + 2 + usize::from(file[marker + 3])
    }

    #[test]
    fn files_of_every_kind_are_sound() {
        for (index, file) in files().iter().enumerate() {
            assert!(is_sound(file), "file {index}");
        }
    }

    #[test]
    fn coded_data_that_ends_early_or_goes_on_is_damage() {
        for (index, file) in files().iter().enumerate() {
            let start = last_scan(file);
            let middle = (start + file.len()) / 2;
            let cut = [&file[..middle], &[0xFF, EOI]].concat();
            assert!(!is_sound(&cut), "file {index} cut");
            let longer = [&file[..file.len() - 2], &[0x12, 0x34, 0xFF, EOI]].concat();
            assert!(!is_sound(&longer), "file {index} with more");
            let doubled = [&file[..middle], &file[start..]].concat();
            assert!(!is_sound(&doubled), "file {index} doubled");
        }
    }

    #[test]
    fn a_damaged_byte_in_a_scan_is_noticed_more_often_than_not() {
        let file = encoded(|encoder| encoder.set_sampling_factor(SamplingFactor::F_2_2));
        let places = last_scan(&file)..file.len() - 2;
        let total = places.len();
        let noticed = places.filter(|at| {
            let mut damaged = file.clone();
            damaged[*at] ^= 0x5A;
            !is_sound(&damaged)
        });
        // The other bytes hold bits of a coefficient's value, which may have any value.
        let noticed = noticed.count();
        assert!(noticed * 2 > total, "{noticed} of {total}");
    }

    #[test]
    fn restart_markers_out_of_order_are_damage() {
        let mut file = encoded(|encoder| encoder.set_restart_interval(2));
        let at = file.windows(2).rposition(|pair| pair[0] == 0xFF && matches!(pair[1], 0xD0..=0xD7)).unwrap();
        file[at + 1] ^= 1;
        assert!(!is_sound(&file));
    }

    #[test]
    fn a_component_that_no_scan_codes_is_damage() {
        let file = encoded(|encoder| encoder.set_progressive_scans(4));
        let scan = file.windows(2).position(|pair| pair == [0xFF, SOS]).unwrap();
        assert!(!is_sound(&[&file[..scan], &[0xFF, EOI]].concat()));
    }

    #[test]
    fn damage_anywhere_never_panics() {
        for file in files() {
            for at in 2..file.len() {
                for value in [0, 0xFF, file[at] ^ 0x11] {
                    let mut damaged = file.clone();
                    damaged[at] = value;
                    let _ = is_sound(&damaged);
                }
            }
        }
    }
}
