//! Reads the head of a codestream (ISO/IEC 18181-1, annex D): its size and what kinds of samples it has.

use crate::picture::Orientation;

/// The first bytes of a codestream.
pub(super) const SIGNATURE: &[u8] = &[0xFF, 0x0A];

/// Maximum number of extra channels. Level 10 allows 256 (18181-1, annex M).
const MAX_EXTRA_CHANNELS: u32 = 256;

/// What the head of a codestream says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub width: u32,
    pub height: u32,
    pub orientation: Orientation,
    pub animated: bool,
    /// Bits of a colour sample.
    pub bits: u32,
    pub extra_channels: u32,
    pub alpha: bool,
    /// Whether an extra channel is black ink.
    pub is_cmyk: bool,
}

impl Header {
    /// Reads the head of `codestream`. Returns `None` when it is cut or breaks the rules.
    pub(super) fn read(codestream: &[u8]) -> Option<Header> {
        let mut bits = Bits { bytes: codestream.strip_prefix(SIGNATURE)?, at: 0 };
        let (width, height) = bits.size()?;
        let mut header = Header {
            width,
            height,
            orientation: Orientation::Upright,
            animated: false,
            bits: 8,
            extra_channels: 0,
            alpha: false,
            is_cmyk: false,
        };
        let is_default = bits.flag()?;
        if !is_default {
            header.read_metadata(&mut bits)?;
        }
        Some(header)
    }

    /// Reads ImageMetadata (D.3) up to its extra channels.
    fn read_metadata(&mut self, bits: &mut Bits) -> Option<()> {
        if bits.flag()? {
            self.orientation = Orientation::from_exif(bits.read(3)? + 1);
            if bits.flag()? {
                bits.size()?;
            }
            if bits.flag()? {
                bits.preview()?;
            }
            self.animated = bits.flag()?;
            if self.animated {
                bits.animation()?;
            }
        }
        self.bits = bits.depth()?;
        let _fits_16_bits = bits.flag()?;
        self.extra_channels = bits.number([(0, 0), (1, 0), (2, 4), (1, 12)])?;
        if self.extra_channels > MAX_EXTRA_CHANNELS {
            return None;
        }
        for _ in 0..self.extra_channels {
            match bits.extra_channel()? {
                ALPHA => self.alpha = true,
                BLACK => self.is_cmyk = true,
                _ => {}
            }
        }
        Some(())
    }
}

/// Types of extra channels (D.3.6).
const ALPHA: u32 = 0;
const SPOT_COLOUR: u32 = 2;
const BLACK: u32 = 4;
const COLOUR_FILTER: u32 = 5;

/// Bits of a codestream, the lowest of a byte first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// The next `count` bits, at most 32.
    fn read(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for index in 0..count {
            let bit = self.bytes.get(self.at / 8)? >> (self.at % 8) & 1;
            value |= u32::from(bit) << index;
            self.at += 1;
        }
        Some(value)
    }

    fn flag(&mut self) -> Option<bool> {
        Some(self.read(1)? == 1)
    }

    /// A number in one of four ranges: where each begins, and its bits (B.2.2, U32).
    fn number(&mut self, ranges: [(u32, usize); 4]) -> Option<u32> {
        let (start, count) = ranges[self.read(2)? as usize];
        self.read(count)?.checked_add(start)
    }

    /// SizeHeader (D.2): width and height.
    fn size(&mut self) -> Option<(u32, u32)> {
        let is_small = self.flag()?;
        let height = self.side(is_small)?;
        let ratio = self.read(3)?;
        let width = if ratio == 0 { self.side(is_small)? } else { width_of(height, ratio)? };
        Some((width, height))
    }

    fn side(&mut self, is_small: bool) -> Option<u32> {
        match is_small {
            true => Some(8 * (self.read(5)? + 1)),
            false => self.number([(1, 9), (1, 13), (1, 18), (1, 30)]),
        }
    }

    /// PreviewHeader (D.4). It is not shown.
    fn preview(&mut self) -> Option<()> {
        let is_small = self.flag()?;
        let side = match is_small {
            true => [(16, 0), (32, 0), (1, 5), (33, 9)],
            false => [(1, 6), (65, 8), (321, 10), (1345, 12)],
        };
        self.number(side)?;
        if self.read(3)? == 0 {
            self.number(side)?;
        }
        Some(())
    }

    /// AnimationHeader (D.3.3).
    fn animation(&mut self) -> Option<()> {
        self.number([(100, 0), (1000, 0), (1, 10), (1, 30)])?;
        self.number([(1, 0), (1001, 0), (1, 8), (1, 10)])?;
        self.number([(0, 0), (0, 3), (0, 16), (0, 32)])?;
        self.flag().map(drop)
    }

    /// BitDepth (D.3.2): the bits of a sample.
    fn depth(&mut self) -> Option<u32> {
        if !self.flag()? {
            return self.number([(8, 0), (10, 0), (12, 0), (1, 6)]);
        }
        let depth = self.number([(32, 0), (16, 0), (24, 0), (1, 6)])?;
        self.read(4)?;
        Some(depth)
    }

    /// ExtraChannelInfo (D.3.6): its type.
    fn extra_channel(&mut self) -> Option<u32> {
        if self.flag()? {
            return Some(ALPHA);
        }
        let kind = self.number([(0, 0), (1, 0), (2, 4), (18, 6)])?;
        self.depth()?;
        self.number([(0, 0), (3, 0), (4, 0), (1, 3)])?;
        let name_bytes = self.number([(0, 0), (0, 4), (16, 5), (48, 10)])?;
        self.at += name_bytes as usize * 8;
        match kind {
            ALPHA => self.at += 1,
            SPOT_COLOUR => self.at += 4 * 16,
            COLOUR_FILTER => self.number([(1, 0), (0, 2), (3, 4), (19, 8)]).map(drop)?,
            _ => {}
        }
        Some(kind)
    }
}

