//! Reads and writes XMP packets (XMP part 1, s7): rights, and the orientation that viewers use. Supports only the XML
//! and RDF that this needs. Entities declared in a packet are not expanded.

mod pieces;
mod thumbnails;

use std::ops::Range;

use super::rights::{Right, Rights};
use crate::picture::Orientation;
use pieces::{Names, Piece, Pieces, attributes, unescaped};
pub use thumbnails::without_thumbnails;

const RDF: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#";
const TIFF: &str = "http://ns.adobe.com/tiff/1.0/";
const XML_LANG: &str = "xml:lang";

/// Maximum size in bytes of a packet in a JPEG segment (XMP part 3, s1.1.3).
const MAX_SEGMENT: usize = 65_502;
/// Maximum depth of nested elements that are read. Real packets have fewer than ten levels.
const MAX_DEPTH: usize = 64;
/// Reading stops at a list with more items than this. No real packet lists so many authors.
const MAX_ITEMS: usize = 1024;

/// How XMP writes the values of a property (XMP part 1, s6.3, s7.5 to 7.8).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Text,
    /// One text in several languages, the default language first.
    Alternatives,
    List(&'static str),
}

struct Property {
    right: Right,
    prefix: &'static str,
    namespace: &'static str,
    name: &'static str,
    shape: Shape,
}

const fn property(
    right: Right,
    (prefix, namespace): (&'static str, &'static str),
    name: &'static str,
    shape: Shape,
) -> Property {
    Property { right, prefix, namespace, name, shape }
}

/// Namespaces from XMP part 1, s8.3 (dc) and s8.5 (xmpRights), and XMP part 2 (photoshop).
const DC: (&str, &str) = ("dc", "http://purl.org/dc/elements/1.1/");
const RIGHTS: (&str, &str) = ("xmpRights", "http://ns.adobe.com/xap/1.0/rights/");
const PHOTOSHOP: (&str, &str) = ("photoshop", "http://ns.adobe.com/photoshop/1.0/");

const PROPERTIES: [Property; 9] = [
    property(Right::Creator, DC, "creator", Shape::List("Seq")),
    property(Right::Notice, DC, "rights", Shape::Alternatives),
    property(Right::Owner, RIGHTS, "Owner", Shape::List("Bag")),
    property(Right::UsageTerms, RIGHTS, "UsageTerms", Shape::Alternatives),
    property(Right::WebStatement, RIGHTS, "WebStatement", Shape::Text),
    property(Right::Certificate, RIGHTS, "Certificate", Shape::Text),
    property(Right::Marked, RIGHTS, "Marked", Shape::Text),
    property(Right::Credit, PHOTOSHOP, "Credit", Shape::Text),
    property(Right::Source, PHOTOSHOP, "Source", Shape::Text),
];

/// Returns the rights in `packet`.
pub fn rights(packet: &[u8]) -> Rights {
    let packet = readable(packet);
    let mut reader =
        RightsReader { names: Names::read(packet), open: Vec::new(), current: None, rights: Rights::default() };
    for piece in Pieces::of(packet) {
        match piece {
            Piece::Open { name, attributes, is_empty, .. } => reader.open(name, attributes, is_empty),
            Piece::Close { .. } => reader.close(),
            Piece::Text { text, is_escaped, .. } => reader.text(text, is_escaped),
        }
        if reader.open.len() > MAX_DEPTH
            || reader.current.as_ref().is_some_and(|current| current.items.len() > MAX_ITEMS)
        {
            break;
        }
    }
    reader.rights
}

/// Returns a packet with only `rights`, in the wrapper that XMP requires (part 1, s7.3.2).
pub fn packet(rights: &Rights) -> Vec<u8> {
    const BEGIN: &str = "<?xpacket begin=\"\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>";
    const END: &str = "<?xpacket end=\"r\"?>";
    let description = description(rights);
    let rdf = format!("<rdf:RDF xmlns:rdf=\"{RDF}\">{description}</rdf:RDF>");
    format!("{BEGIN}<x:xmpmeta xmlns:x=\"adobe:ns:meta/\">{rdf}</x:xmpmeta>{END}").into()
}

