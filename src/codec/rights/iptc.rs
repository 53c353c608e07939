//! Reads IPTC's data sets (IIM 4.2), and the image resources of Photoshop that contain them.

use super::{MAX_VALUES, Right, Rights, text};
use crate::codec::bytes::{slice, u16_be, u32_be};

/// The resource that holds IPTC's data sets (Photoshop File Formats Specification, image resource IDs).
const IPTC_RESOURCE: u16 = 0x0404;
/// The first byte of every data set (IIM s1.5).
const TAG_MARKER: u8 = 0x1C;
/// The record that describes the picture.
const APPLICATION: u8 = 2;

/// The data sets about rights (IIM, record 2): By-line, Credit, Source, Copyright Notice.
const DATA_SETS: [(u8, Right); 4] =
    [(80, Right::Creator), (110, Right::Credit), (115, Right::Source), (116, Right::Notice)];

/// Returns the rights in Photoshop's image `resources`.
pub fn of_resources(resources: &[u8]) -> Rights {
    let mut at = 0;
    while let Some((id, data, next)) = resource(resources, at) {
        if id == IPTC_RESOURCE {
            return rights(data);
        }
        at = next;
    }
    Rights::default()
}

/// Returns the rights in IPTC's data sets.
pub fn rights(data: &[u8]) -> Rights {
    let mut found: [Vec<String>; DATA_SETS.len()] = Default::default();
    let mut at = 0;
    while let Some((record, number, value, next)) = data_set(data, at) {
        let kind = DATA_SETS.iter().position(|(other, _)| *other == number);
        if let Some(kind) = kind.filter(|kind| record == APPLICATION && found[*kind].len() < MAX_VALUES) {
            found[kind].push(text(value));
        }
        at = next;
    }
    let mut rights = Rights::default();
    for ((_, right), values) in DATA_SETS.iter().zip(found) {
        rights.add(*right, values);
    }
    rights
}

/// Reads the resource at `at`: its id, its data, and the start of the next. Name and data are padded to even sizes.
fn resource(bytes: &[u8], at: usize) -> Option<(u16, &[u8], usize)> {
    if slice(bytes, at, 4)? != b"8BIM" {
        return None;
    }
    let id = u16_be(bytes, at + 4)?;
    let name = usize::from(*bytes.get(at + 6)?);
    let size_at = at + 6 + (1 + name).next_multiple_of(2);
    let size = u32_be(bytes, size_at)? as usize;
    let data = slice(bytes, size_at + 4, size)?;
    Some((id, data, (size_at + 4 + size).next_multiple_of(2)))
}

/// Reads the data set at `at`: its record, its number, its value, and the start of the next. A size whose highest bit
/// is set is the size of the size that follows (IIM s1.5, extended data set).
fn data_set(bytes: &[u8], at: usize) -> Option<(u8, u8, &[u8], usize)> {
    let [TAG_MARKER, record, number] = *slice(bytes, at, 3)? else { return None };
    let short = u16_be(bytes, at + 3)?;
    let (start, size) = match short {
        0x8004 => (at + 9, u32_be(bytes, at + 5)? as usize),
        0x8000.. => return None,
        size => (at + 5, usize::from(size)),
    };
    Some((record, number, slice(bytes, start, size)?, start + size))
}

#[cfg(test)]
pub(in crate::codec) mod tests {
    use super::*;

    fn set(record: u8, number: u8, value: &[u8]) -> Vec<u8> {
        [&[TAG_MARKER, record, number][..], &(value.len() as u16).to_be_bytes(), value].concat()
    }

    /// Data sets like those of picture agencies. Values that must not leak start with "SECRET".
    pub(in crate::codec) fn data_sets() -> Vec<u8> {
        let sets: [(u8, &[u8]); 6] = [
            (5, b"SECRET title"),
            (80, b"Ada"),
            (80, b"Grace"),
            (110, b"The agency"),
            (115, b"The archive"),
            (116, b"\xA9 Ada & Grace"),
        ];
        let sets = sets.map(|(number, value)| set(APPLICATION, number, value));
        [set(1, 90, b"\x1B%G"), sets.concat()].concat()
    }

    /// Returns the data sets as a resource, after another one of odd size.
    pub(in crate::codec) fn resources() -> Vec<u8> {
        let data = data_sets();
        let other = b"8BIM\x04\x0A\x02ab\0\0\0\0\x01\x01\0".to_vec();
        let head = [&b"8BIM\x04\x04\0\0"[..], &(data.len() as u32).to_be_bytes()].concat();
        [other, head, data].concat()
    }

    #[test]
    fn author_credit_source_and_notice_are_read() {
        for rights in [rights(&data_sets()), of_resources(&resources())] {
            assert_eq!(rights.values(Right::Creator), ["Ada", "Grace"]);
            assert_eq!(rights.values(Right::Credit), ["The agency"]);
            assert_eq!(rights.values(Right::Source), ["The archive"]);
            assert_eq!(rights.values(Right::Notice), ["© Ada & Grace"]);
        }
    }

    #[test]
    fn an_extended_data_set_is_read() {
        let long = [&[TAG_MARKER, 2, 116, 0x80, 4, 0, 0, 0, 5][..], b"Ada's"].concat();
        assert_eq!(rights(&long).values(Right::Notice), ["Ada's"]);
    }

    #[test]
    fn sizes_that_lie_are_no_danger() {
        let whole = resources();
        for at in 0..whole.len() {
            of_resources(&whole[..at]);
            let mut lying = whole.clone();
            lying[at] = 0xFF;
            of_resources(&lying);
            rights(&lying[at..]);
        }
    }
}
