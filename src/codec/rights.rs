//! Who made a picture and who holds the rights to it, wherever files say so: EXIF, XMP, IPTC, texts.

pub mod iptc;

use super::{Metadata, MetadataPolicy, exif, xmp};
use crate::picture::Orientation;

/// Bytes that all values of a file may have together; what goes beyond is cut. Escaped, they fit into a JPEG's segment.
pub const MAX_BYTES: usize = 8 << 10;
/// Values that one property may have: authors, mostly.
const MAX_VALUES: usize = 32;

/// What can be said about rights, by the names that XMP has for it.
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
    /// photoshop:Credit; the same in IPTC.
    Credit,
    /// photoshop:Source; the same in IPTC.
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

/// What a file says about rights.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// The values of each right, in the order of [`Right::ALL`].
    values: [Vec<String>; Right::ALL.len()],
}

impl Rights {
    pub fn is_empty(&self) -> bool {
        self.values.iter().all(Vec::is_empty)
    }

    /// The values of `right`; none when nothing is said of it.
    pub fn values(&self, right: Right) -> &[String] {
        &self.values[right as usize]
    }

    /// Notes the values of `right`, unless there are some already. Blank ones don't count.
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

    /// Notes what `other` says of what nothing is said of here.
    pub fn add_missing(&mut self, other: &Rights) {
        for right in Right::ALL {
            self.add(right, other.values(right));
        }
    }

    fn bytes(&self) -> usize {
        self.values.iter().flatten().map(String::len).sum()
    }
}

/// `text` without the letters that XML can't hold and blanks around it, cut to `max_bytes`.
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

/// Bytes of a text whose encoding is not certain: UTF-8, or else Latin-1.
pub fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// Author and rights of `found`, and of `elsewhere` in its file, as EXIF, which has this orientation. What EXIF has no
/// field for, and what was not in EXIF, is in XMP too.
pub fn copyright(found: &Metadata, elsewhere: &Rights, orientation: Orientation) -> Metadata {
    let mut rights = found.xmp.as_deref().map(xmp::rights).unwrap_or_default();
    rights.add_missing(elsewhere);
    let needs_xmp = !rights.is_empty();
    let exif = exif::owned(found.exif.as_deref(), &rights, orientation);
    if let Some(block) = &found.exif {
        rights.add_missing(&exif::rights(block));
    }
    Metadata { exif, xmp: needs_xmp.then(|| xmp::packet(&rights)) }
}

/// `found` for a picture that was turned upright, with what its file says `elsewhere` of rights added to XMP.
pub fn kept_upright(found: &Metadata, elsewhere: &Rights) -> Metadata {
    let exif = found.exif.as_deref().map(exif::upright);
    let packet = found.xmp.as_deref().map(|packet| xmp::with_orientation(packet, Orientation::Upright));
    let packet = match packet {
        Some(packet) => Some(xmp::with_rights(packet, elsewhere)),
        None => (!elsewhere.is_empty()).then(|| xmp::packet(elsewhere)),
    };
    Metadata { exif, xmp: packet }
}

/// What `policy`, which is not to keep everything, leaves of `found` in a file whose pixels stay as they are: the
/// orientation, and author and rights when the policy says so.
pub fn left(found: &Metadata, elsewhere: &Rights, policy: MetadataPolicy) -> Metadata {
    let orientation = found.exif.as_deref().map_or(Orientation::Upright, exif::orientation);
    match policy {
        MetadataPolicy::Copyright => copyright(found, elsewhere, orientation),
        MetadataPolicy::Strip | MetadataPolicy::Keep => {
            Metadata { exif: exif::owned(None, &Rights::default(), orientation), xmp: None }
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
