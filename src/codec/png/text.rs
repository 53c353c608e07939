//! Reads the texts of a PNG (W3C, third edition, s11.3.3) about rights: tEXt, zTXt and iTXt.

use crate::codec::rights::{Right, Rights, iptc, text};

/// Maximum bytes that a text may inflate to: the maximum of all rights together, and IPTC, with two digits a byte.
const MAX_INFLATED: usize = 64 << 10;

/// The keyword under which ImageMagick and related programs store IPTC.
const IPTC: &[u8] = b"Raw profile type iptc";

/// Maximum number of texts with these keywords that are read. A small file could hold any number that inflate to much.
const MAX_TEXTS: usize = 8;

/// The rights in the texts read so far.
#[derive(Debug, Default)]
pub(super) struct Texts {
    pub rights: Rights,
    /// Number of texts read.
    seen: usize,
}

impl Texts {
    /// Adds the rights in the chunk `name`, when it is a text about rights.
    pub(super) fn read(&mut self, name: &[u8; 4], payload: &[u8]) {
        let Some((keyword, rest)) = split_at_zero(payload) else { return };
        if !matches!(keyword, b"Author" | b"Copyright" | IPTC) || self.seen == MAX_TEXTS {
            return;
        }
        self.seen += 1;
        let Some(value) = value(name, rest) else { return };
        match keyword {
            b"Author" => self.rights.add(Right::Creator, [text(&value)]),
            b"Copyright" => self.rights.add(Right::Notice, [text(&value)]),
            _ => self.rights.add_missing(&raw_profile(&value).map(|data| iptc_rights(&data)).unwrap_or_default()),
        }
    }
}

/// Returns the text after a keyword.
fn value(name: &[u8; 4], rest: &[u8]) -> Option<Vec<u8>> {
    match name {
        b"tEXt" => Some(rest.to_vec()),
        b"zTXt" => inflated(rest.strip_prefix(&[0])?),
        b"iTXt" => {
            let (&[is_compressed, method], rest) = rest.split_first_chunk()?;
            let (_language, rest) = split_at_zero(rest)?;
            let (_translated, rest) = split_at_zero(rest)?;
            match (is_compressed, method) {
                (0, _) => Some(rest.to_vec()),
                (1, 0) => inflated(rest),
                _ => None,
            }
        }
        _ => None,
    }
}

fn inflated(deflated: &[u8]) -> Option<Vec<u8>> {
    fdeflate::decompress_to_vec_bounded(deflated, MAX_INFLATED).ok()
}

/// Returns the bytes of a profile written as text: its name, its size and its bytes as hexadecimal digits, each on
/// lines.
fn raw_profile(text: &[u8]) -> Option<Vec<u8>> {
    let lines = text.trim_ascii_start().split(|byte| *byte == b'\n').skip(2);
    let digits: Vec<u8> =
        lines.flatten().filter_map(|byte| char::from(*byte).to_digit(16)).map(|digit| digit as u8).collect();
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    (!bytes.is_empty()).then_some(bytes)
}

fn iptc_rights(data: &[u8]) -> Rights {
    if data.starts_with(b"8BIM") { iptc::of_resources(data) } else { iptc::rights(data) }
}

/// Returns the packet of a chunk that holds uncompressed XMP.
pub(super) fn xmp(payload: &[u8]) -> Option<&[u8]> {
    let rest = payload.strip_prefix(b"XML:com.adobe.xmp\0\0\0")?;
    let (_language, rest) = split_at_zero(rest)?;
    let (_translated, packet) = split_at_zero(rest)?;
    Some(packet)
}

fn split_at_zero(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == 0)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::rights::iptc::tests::resources;

    fn read(name: &[u8; 4], payload: &[u8]) -> Rights {
        let mut texts = Texts::default();
        texts.read(name, payload);
        texts.rights
    }

    fn deflated(text: &[u8]) -> Vec<u8> {
        fdeflate::compress_to_vec(text)
    }

    #[test]
    fn author_and_copyright_are_read_from_every_kind_of_text() {
        let compressed = [b"Copyright\0\0".to_vec(), deflated(b"\xA9 Ada")].concat();
        assert_eq!(read(b"tEXt", b"Author\0Ad\xE9").values(Right::Creator), ["Adé"]);
        assert_eq!(read(b"zTXt", &compressed).values(Right::Notice), ["© Ada"]);
        let plain = [b"Copyright\0\0\0de\0Urheberrecht\0".to_vec(), "© Ada".into()].concat();
        assert_eq!(read(b"iTXt", &plain).values(Right::Notice), ["© Ada"]);
        let compressed = [b"Author\0\x01\0\0\0".to_vec(), deflated("Adé".as_bytes())].concat();
        assert_eq!(read(b"iTXt", &compressed).values(Right::Creator), ["Adé"]);
    }

    #[test]
    fn other_texts_are_nobodys_rights() {
        assert!(read(b"tEXt", b"Comment\0by Ada").is_empty());
        assert!(read(b"tEXt", b"Author").is_empty());
        assert!(read(b"tIME", b"Author\0Ada").is_empty());
    }

    #[test]
    fn iptc_written_as_text_is_read() {
        let digits: String = resources().iter().map(|byte| format!("{byte:02x}")).collect();
        let text = [b"Raw profile type iptc\0".to_vec(), format!("\niptc\n{:8}\n{digits}\n", resources().len()).into()];
        let rights = read(b"tEXt", &text.concat());
        assert_eq!(rights.values(Right::Creator), ["Ada", "Grace"]);
        assert_eq!(rights.values(Right::Notice), ["© Ada & Grace"]);
    }

    #[test]
    fn texts_beyond_a_few_are_not_looked_at() {
        let mut texts = Texts::default();
        (0..MAX_TEXTS).for_each(|_| texts.read(b"zTXt", b"Author\0\0not deflated"));
        texts.read(b"tEXt", b"Author\0Ada");
        assert!(texts.rights.is_empty());
    }

    #[test]
    fn a_text_that_inflates_without_end_is_left_out() {
        let bomb = [b"Copyright\0\0".to_vec(), deflated(&vec![b'x'; 100 << 20])].concat();
        assert!(read(b"zTXt", &bomb).is_empty());
        for end in 0..bomb.len().min(500) {
            read(b"zTXt", &bomb[..end]);
            read(b"iTXt", &bomb[..end]);
        }
    }
}