/// Adds those of `rights` to `packet` that it does not have. Returns it unchanged when it has no place for them, or
/// when a JPEG segment could not hold the result.
pub fn with_rights(packet: Vec<u8>, rights: &Rights) -> Vec<u8> {
    let said = self::rights(&packet);
    let mut missing = Rights::default();
    for property in PROPERTIES.iter().filter(|property| said.values(property.right).is_empty()) {
        missing.add(property.right, rights.values(property.right));
    }
    let Some(at) = end_of_rdf(readable(&packet)).filter(|_| !missing.is_empty()) else { return packet };
    let description = description(&missing);
    if packet.len() + description.len() > MAX_SEGMENT {
        return packet;
    }
    let mut grown = packet;
    grown.splice(at..at, description.into_bytes());
    grown
}

/// Sets every tiff:Orientation in `packet` to `orientation`. The result is never longer than `packet`.
pub fn with_orientation(packet: &[u8], orientation: Orientation) -> Vec<u8> {
    let wanted = orientation.to_exif().to_string().into_bytes();
    let mut turned = Vec::with_capacity(packet.len());
    let mut copied = 0;
    for range in orientations(readable(packet)) {
        if packet[range.clone()].trim_ascii() != wanted {
            turned.extend_from_slice(&packet[copied..range.start]);
            turned.extend_from_slice(&wanted);
            copied = range.end;
        }
    }
    turned.extend_from_slice(&packet[copied..]);
    turned
}

/// Returns the part of a packet that is valid UTF-8, which should be all of it.
fn readable(packet: &[u8]) -> &str {
    match std::str::from_utf8(packet) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&packet[..error.valid_up_to()]).unwrap_or_default(),
    }
}

/// Returns the ranges of the values of tiff:Orientation, as attributes and as elements, in order.
fn orientations(packet: &str) -> Vec<Range<usize>> {
    let names = Names::read(packet);
    let is_orientation = |name: &str| names.is(name, "tiff", TIFF, "Orientation");
    let mut found = Vec::new();
    let mut is_inside = false;
    for piece in Pieces::of(packet) {
        match piece {
            Piece::Open { name, attributes: part, at, is_empty } => {
                let values = attributes(part)
                    .filter(|(name, range)| is_orientation(name) && !part[range.clone()].trim().is_empty());
                found.extend(values.map(|(_, range)| at + range.start..at + range.end));
                is_inside = is_orientation(name) && !is_empty;
            }
            Piece::Close { .. } => is_inside = false,
            Piece::Text { text, at, .. } if is_inside && !text.trim().is_empty() => found.push(at..at + text.len()),
            Piece::Text { .. } => {}
        }
    }
    found
}

/// Returns the position where the last rdf:RDF closes.
fn end_of_rdf(packet: &str) -> Option<usize> {
    let names = Names::read(packet);
    let ends = Pieces::of(packet).filter_map(|piece| match piece {
        Piece::Close { name, at } if names.is(name, "rdf", RDF, "RDF") => Some(at),
        _ => None,
    });
    ends.last()
}

