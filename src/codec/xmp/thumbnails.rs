//! Cuts the thumbnails out of an XMP packet.

use std::ops::Range;

use super::pieces::{Names, Piece, Pieces};
use super::readable;

/// The elements that hold thumbnails: the list (XMP part 1, s8.4) and the picture in it (XMP part 2, s1.2.2.4).
const THUMBNAILS: [(&str, &str, &str); 2] =
    [("xmp", "http://ns.adobe.com/xap/1.0/", "Thumbnails"), ("xmpGImg", "http://ns.adobe.com/xap/1.0/g/img/", "image")];

/// Returns `packet` without thumbnails.
pub fn without_thumbnails(packet: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(packet.len());
    let mut copied = 0;
    for range in elements(readable(packet)) {
        kept.extend_from_slice(&packet[copied..range.start]);
        copied = range.end;
    }
    kept.extend_from_slice(&packet[copied..]);
    kept
}

/// Returns the ranges of the elements that hold thumbnails, in order.
fn elements(packet: &str) -> Vec<Range<usize>> {
    let names = Names::read(packet);
    let is_thumbnail = |name: &str| THUMBNAILS.iter().any(|(prefix, space, own)| names.is(name, prefix, space, own));
    let mut found = Vec::new();
    // The outermost element that is open: its name, its start, and how many of its name are open.
    let mut open: Option<(&str, usize, usize)> = None;
    for piece in Pieces::of(packet) {
        match (piece, &mut open) {
            (Piece::Open { name, attributes, at, is_empty: true }, None) if is_thumbnail(name) => {
                found.push(at - name.len() - 1..at + attributes.len() + "/>".len());
            }
            (Piece::Open { name, at, is_empty: false, .. }, None) if is_thumbnail(name) => {
                open = Some((name, at - name.len() - 1, 1));
            }
            (Piece::Open { name, is_empty: false, .. }, Some((outer, _, depth))) if name == *outer => *depth += 1,
            (Piece::Close { name, at }, Some((outer, start, depth))) if name == *outer => {
                *depth -= 1;
                if *depth == 0 {
                    let end = packet[at..].find('>').map_or(packet.len(), |length| at + length + 1);
                    found.push(*start..end);
                    open = None;
                }
            }
            _ => {}
        }
    }
    // Without its end an element goes on to the end of the packet.
    found.extend(open.map(|(_, start, _)| start..packet.len()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without(packet: &str) -> String {
        String::from_utf8(without_thumbnails(packet.as_bytes())).unwrap()
    }

    #[test]
    fn thumbnails_go_and_all_else_stays() {
        for (packet, kept) in [
            ("<a><xmp:Thumbnails><rdf:Alt><rdf:li>SECRET</rdf:li></rdf:Alt></xmp:Thumbnails><b/></a>", "<a><b/></a>"),
            ("<a><xmpGImg:image>SECRET</xmpGImg:image >text</a>", "<a>text</a>"),
            ("<a><xmp:Thumbnails x='SECRET'/>text</a>", "<a>text</a>"),
            (
                "<a xmlns:t='http://ns.adobe.com/xap/1.0/'><t:Thumbnails>1</t:Thumbnails></a>",
                "<a xmlns:t='http://ns.adobe.com/xap/1.0/'></a>",
            ),
            ("<xmp:Thumbnails><xmp:Thumbnails>1</xmp:Thumbnails>2</xmp:Thumbnails>3", "3"),
            ("<a/><xmp:Thumbnails>never closed", "<a/>"),
            ("<a><dc:Thumbnails>1</dc:Thumbnails></a>", "<a><dc:Thumbnails>1</dc:Thumbnails></a>"),
        ] {
            assert_eq!(without(packet), kept);
        }
    }
}
