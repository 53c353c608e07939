//! Decodes fax: Group 3 with and without line ends, and Group 4 (ITU-T T.4, T.6; TIFF 6.0 s10 and s11).

use std::convert::Infallible;

use fax::BitReader;
use fax::maps::{Mode, black, mode, white};

use super::page::Compression;

/// Zeros that announce the end of a line: no run begins with as many (T.4 s4.1.2).
const LINE_END_ZEROS: u8 = 9;
/// Line ends in a row that end the picture (T.4 s4.1.4).
const FINAL_LINE_ENDS: usize = 6;

/// Decodes rows of `width` pixels to one bit each, 1 for black. Returns false when the data is damaged or ends before
/// the last row. Rows that the writer left out before an end mark are white.
pub(super) fn decode(compression: Compression<'_>, stored: &[u8], width: usize, bytes: &mut [u8]) -> bool {
    let mut reader = Reader { bytes: stored, at: 0 };
    let mut above = Vec::new();
    for row in bytes.chunks_exact_mut(width.div_ceil(8)) {
        let line = match compression {
            Compression::FaxRuns { row_bits } => reader.aligned_runs(row_bits, width),
            Compression::FaxGroup3 { is_two_dimensional } => reader.group_3(&above, width, is_two_dimensional),
            _ => reader.differences(&above, width),
        };
        match line {
            Some(Line::Changes(changes)) => {
                draw(&changes, width, row);
                above = changes;
            }
            Some(Line::End) => return true,
            None => return false,
        }
    }
    true
}

/// A decoded line.
enum Line {
    /// Where the colour changes, beginning with the change to black.
    Changes(Vec<usize>),
    /// The mark after the last line.
    End,
}

/// Reads bits, the first in the highest bit of a byte.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl BitReader for Reader<'_> {
    type Error = Infallible;

    /// Zeros follow the data: codes are looked up several bits at a time, and no code consists of zeros.
    fn peek(&self, bits: u8) -> Option<u16> {
        if bits > 16 {
            return None;
        }
        let byte = |index: usize| u32::from(self.bytes.get(self.at / 8 + index).copied().unwrap_or(0));
        let window = byte(0) << 16 | byte(1) << 8 | byte(2);
        Some((window << (8 + self.at % 8) >> (32 - u32::from(bits.max(1)))) as u16)
    }

    fn consume(&mut self, bits: u8) -> Result<(), Infallible> {
        self.at += usize::from(bits);
        Ok(())
    }

    fn bits_to_byte_boundary(&self) -> u8 {
        (self.at.next_multiple_of(8) - self.at) as u8
    }
}

impl Reader<'_> {
    fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len() * 8
    }

    fn aligned_runs(&mut self, row_bits: usize, width: usize) -> Option<Line> {
        self.at = self.at.next_multiple_of(row_bits);
        self.runs(width)
    }

    /// Reads a line of Group 3. Line ends stand before lines; writers leave out the first, or all of them when no line
    /// refers to another. The bit after a line end says whether the line is coded by itself.
    fn group_3(&mut self, above: &[usize], width: usize, is_two_dimensional: bool) -> Option<Line> {
        let mut line_ends = 0;
        let mut is_by_itself = true;
        while line_ends < FINAL_LINE_ENDS && self.peek(LINE_END_ZEROS) == Some(0) {
            while self.peek(1) == Some(0) {
                self.at += 1;
                if self.is_at_end() {
                    return None;
                }
            }
            self.at += 1;
            line_ends += 1;
            if is_two_dimensional {
                is_by_itself = self.peek(1) == Some(1);
                self.at += 1;
            }
        }
        match is_by_itself {
            _ if line_ends == FINAL_LINE_ENDS => Some(Line::End),
            true => self.runs(width),
            false => self.differences(above, width),
        }
    }

    /// Reads a line of runs, white and black in turn.
    fn runs(&mut self, width: usize) -> Option<Line> {
        let mut changes = Changes::default();
        let mut is_black = false;
        let mut at = 0;
        while at < width {
            at += self.run(is_black)?;
            changes.push(at, width);
            is_black = !is_black;
        }
        (at == width).then_some(Line::Changes(changes.0))
    }

    /// Reads a run: codes for multiples of 64, then one for the rest.
    fn run(&mut self, is_black: bool) -> Option<usize> {
        let mut length = 0;
        loop {
            if self.is_at_end() {
                return None;
            }
            let code = if is_black { black::decode(self) } else { white::decode(self) };
            let part = usize::from(code?);
            length += part;
            if part < 64 {
                return Some(length);
            }
        }
    }

    /// Reads a line as differences from the line above (T.6 s2.2).
    fn differences(&mut self, above: &[usize], width: usize) -> Option<Line> {
        let mut changes = Changes::default();
        let mut is_black = false;
        let mut at = 0;
        // The line begins before its first pixel: a change above that pixel counts.
        let mut passed = 0;
        let mut has_begun = false;
        while at < width {
            if self.is_at_end() {
                return None;
            }
            while above.get(passed).is_some_and(|&change| change < at || (has_begun && change == at)) {
                passed += 1;
            }
            let opposite = passed + usize::from(passed % 2 != usize::from(is_black));
            let next = above.get(opposite).copied().unwrap_or(width);
            match mode::decode(self)? {
                Mode::Pass => at = above.get(opposite + 1).copied().unwrap_or(width),
                Mode::Vertical(delta) => {
                    let change = next.checked_add_signed(delta.into()).filter(|&change| change >= at)?;
                    at = change;
                    changes.push(at, width);
                    is_black = !is_black;
                }
                Mode::Horizontal => {
                    for _ in 0..2 {
                        at += self.run(is_black)?;
                        changes.push(at, width);
                        is_black = !is_black;
                    }
                }
                Mode::EOF if !has_begun => return Some(Line::End),
                Mode::EOF | Mode::Extension => return None,
            }
            has_begun = true;
        }
        (at == width).then_some(Line::Changes(changes.0))
    }
}