/// Returns an rdf:Description of `rights`, which declares its own namespaces.
fn description(rights: &Rights) -> String {
    let said: Vec<_> = PROPERTIES.iter().filter(|property| !rights.values(property.right).is_empty()).collect();
    let mut text = format!("<rdf:Description rdf:about=\"\" xmlns:rdf=\"{RDF}\"");
    for (prefix, namespace) in [DC, RIGHTS, PHOTOSHOP] {
        if said.iter().any(|property| property.prefix == prefix) {
            text += &format!(" xmlns:{prefix}=\"{namespace}\"");
        }
    }
    text.push('>');
    for Property { right, prefix, name, shape, .. } in said {
        let values: Vec<String> = rights.values(*right).iter().map(|value| escaped(value)).collect();
        let value = match shape {
            Shape::Text => values[0].clone(),
            Shape::Alternatives => {
                format!("<rdf:Alt><rdf:li {XML_LANG}=\"x-default\">{}</rdf:li></rdf:Alt>", values[0])
            }
            Shape::List(list) => {
                let items: String = values.iter().map(|value| format!("<rdf:li>{value}</rdf:li>")).collect();
                format!("<rdf:{list}>{items}</rdf:{list}>")
            }
        };
        text += &format!("<{prefix}:{name}>{value}</{prefix}:{name}>");
    }
    text + "</rdf:Description>"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Reads a packet and collects its rights.
struct RightsReader<'a> {
    names: Names<'a>,
    /// The open elements.
    open: Vec<&'a str>,
    current: Option<Current>,
    rights: Rights,
}

/// A property whose element is open.
struct Current {
    property: &'static Property,
    /// Number of elements that were open before it.
    depth: usize,
    text: String,
    items: Vec<String>,
    /// Index of the item in the default language.
    usual: Option<usize>,
}

impl<'a> RightsReader<'a> {
    fn open(&mut self, name: &'a str, part: &'a str, is_empty: bool) {
        if self.is_rdf(name, "Description") && self.open.last().is_some_and(|last| self.is_rdf(last, "RDF")) {
            self.read_attributes(part);
        }
        let is_item = self.is_rdf(name, "li");
        match &mut self.current {
            Some(current) if is_item && self.open.len() == current.depth + 2 => {
                let is_usual = attributes(part).any(|(name, range)| name == XML_LANG && &part[range] == "x-default");
                current.usual = current.usual.or(is_usual.then_some(current.items.len()));
                current.items.push(String::new());
            }
            Some(_) => {}
            None => self.current = self.opened_property(name),
        }
        self.open.push(name);
        if is_empty {
            self.close();
        }
    }

    /// Returns the property whose element is about to open, when it describes the picture itself and not something
    /// inside it.
    fn opened_property(&self, name: &str) -> Option<Current> {
        let [.., top, last] = self.open[..] else { return None };
        let is_own = self.is_rdf(top, "RDF") && self.is_rdf(last, "Description");
        let property = self.property(name).filter(|_| is_own)?;
        Some(Current { property, depth: self.open.len(), text: String::new(), items: Vec::new(), usual: None })
    }

    fn is_rdf(&self, name: &str, local: &str) -> bool {
        self.names.is(name, "rdf", RDF, local)
    }

    fn close(&mut self) {
        self.open.pop();
        if let Some(current) = self.current.take_if(|current| self.open.len() <= current.depth) {
            let values = match (current.items.is_empty(), current.property.shape) {
                (true, _) => vec![current.text],
                (false, Shape::List(_)) => current.items,
                (false, _) => vec![current.items[current.usual.unwrap_or(0)].clone()],
            };
            self.rights.add(current.property.right, values);
        }
    }

    fn text(&mut self, text: &str, is_escaped: bool) {
        let Some(current) = &mut self.current else { return };
        let target = match self.open.len() - current.depth {
            1 => &mut current.text,
            3 if !current.items.is_empty() => current.items.last_mut().unwrap_or(&mut current.text),
            _ => return,
        };
        match is_escaped {
            true => target.push_str(&unescaped(text)),
            false => target.push_str(text),
        }
    }

    fn read_attributes(&mut self, part: &str) {
        for (name, range) in attributes(part) {
            if let Some(property) = self.property(name) {
                self.rights.add(property.right, [unescaped(&part[range])]);
            }
        }
    }

    fn property(&self, name: &str) -> Option<&'static Property> {
        const ALL: &[Property] = &PROPERTIES;
        ALL.iter().find(|property| self.names.is(name, property.prefix, property.namespace, property.name))
    }
}

#[cfg(test)]
pub(super) mod tests;
