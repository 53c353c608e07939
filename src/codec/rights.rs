//! Finds who made a picture and who holds the rights to it, in EXIF, XMP, IPTC and texts.

pub mod iptc;

use super::{Metadata, MetadataPolicy, exif, xmp};
use crate::picture::Orientation;

/// Maximum bytes of all values of a file together. Longer values are cut. Escaped, they fit into a JPEG segment.
pub const MAX_BYTES: usize = 8 << 10;
/// Maximum number of values of one property. Mostly authors have several.
const MAX_VALUES: usize = 32;

/// A statement about rights, with its name in XMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// dc:creator; Artist in EXIF, By-line in IPTC, Author in PNG.
    Creator,
    /// dc:rights; Copyright in EXIF and PNG, CopyrightNotice in IPTC.
    Notice,
    /// xmpRights:Owner.
    Owner,
    /// xmpRights:UsageTerms.
    UsageTerms,
    /// xmpRights:WebStatement, an address.
    WebStatement,
    /// xmpRights:Certificate, an address.
    Certificate,
    /// xmpRights:Marked, True or False.
    Marked,
    /// photoshop:Credit; Credit in IPTC.
    Credit,
    /// photoshop:Source; Source in IPTC.
    Source,
}

impl Right {
    const ALL: [Right; 9] = [
        Right::Creator,
        Right::Notice,
        Right::Owner,
        Right::UsageTerms,
        Right::WebStatement,
        Right::Certificate,
        Right::Marked,
        Right::Credit,
        Right::Source,
    ];
}

/// The statements of a file about its rights.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// The values of each right, in the order of [`Right::ALL`].
    values: [Vec<String>; Right::ALL.len()],
}

impl Rights {
    /// Whether the file states none of the rights.
    pub fn is_empty(&self) -> bool {
        self.values.iter().all(Vec::is_empty)
    }

    /// Returns the values of `right`. The slice is empty when there are none.
    pub fn values(&self, right: Right) -> &[String] {
        &self.values[right as usize]
    }

    /// Adds the values of `right`, unless it already has some. Ignores blank values.
    pub fn add<T: AsRef<str>>(&mut self, right: Right, values: impl IntoIterator<Item = T>) {
        if !self.values(right).is_empty() {
            return;
        }
        let mut left = MAX_BYTES - self.bytes();
        let mut kept = Vec::new();
        for value in values.into_iter().take(MAX_VALUES) {
            let value = printable(value.as_ref(), left);
            if !value.is_empty() && !kept.contains(&value) {
                left -= value.len();
                kept.push(value);
            }
        }
        self.values[right as usize] = kept;
    }

    /// Adds the values of `other` for each right that has none here.
    pub fn add_missing(&mut self, other: &Rights) {
        for right in Right::ALL {
            self.add(right, other.values(right));
        }
    }

    fn bytes(&self) -> usize {
        self.values.iter().flatten().map(String::len).sum()
    }
}

/// Returns `text` without the characters that XML cannot hold and without blanks around it, cut to `max_bytes`.
fn printable(text: &str, max_bytes: usize) -> String {
    let is_text = |letter: &char| match letter {
        '\n' | '\t' => true,
        '\u{FFFE}' | '\u{FFFF}' => false,
        other => !other.is_control(),
    };
    let text: String = text.chars().filter(is_text).collect();
    let text = text.trim();
    let ends = text.char_indices().map(|(at, letter)| at + letter.len_utf8());
    let end = ends.take_while(|end| *end <= max_bytes).last().unwrap_or(0);
    text[..end].trim_end().to_owned()
}

/// Reads a text of unknown encoding: UTF-8 when it is valid, otherwise Latin-1.
pub fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// Returns the author and rights of `found`, and of `elsewhere` in its file, as EXIF with this orientation. XMP also
/// gets what EXIF has no field for, and what was not in EXIF.
pub fn copyright(found: &Metadata, elsewhere: &Rights, orientation: Orientation) -> Metadata {
    let mut rights = found.xmp.as_deref().map(xmp::rights).unwrap_or_default();
    rights.add_missing(elsewhere);
    let needs_xmp = !rights.is_empty();
    let exif = exif::owned(found.exif.as_deref(), &rights, orientation);
    if let Some(block) = &found.exif {
        rights.add_missing(&exif::rights(block));
    }
    Metadata { exif, xmp: needs_xmp.then(|| xmp::packet(&rights)), density: None }
}

/// Returns `found` for a picture that was turned upright. Rights from `elsewhere` in its file are added to XMP.
pub fn kept_upright(found: &Metadata, elsewhere: &Rights) -> Metadata {
    let exif = found.exif.as_deref().map(exif::upright);
    let packet = found.xmp.as_deref().map(|packet| xmp::with_orientation(packet, Orientation::Upright));
    let packet = match packet {
        Some(packet) => Some(xmp::with_rights(packet, elsewhere)),
        None => (!elsewhere.is_empty()).then(|| xmp::packet(elsewhere)),
    };
    Metadata { exif, xmp: packet, density: found.density }
}

/// Returns the part of `found` that `policy` keeps in a file whose pixels stay unchanged: the orientation, and author
/// and rights when the policy says so. The policy must not be to keep everything.
pub fn left(found: &Metadata, elsewhere: &Rights, policy: MetadataPolicy) -> Metadata {
    let orientation = found.exif.as_deref().map_or(Orientation::Upright, exif::orientation);
    match policy {
        MetadataPolicy::Copyright => copyright(found, elsewhere, orientation),
        MetadataPolicy::Strip | MetadataPolicy::Keep => {
            Metadata { exif: exif::owned(None, &Rights::default(), orientation), ..Metadata::default() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_first_stays() {
        let mut rights = Rights::default();
        rights.add(Right::Creator, [" Ada ", "", "Ada", "Grace\0"]);
        rights.add(Right::Creator, ["Someone else"]);
        assert_eq!(rights.values(Right::Creator), ["Ada", "Grace"]);
        let mut other = Rights::default();
        other.add(Right::Creator, ["Someone else"]);
        other.add(Right::Notice, ["all rights reserved"]);
        rights.add_missing(&other);
        assert_eq!(rights.values(Right::Creator), ["Ada", "Grace"]);
        assert_eq!(rights.values(Right::Notice), ["all rights reserved"]);
    }

    #[test]
    fn blank_values_say_nothing() {
        let mut rights = Rights::default();
        rights.add(Right::Notice, ["  ", "\0\0", ""]);
        assert!(rights.is_empty());
    }

    #[test]
    fn values_are_cut_where_there_are_too_many_bytes() {
        let mut rights = Rights::default();
        rights.add(Right::Creator, (0..1000).map(|index| format!("{index} {}", "é".repeat(3000))));
        rights.add(Right::UsageTerms, ["x".repeat(1 << 20)]);
        assert!(rights.bytes() <= MAX_BYTES);
        assert!(xmp::packet(&rights).len() < 65_000);
    }

    #[test]
    fn text_of_either_encoding_is_read() {
        assert_eq!(text("é".as_bytes()), "é");
        assert_eq!(text(b"\xA9 Ad\xE9"), "© Adé");
    }
}