/// The width that `ratio` makes of a height (D.2, table D.2).
fn width_of(height: u32, ratio: u32) -> Option<u32> {
    let (over, under) = match ratio {
        1 => (1, 1),
        2 => (12, 10),
        3 => (4, 3),
        4 => (3, 2),
        5 => (16, 9),
        6 => (5, 4),
        _ => (2, 1),
    };
    u32::try_from(u64::from(height) * over / under).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of a codestream with these fields, each a value and its bits.
    fn codestream(fields: &[(u32, usize)]) -> Vec<u8> {
        let bits: Vec<u8> =
            fields.iter().flat_map(|(value, count)| (0..*count).map(move |at| (value >> at & 1) as u8)).collect();
        let bytes = bits.chunks(8).map(|byte| byte.iter().enumerate().map(|(at, bit)| bit << at).sum());
        SIGNATURE.iter().copied().chain(bytes).collect()
    }

    const UPRIGHT: Header = Header {
        width: 0,
        height: 0,
        orientation: Orientation::Upright,
        animated: false,
        bits: 8,
        extra_channels: 0,
        alpha: false,
        is_cmyk: false,
    };

    #[test]
    fn sizes_are_written_in_three_ways() {
        for (fields, width, height) in [
            (&[(1, 1), (2, 5), (0, 3), (4, 5), (1, 1)][..], 40, 24),
            (&[(0, 1), (1, 2), (767, 13), (4, 3), (1, 1)], 1152, 768),
            (&[(0, 1), (0, 2), (0, 9), (0, 3), (3, 2), (99_999, 30), (1, 1)], 100_000, 1),
        ] {
            assert_eq!(Header::read(&codestream(fields)), Some(Header { width, height, ..UPRIGHT }));
        }
    }

    #[test]
    fn orientation_animation_depth_and_extra_channels_are_read() {
        let size = [(1, 1), (0, 5), (1, 3)];
        let extra = [(0, 1), (1, 1), (5, 3), (0, 1), (0, 1), (1, 1), (0, 2), (0, 2), (1, 2), (3, 3), (0, 1)];
        let depth = [(0, 1), (1, 2), (1, 1)];
        // A named black, then the usual alpha.
        let black = [(0, 1), (2, 2), (2, 4), (0, 1), (0, 2), (0, 2), (1, 2), (1, 4), (75, 8)];
        let fields = [&size[..], &extra, &depth, &[(2, 2), (0, 4)], &black, &[(1, 1)]].concat();
        let expected = Header {
            width: 8,
            height: 8,
            orientation: Orientation::Rotate90,
            animated: true,
            bits: 10,
            extra_channels: 2,
            alpha: true,
            is_cmyk: true,
        };
        let file = codestream(&fields);
        assert_eq!(Header::read(&file), Some(expected));
        assert!((0..file.len() - 1).all(|end| Header::read(&file[..end]).is_none()));
    }
}
