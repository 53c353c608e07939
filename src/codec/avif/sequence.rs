//! Reads the sequence header of an AV1 stream (AV1 specification s5.5) before the decoder does.

/// Maximum number of units read from an item. A still picture has two or three.
const MAX_UNITS: usize = 10_000;
const SEQUENCE_HEADER: u8 = 1;
const FRAME_HEADER: u8 = 3;
const FRAME: u8 = 6;

/// What the decoder will find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sequence {
    pub max_width: u32,
    pub max_height: u32,
    /// Bits of a sample: 8, 10 or 12.
    pub bit_depth: u8,
    pub monochrome: bool,
    /// Whether chroma has half the width, and half the height.
    pub subsampling: (bool, bool),
    pub primaries: u8,
    pub transfer: u8,
    pub matrix: u8,
    pub full_range: bool,
    /// Frames in the stream, including hidden ones. Each costs a decode.
    pub frames: u32,
}

impl Sequence {
    /// Reads the units of `stream`. Returns `None` when there is no sequence header, a unit is damaged, or there are
    /// too many of them.
    pub(super) fn read(stream: &[u8]) -> Option<Sequence> {
        let mut sequence: Option<Sequence> = None;
        let mut frames = 0;
        let mut at = 0;
        for _ in 0..MAX_UNITS {
            let Some(&head) = stream.get(at) else { break };
            let (kind, extended, sized) = (head >> 3 & 15, head & 4 != 0, head & 2 != 0);
            at += 1 + usize::from(extended);
            let size = if sized { leb128(stream, &mut at)? } else { stream.len().checked_sub(at)? };
            let body = stream.get(at..at.checked_add(size)?)?;
            at += size;
            match kind {
                SEQUENCE_HEADER if sequence.is_none() => sequence = Some(read_header(body)?),
                // A second, different header could declare another size.
                SEQUENCE_HEADER if sequence != Some(read_header(body)?) => return None,
                FRAME_HEADER | FRAME => frames += 1,
                _ => {}
            }
        }
        // The decoder would read what is left, with frames that are not counted.
        sequence.filter(|_| at >= stream.len()).map(|sequence| Sequence { frames, ..sequence })
    }
}

fn leb128(bytes: &[u8], at: &mut usize) -> Option<usize> {
    let mut value = 0u64;
    for step in 0..8 {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7F) << (step * 7);
        if byte & 0x80 == 0 {
            return usize::try_from(value).ok();
        }
    }
    None
}

/// Reads bits, starting with the highest bit of the first byte.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = *self.bytes.get(self.at / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }

    fn flag(&mut self) -> Option<bool> {
        self.take(1).map(|bit| bit == 1)
    }

    /// Skips a number in AV1's uvlc code (s4.10.3), whose value is not needed.
    fn skip_uvlc(&mut self) -> Option<()> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
        }
        if zeros < 32 { self.take(zeros).map(|_| ()) } else { Some(()) }
    }
}

fn read_header(body: &[u8]) -> Option<Sequence> {
    let mut bits = Bits { bytes: body, at: 0 };
    let profile = bits.take(3)?;
    let _still_picture = bits.flag()?;
    let reduced = bits.flag()?;
    if reduced {
        bits.take(5)?;
    } else {
        skip_operating_points(&mut bits)?;
    }
    let (width_bits, height_bits) = (bits.take(4)? as usize + 1, bits.take(4)? as usize + 1);
    let (max_width, max_height) = (bits.take(width_bits)? + 1, bits.take(height_bits)? + 1);
    if !reduced && bits.flag()? {
        bits.take(7)?;
    }
    skip_tools(&mut bits, reduced)?;
    read_colours(&mut bits, profile, max_width, max_height)
}

/// Skips timing, decoder model and operating points, which a still picture does not need.
fn skip_operating_points(bits: &mut Bits<'_>) -> Option<()> {
    let mut delay_bits = None;
    if bits.flag()? {
        bits.take(32)?;
        bits.take(32)?;
        if bits.flag()? {
            bits.skip_uvlc()?;
        }
        if bits.flag()? {
            delay_bits = Some(bits.take(5)? as usize + 1);
            bits.take(32)?;
            bits.take(10)?;
        }
    }
    let has_display_delay = bits.flag()?;
    for _ in 0..=bits.take(5)? {
        bits.take(12)?;
        if bits.take(5)? > 7 {
            bits.flag()?;
        }
        if let Some(delay_bits) = delay_bits
            && bits.flag()?
        {
            bits.take(delay_bits)?;
            bits.take(delay_bits)?;
            bits.flag()?;
        }
        if has_display_delay && bits.flag()? {
            bits.take(4)?;
        }
    }
    Some(())
}

