use proptest::prelude::*;

use super::*;

/// A packet like those of programs for photographers. Values that must not leak start with "SECRET".
pub(crate) const PACKET: &str = r#"<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <!-- <dc:creator>nobody</dc:creator> -->
  <rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/" xmlns:photoshop='http://ns.adobe.com/photoshop/1.0/'
    xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:GPS="urn:place"
    xmpRights:Marked="True" photoshop:Credit='The &quot;agency&quot;' tiff:Orientation="6" GPS:Where="SECRET place">
   <dc:creator><rdf:Seq><rdf:li>Ada</rdf:li><rdf:li>Grace &amp; Co &#169;</rdf:li></rdf:Seq></dc:creator>
   <dc:rights><rdf:Alt>
     <rdf:li xml:lang="de">alle Rechte</rdf:li>
     <rdf:li xml:lang="x-default"><![CDATA[all <rights> reserved]]></rdf:li>
   </rdf:Alt></dc:rights>
   <dc:description><rdf:Alt><rdf:li xml:lang="x-default">SECRET words</rdf:li></rdf:Alt></dc:description>
   <xmpRights:WebStatement>https://example.org/?a=1&amp;b=2</xmpRights:WebStatement>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"#;

fn assert_read(rights: &Rights) {
    assert_eq!(rights.values(Right::Creator), ["Ada", "Grace & Co ©"]);
    assert_eq!(rights.values(Right::Notice), ["all <rights> reserved"]);
    assert_eq!(rights.values(Right::Credit), ["The \"agency\""]);
    assert_eq!(rights.values(Right::Marked), ["True"]);
    assert_eq!(rights.values(Right::WebStatement), ["https://example.org/?a=1&b=2"]);
    assert!(rights.values(Right::Owner).is_empty());
}

#[test]
fn rights_are_read_from_attributes_elements_and_lists() {
    assert_read(&rights(PACKET.as_bytes()));
}

#[test]
fn what_is_written_is_read_back_and_says_nothing_else() {
    let written = packet(&rights(PACKET.as_bytes()));
    assert_read(&rights(&written));
    assert!(!String::from_utf8(written).unwrap().contains("SECRET"));
}

#[test]
fn any_prefix_may_stand_for_a_namespace() {
    let renamed = PACKET
        .replace("dc:", "a:")
        .replace("xmlns:dc", "xmlns:a")
        .replace("rdf:", "r:")
        .replace("xmlns:rdf", "xmlns:r");
    assert_read(&rights(renamed.as_bytes()));
    let taken = PACKET.replace("http://purl.org/dc/elements/1.1/", "urn:other");
    assert!(rights(taken.as_bytes()).values(Right::Creator).is_empty());
}

#[test]
fn rights_of_something_inside_the_picture_are_not_its_own() {
    let nested = "<rdf:RDF><rdf:Description><xmpMM:Ingredients><rdf:Bag><rdf:li><rdf:Description dc:rights='theirs'>\
        <dc:creator>Them</dc:creator></rdf:Description></rdf:li></rdf:Bag></xmpMM:Ingredients></rdf:Description></rdf:RDF>";
    assert!(rights(nested.as_bytes()).is_empty());
}

#[test]
fn every_orientation_is_set_whether_attribute_or_element() {
    let element = PACKET.replace("<dc:rights>", "<tiff:Orientation> 8 </tiff:Orientation><dc:rights>");
    let renamed = element.replace("tiff:", "t:").replace("xmlns:tiff", "xmlns:t");
    for packet in [PACKET, &element, &renamed] {
        let turned = String::from_utf8(with_orientation(packet.as_bytes(), Orientation::Upright)).unwrap();
        let expected = packet.replace("Orientation=\"6\"", "Orientation=\"1\"").replace("> 8 <", ">1<");
        assert_eq!(turned, expected);
        assert_eq!(with_orientation(turned.as_bytes(), Orientation::Upright), turned.as_bytes());
    }
}

#[test]
fn a_packet_keeps_what_it_says_and_gains_what_is_missing() {
    let mut more = Rights::default();
    more.add(Right::Creator, ["Someone else"]);
    more.add(Right::Source, ["The <archive>"]);
    let grown = with_rights(PACKET.into(), &more);
    assert_read(&rights(&grown));
    assert_eq!(rights(&grown).values(Right::Source), ["The <archive>"]);
    assert_eq!(with_rights(grown.clone(), &more), grown);
    let closed = PACKET.replace("</rdf:RDF>", "");
    assert_eq!(with_rights(closed.clone().into(), &more), closed.as_bytes());
}

#[test]
fn entities_of_a_packet_are_not_expanded() {
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\">]><rdf:RDF><rdf:Description photoshop:Credit='&a;&a;&#xFFFFFF;'/></rdf:RDF>";
    assert_eq!(rights(bomb.as_bytes()).values(Right::Credit), ["&a;&a;&#xFFFFFF;"]);
}

#[test]
fn elements_without_end_are_no_danger() {
    let deep = "<rdf:RDF><rdf:Description>".to_owned() + &"<a>".repeat(1 << 20);
    assert!(rights(deep.as_bytes()).is_empty());
    let wide = "<rdf:RDF><rdf:Description><dc:creator><rdf:Seq>".to_owned() + &"<rdf:li>x</rdf:li>".repeat(1 << 16);
    assert!(rights(wide.as_bytes()).is_empty());
}

fn survives(packet: &[u8]) {
    with_orientation(packet, Orientation::Rotate90);
    let read = rights(packet);
    with_rights(packet.to_vec(), &read);
    assert!(read.is_empty() || rights(&self::packet(&read)) == read);
}

#[test]
fn a_packet_cut_anywhere_is_no_danger() {
    (0..PACKET.len()).for_each(|length| survives(&PACKET.as_bytes()[..length]));
}

proptest! {
    #[test]
    fn a_hostile_packet_is_no_danger(patches in proptest::collection::vec((0..PACKET.len(), any::<u8>()), 0..12)) {
        let mut hostile = PACKET.as_bytes().to_vec();
        for (at, value) in patches {
            hostile[at] = value;
        }
        survives(&hostile);
    }

    #[test]
    fn any_rights_are_written_and_read_back(values in proptest::collection::vec(".{0,60}", 1..4)) {
        let mut written = Rights::default();
        written.add(Right::Creator, &values);
        written.add(Right::Notice, &values[..1]);
        prop_assert!(written.is_empty() || rights(&packet(&written)) == written);
    }
}