/// Where the colour changes in a line, in rising order.
#[derive(Default)]
struct Changes(Vec<usize>);

impl Changes {
    /// Adds a change. Two in one place are none.
    fn push(&mut self, at: usize, width: usize) {
        if self.0.last() == Some(&at) {
            self.0.pop();
        } else if at < width {
            self.0.push(at);
        }
    }
}

/// Sets the black pixels of a row that is white.
fn draw(changes: &[usize], width: usize, row: &mut [u8]) {
    for pair in changes.chunks(2) {
        let (start, end) = (pair[0], pair.get(1).copied().unwrap_or(width));
        for at in start..end {
            row[at / 8] |= 0x80 >> (at % 8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bits from text; spaces are for the reader.
    fn bits(text: &str) -> Vec<u8> {
        let bits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').map(|byte| byte - b'0').collect();
        bits.chunks(8).map(|bits| bits.iter().enumerate().fold(0, |byte, (at, bit)| byte | bit << (7 - at))).collect()
    }

    fn decoded(compression: Compression<'_>, text: &str, width: usize, rows: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; width.div_ceil(8) * rows];
        decode(compression, &bits(text), width, &mut bytes).then_some(bytes)
    }

    const GROUP_3: Compression<'_> = Compression::FaxGroup3 { is_two_dimensional: false };
    const GROUP_3_2D: Compression<'_> = Compression::FaxGroup3 { is_two_dimensional: true };
    const LINE_END: &str = "000000000001";
    /// White 2, black 3, white 3.
    const RUNS: &str = "0111 10 1000";

    #[test]
    fn runs_begin_at_whole_bytes_or_words() {
        let bytes = Compression::FaxRuns { row_bits: 8 };
        assert_eq!(decoded(bytes, &format!("{RUNS} 000000 {RUNS}"), 8, 2), Some(vec![0x38, 0x38]));
        let words = Compression::FaxRuns { row_bits: 16 };
        assert_eq!(decoded(words, &format!("{RUNS} 000000 {RUNS}"), 8, 2), Some(vec![0x38, 0x38]));
        assert_eq!(decoded(bytes, RUNS, 8, 2), None, "a row is missing");
    }

    #[test]
    fn line_ends_may_be_left_out_or_filled_up() {
        for text in [
            format!("{RUNS}{RUNS}"),
            format!("{LINE_END}{RUNS}{LINE_END}{RUNS}"),
            format!("{RUNS}000000{LINE_END}{RUNS}"),
        ] {
            assert_eq!(decoded(GROUP_3, &text, 8, 2), Some(vec![0x38, 0x38]), "{text}");
        }
        let end = LINE_END.repeat(6);
        assert_eq!(decoded(GROUP_3, &format!("{RUNS}{end}"), 8, 2), Some(vec![0x38, 0]), "white below the end mark");
        assert_eq!(decoded(GROUP_3, &format!("{RUNS}{LINE_END}"), 8, 2), None);
    }

    #[test]
    fn lines_refer_to_the_line_above_when_their_bit_says_so() {
        // Both changes lie where they lie above; then one to the right and one to the left.
        let text = format!("{LINE_END}1{RUNS}{LINE_END}0 1 1 1{LINE_END}0 011 010 1");
        assert_eq!(decoded(GROUP_3_2D, &text, 8, 3), Some(vec![0x38, 0x38, 0x10]));
    }

    #[test]
    fn group_4_passes_over_what_is_above() {
        // Horizontal: white 2, black 3; then white to the end. The second line passes both changes.
        let text = "001 0111 10 1 0001 1";
        assert_eq!(decoded(Compression::FaxGroup4, text, 8, 2), Some(vec![0x38, 0]));
        // Black from the first pixel on, in both lines.
        let text = "001 00110101 10 1 1 1 1";
        assert_eq!(decoded(Compression::FaxGroup4, text, 8, 2), Some(vec![0xE0, 0xE0]));
    }

    #[test]
    fn damage_anywhere_never_panics() {
        let bytes = bits(&format!("{LINE_END}1{RUNS}{LINE_END}0 1 1 1{LINE_END}0 011 010 1"));
        for at in 0..bytes.len() {
            for value in 0..=u8::MAX {
                let mut damaged = bytes.clone();
                damaged[at] = value;
                for compression in [GROUP_3, GROUP_3_2D, Compression::FaxGroup4, Compression::FaxRuns { row_bits: 16 }]
                {
                    decode(compression, &damaged, 8, &mut [0; 3]);
                }
            }
        }
    }
}
