//! Reads and writes XResolution and YResolution: how large the picture is printed.

use super::{Block, ENTRY_BYTES, Field, Order, SHORT, Written, unit_bytes, written};
use crate::codec::density::Density;

/// Tags of TIFF 6.0, section 8.
const X_RESOLUTION: u16 = 0x011A;
const Y_RESOLUTION: u16 = 0x011B;
const RESOLUTION_UNIT: u16 = 0x0128;
const TAGS: [u16; 3] = [X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT];
/// Values of ResolutionUnit, which is inches where it is missing.
const INCHES: u32 = 2;
const CENTIMETRES: u32 = 3;
/// Two unsigned numbers of 32 bits, numerator and denominator (TIFF 6.0, section 2).
pub(super) const RATIONAL: u16 = 5;

/// Tags whose values point to directories with values of their own: Exif, GPS, Interoperability, SubIFDs.
const LINKS: [u16; 4] = [0x8769, 0x8825, 0xA005, 0x014A];

/// Returns the density that `exif` states.
pub fn density(exif: &[u8]) -> Option<Density> {
    let block = Block::open(exif)?;
    let field = |tag| block.fields().find(|field| field.tag == tag);
    let [across, down] = [X_RESOLUTION, Y_RESOLUTION].map(|tag| field(tag).and_then(|field| block.fraction(&field)));
    let unit = field(RESOLUTION_UNIT).and_then(|field| block.number(&field)).unwrap_or(INCHES);
    match unit {
        INCHES => Density::per_inch(across?, down?),
        CENTIMETRES => Density::per_centimetre(across?, down?),
        _ => None,
    }
}

/// Returns a block with only this density.
pub fn only_density(density: Density) -> Vec<u8> {
    let [across, down] = density.dpi().map(|dpi| rational(Order::Little, dpi));
    let number = |tag, kind, value: Vec<u8>| Written { tag, kind, count: 1, value: value.into() };
    let unit = (INCHES as u16).to_le_bytes().to_vec();
    let fields = [
        number(X_RESOLUTION, RATIONAL, across),
        number(Y_RESOLUTION, RATIONAL, down),
        number(RESOLUTION_UNIT, SHORT, unit),
    ];
    written(&fields).expect("there are fields to write")
}

/// Returns `exif` with this density: in the place of the one that it has, otherwise in a new first directory at its
/// end. Everything else stays where it is, because fields point to it. Returns `None` when the block is not understood.
pub fn with_density(exif: &[u8], density: Density) -> Option<Vec<u8>> {
    let block = Block::open(exif)?;
    if self::density(exif) == Some(density) {
        return Some(exif.to_vec());
    }
    block.overwritten(density).or_else(|| block.with_new_directory(density))
}

/// Returns `exif` with this density where it has another one.
pub fn with_density_corrected(exif: &[u8], density: Density) -> Option<Vec<u8>> {
    if self::density(exif).is_none_or(|stated| stated == density) {
        return None;
    }
    with_density(exif, density)
}

/// Returns numerator and denominator.
fn rational(order: Order, value: f64) -> Vec<u8> {
    let (over, under) = if value.fract() == 0.0 { (value as u32, 1) } else { ((value * 100.0).round() as u32, 100) };
    [order.bytes(over, 4), order.bytes(under, 4)].concat()
}