/// Skips the coding tools between the size and the colours.
fn skip_tools(bits: &mut Bits<'_>, reduced: bool) -> Option<()> {
    // 128-pixel superblocks, filter intra, intra edge filter.
    bits.take(3)?;
    if !reduced {
        // Interintra, masked compound, warped motion, dual filter.
        bits.take(4)?;
        let order_hint = bits.flag()?;
        if order_hint {
            // Joint compound, reference frame motion vectors.
            bits.take(2)?;
        }
        let chosen_by_frame = bits.flag()?;
        let screen_content = chosen_by_frame || bits.flag()?;
        if screen_content && !bits.flag()? {
            bits.flag()?;
        }
        if order_hint {
            bits.take(3)?;
        }
    }
    // Superresolution, CDEF, loop restoration.
    bits.take(3).map(|_| ())
}

fn read_colours(bits: &mut Bits<'_>, profile: u32, max_width: u32, max_height: u32) -> Option<Sequence> {
    let high = bits.flag()?;
    let bit_depth = match (high, profile) {
        (false, _) => 8,
        (true, 2) if bits.flag()? => 12,
        (true, _) => 10,
    };
    let monochrome = profile != 1 && bits.flag()?;
    let (mut primaries, mut transfer, mut matrix) = (2, 2, 2);
    if bits.flag()? {
        (primaries, transfer, matrix) = (bits.take(8)? as u8, bits.take(8)? as u8, bits.take(8)? as u8);
    }
    let sequence = Sequence {
        max_width,
        max_height,
        bit_depth,
        monochrome,
        subsampling: (true, true),
        primaries,
        transfer,
        matrix,
        full_range: true,
        frames: 0,
    };
    if !monochrome && (primaries, transfer, matrix) == (1, 13, 0) {
        return Some(Sequence { subsampling: (false, false), ..sequence });
    }
    let full_range = bits.flag()?;
    let subsampling = match profile {
        _ if monochrome => (true, true),
        0 => (true, true),
        1 => (false, false),
        _ if bit_depth == 12 => {
            let across = bits.flag()?;
            (across, across && bits.flag()?)
        }
        _ => (true, false),
    };
    Some(Sequence { full_range, subsampling, ..sequence })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(fields: &[(u32, usize)]) -> Vec<u8> {
        let bits: Vec<u8> = fields
            .iter()
            .flat_map(|&(value, count)| (0..count).rev().map(move |bit| (value >> bit & 1) as u8))
            .collect();
        bits.chunks(8).map(|byte| byte.iter().enumerate().map(|(i, bit)| bit << (7 - i)).sum()).collect()
    }

    fn unit(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind << 3 | 2, body.len() as u8], body].concat()
    }

    /// A reduced still picture header: 10 bits, 4:4:4, 300x200, BT.2020 PQ, full range.
    fn still() -> Vec<u8> {
        let colours = [(1, 1), (1, 1), (9, 8), (16, 8), (9, 8), (1, 1)];
        let size = [(1, 3), (1, 1), (1, 1), (0, 5), (8, 4), (7, 4), (299, 9), (199, 8), (0, 6)];
        pack(&[&size[..], &colours].concat())
    }

    #[test]
    fn reads_what_a_still_picture_declares() {
        let stream = [unit(2, &[]), unit(SEQUENCE_HEADER, &still()), unit(FRAME, &[1, 2, 3])].concat();
        let sequence = Sequence::read(&stream).unwrap();
        assert_eq!((sequence.max_width, sequence.max_height, sequence.bit_depth), (300, 200, 10));
        assert_eq!((sequence.monochrome, sequence.subsampling, sequence.full_range), (false, (false, false), true));
        assert_eq!((sequence.primaries, sequence.transfer, sequence.matrix, sequence.frames), (9, 16, 9, 1));
    }

    #[test]
    fn every_frame_is_counted() {
        let frames = unit(FRAME, &[0]).repeat(9);
        assert_eq!(Sequence::read(&[unit(SEQUENCE_HEADER, &still()), frames].concat()).unwrap().frames, 9);
    }

    #[test]
    fn frames_behind_too_many_units_are_refused() {
        const TEMPORAL_DELIMITER: u8 = 2;
        let with = |units: usize| {
            let padding = unit(TEMPORAL_DELIMITER, &[]).repeat(units);
            [unit(SEQUENCE_HEADER, &still()), padding, unit(FRAME, &[0])].concat()
        };
        assert_eq!(Sequence::read(&with(MAX_UNITS - 2)).unwrap().frames, 1);
        assert_eq!(Sequence::read(&with(MAX_UNITS)), None);
    }

    #[test]
    fn a_second_header_may_not_contradict_the_first() {
        let mut other = still();
        other[3] ^= 1;
        let same = [unit(SEQUENCE_HEADER, &still()), unit(SEQUENCE_HEADER, &still())].concat();
        assert!(Sequence::read(&same).is_some());
        assert_eq!(Sequence::read(&[unit(SEQUENCE_HEADER, &still()), unit(SEQUENCE_HEADER, &other)].concat()), None);
    }

    #[test]
    fn truncation_at_every_point_never_panics() {
        let stream = [unit(SEQUENCE_HEADER, &still()), unit(FRAME, &[1, 2, 3])].concat();
        for end in 0..stream.len() {
            let _ = Sequence::read(&stream[..end]);
        }
    }
}