impl Block<'_> {
    fn fraction(&self, field: &Field) -> Option<f64> {
        let range = self.value_range(field).filter(|_| field.kind == RATIONAL && field.count == 1)?;
        let (over, under) = (self.read(range.start, 4)?, self.read(range.start + 4, 4)?);
        (under > 0).then(|| f64::from(over) / f64::from(under))
    }

    /// Returns the block with its values overwritten. Returns `None` when it does not have all three.
    fn overwritten(&self, density: Density) -> Option<Vec<u8>> {
        let mut changed = self.bytes.to_vec();
        let field = |tag| self.fields().find(|field| field.tag == tag);
        for (tag, dpi) in [X_RESOLUTION, Y_RESOLUTION].into_iter().zip(density.dpi()) {
            let field = field(tag).filter(|field| field.kind == RATIONAL && field.count == 1)?;
            changed[self.value_range(&field)?].copy_from_slice(&rational(self.order, dpi));
        }
        let unit = self.number_range(&field(RESOLUTION_UNIT)?)?;
        let inches = self.order.bytes(INCHES, unit.len());
        changed[unit].copy_from_slice(&inches);
        // Both values may lie at the same place.
        (self::density(&changed) == Some(density)).then_some(changed)
    }

    /// Returns the block with a copy of its first directory at its end, which has the density, too.
    fn with_new_directory(&self, density: Density) -> Option<Vec<u8>> {
        self.read(4, 4)?;
        let mut block = self.bytes[..self.end_of_values()].to_vec();
        block.resize(block.len().next_multiple_of(2), 0);
        let old = self.fields().filter(|field| !TAGS.contains(&field.tag));
        let mut entries: Vec<(u16, Vec<u8>)> =
            old.map(|field| (field.tag, self.bytes[field.slot + 4 - ENTRY_BYTES..field.slot + 4].to_vec())).collect();
        for (tag, dpi) in [X_RESOLUTION, Y_RESOLUTION].into_iter().zip(density.dpi()) {
            let at = u32::try_from(block.len()).ok()?;
            block.extend(rational(self.order, dpi));
            entries.push((tag, self.entry(tag, RATIONAL, at)));
        }
        let inches = match self.order {
            Order::Little => INCHES,
            // The number lies in the first two bytes of the slot.
            Order::Big => INCHES << 16,
        };
        entries.push((RESOLUTION_UNIT, self.entry(RESOLUTION_UNIT, SHORT, inches)));
        entries.sort_by_key(|(tag, _)| *tag);

        let directory = u32::try_from(block.len()).ok()?;
        block.extend(self.order.bytes(u16::try_from(entries.len()).ok()?.into(), 2));
        entries.iter().for_each(|(_, entry)| block.extend(entry));
        let next = self.thumbnail_link().and_then(|link| self.read(link, 4)).unwrap_or(0);
        block.extend(self.order.bytes(next, 4));
        block[4..8].copy_from_slice(&self.order.bytes(directory, 4));
        Some(block)
    }

    /// Returns an entry of one value, given the number in its slot.
    fn entry(&self, tag: u16, kind: u16, slot: u32) -> Vec<u8> {
        let [tag, kind] = [tag, kind].map(|number| self.order.bytes(number.into(), 2));
        [tag, kind, self.order.bytes(1, 4), self.order.bytes(slot, 4)].concat()
    }

    /// Returns where the bytes end that fields may point to: an AVIF whose metadata was taken out leaves zeros behind a
    /// directory that points to nothing else.
    fn end_of_values(&self) -> usize {
        let whole = self.bytes.len();
        let fields: Vec<Field> = self.fields().collect();
        let points_elsewhere = |field: &Field| LINKS.contains(&field.tag) || unit_bytes(field.kind).is_none();
        if self.thumbnail_link().is_some() || fields.iter().any(points_elsewhere) {
            return whole;
        }
        let values = fields.iter().filter_map(|field| self.value_range(field)).map(|range| range.end);
        let end = values.fold(self.first_directory().end, usize::max);
        let is_blank = self.bytes.get(end..).is_some_and(|rest| rest.iter().all(|byte| *byte == 0));
        if is_blank { end } else { whole }
    }
}

impl Order {
    /// Returns `number` in `size` bytes, at most 4.
    fn bytes(self, number: u32, size: usize) -> Vec<u8> {
        match self {
            Order::Little => number.to_le_bytes()[..size].to_vec(),
            Order::Big => number.to_be_bytes()[4 - size..].to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use ::exif::experimental::Writer;
    use ::exif::{Field as ReadField, In, Rational, Reader, Tag, Value};

    use super::super::tests::camera_block;
    use super::*;

    /// A block that states 72 and 96 pixels a centimetre, with a thumbnail's directory, in either byte order.
    fn stated(little_endian: bool) -> Vec<u8> {
        let rational = |tag, num| ReadField {
            tag,
            ifd_num: In::PRIMARY,
            value: Value::Rational(vec![Rational { num, denom: 1 }]),
        };
        let number = |tag, ifd_num, value| ReadField { tag, ifd_num, value: Value::Short(vec![value]) };
        let fields = [
            rational(Tag::XResolution, 72),
            rational(Tag::YResolution, 96),
            number(Tag::ResolutionUnit, In::PRIMARY, 3),
            number(Tag::Orientation, In::THUMBNAIL, 1),
        ];
        let mut writer = Writer::new();
        fields.iter().for_each(|field| writer.push_field(field));
        let mut block = Cursor::new(Vec::new());
        writer.write(&mut block, little_endian).unwrap();
        block.into_inner()
    }

    fn read(block: &[u8]) -> Vec<(Tag, In, String)> {
        let read = Reader::new().read_raw(block.to_vec()).unwrap();
        read.fields().map(|field| (field.tag, field.ifd_num, field.display_value().to_string())).collect()
    }

    #[test]
    fn a_stated_density_is_read_and_replaced_where_it_stands() {
        for little_endian in [true, false] {
            let block = stated(little_endian);
            assert_eq!(density(&block), Density::per_centimetre(72.0, 96.0));
            let changed = with_density(&block, Density::of_dpi(300)).unwrap();
            assert_eq!((density(&changed), changed.len()), (Some(Density::of_dpi(300)), block.len()));
            assert_eq!(with_density_corrected(&block, Density::of_dpi(300)), Some(changed.clone()));
            assert_eq!(with_density_corrected(&changed, Density::of_dpi(300)), None);
            let differing: Vec<_> =
                read(&block).into_iter().zip(read(&changed)).filter(|(old, new)| old != new).collect();
            assert_eq!(differing.len(), 3, "{differing:?}");
        }
    }

    #[test]
    fn a_density_is_added_beside_all_that_is_there() {
        for little_endian in [true, false] {
            let block = camera_block(6, little_endian);
            let odd = Density::per_inch(72.5, 300.0).unwrap();
            let changed = with_density(&block, odd).unwrap();
            assert_eq!((density(&changed), odd.dpi()), (Some(odd), [72.49, 300.0]));
            assert_eq!(with_density_corrected(&block, Density::of_dpi(300)), None);
            let (old, new) = (read(&block), read(&changed));
            assert!(old.iter().all(|field| new.contains(field)), "{new:?}");
            assert_eq!(new.len(), old.len() + 3);
        }
    }

    #[test]
    fn a_density_takes_the_place_of_what_was_taken_out() {
        let orientation = super::super::only_orientation(crate::picture::Orientation::Upright);
        let blank = [&orientation[..], &[0; 200]].concat();
        assert!(with_density(&blank, Density::of_dpi(300)).unwrap().len() < 120);
    }

    #[test]
    fn only_density_holds_only_that() {
        let block = only_density(Density::of_dpi(300));
        assert_eq!(density(&block), Some(Density::of_dpi(300)));
        assert_eq!(read(&block).len(), 3);
    }

    #[test]
    fn a_block_cut_or_changed_anywhere_is_no_panic() {
        for block in [stated(false), camera_block(3, true), only_density(Density::of_dpi(72))] {
            for at in 0..block.len() {
                let _ = with_density(&block[..at], Density::of_dpi(300));
                for value in [0, 1, 0x7F, 0xFF] {
                    let mut changed = block.clone();
                    changed[at] = value;
                    if let Some(set) = with_density(&changed, Density::of_dpi(300)) {
                        let _ = density(&set);
                    }
                }
            }
        }
    }
}
