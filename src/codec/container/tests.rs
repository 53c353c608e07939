//! The promises of the containers, the same for all formats, on pictures drawn and encoded here.

use std::io::Cursor;
use std::sync::LazyLock;

use exif::{Reader, Tag};
use proptest::prelude::*;

use super::{embed, is_sound, pad, strip};
use crate::codec::exif::tests::camera_block;
use crate::codec::lossy_coding::LossyCoding;
use crate::codec::rights::Right;
use crate::codec::{self, Effort, Format, Limits, Metadata, MetadataPolicy};
use crate::picture::{Layout, Picture};

const WIDTH: u32 = 37;
const HEIGHT: u32 = 29;
/// Stands for a colour profile: the containers don't look inside.
const ICC: &[u8] = b"a profile of primaries, curves and white";
const XMP: &[u8] = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>SECRET packet</x:xmpmeta>";

/// A file as one of our encoders writes it.
struct Fixture {
    name: &'static str,
    format: Format,
    file: Vec<u8>,
}

static FIXTURES: LazyLock<Vec<Fixture>> = LazyLock::new(|| {
    let fixture = |name, format, file| Fixture { name, format, file };
    vec![
        fixture("baseline", Format::Jpeg, jpeg(false)),
        fixture("progressive", Format::Jpeg, jpeg(true)),
        fixture("rgb", Format::Png, png(png::ColorType::Rgb, None)),
        fixture("rgba", Format::Png, png(png::ColorType::Rgba, None)),
        fixture("lossy", Format::Webp, lossy_webp(false)),
        fixture("lossy with alpha", Format::Webp, lossy_webp(true)),
        fixture("lossless", Format::Webp, lossless_webp(image_webp::ColorType::Rgb8, None)),
        fixture("lossless with alpha", Format::Webp, lossless_webp(image_webp::ColorType::Rgba8, None)),
        fixture("opaque", Format::Avif, avif(false)),
        fixture("with alpha", Format::Avif, avif(true)),
    ]
});

fn drawn(channels: usize) -> Vec<u8> {
    let pixels = (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| [x * 6, y * 8, (x * y) % 251, 255 - x]));
    pixels.flat_map(|pixel| pixel.map(|value| value as u8).into_iter().take(channels)).collect()
}

fn jpeg(progressive: bool) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut file, 80);
    encoder.set_progressive(progressive);
    encoder.set_restart_interval(if progressive { 0 } else { 2 });
    encoder.encode(&drawn(3), WIDTH as u16, HEIGHT as u16, jpeg_encoder::ColorType::Rgb).unwrap();
    file
}

fn png(colour: png::ColorType, icc: Option<&[u8]>) -> Vec<u8> {
    let mut header = png::Info::with_size(WIDTH, HEIGHT);
    header.color_type = colour;
    header.bit_depth = png::BitDepth::Eight;
    header.icc_profile = icc.map(Into::into);
    let mut file = Vec::new();
    let mut encoder = png::Encoder::with_info(&mut file, header).unwrap();
    if icc.is_none() {
        encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
    }
    encoder.write_header().unwrap().write_image_data(&drawn(colour.samples())).unwrap();
    file
}

fn lossless_webp(colour: image_webp::ColorType, icc: Option<&[u8]>) -> Vec<u8> {
    let channels = if colour == image_webp::ColorType::Rgba8 { 4 } else { 3 };
    let mut file = Vec::new();
    let mut encoder = image_webp::WebPEncoder::new(&mut file);
    if let Some(icc) = icc {
        encoder.set_icc_profile(icc.to_vec());
    }
    encoder.encode(&drawn(channels), WIDTH, HEIGHT, colour).unwrap();
    file
}

#[expect(unsafe_code, reason = "libwebp is a C library")]
fn lossy_webp(alpha: bool) -> Vec<u8> {
    let channels = if alpha { 4 } else { 3 };
    let pixels = drawn(channels);
    let mut coded: *mut u8 = std::ptr::null_mut();
    let (width, height, row) = (WIDTH as i32, HEIGHT as i32, WIDTH as i32 * channels as i32);
    let encode = if alpha { libwebp_sys::WebPEncodeRGBA } else { libwebp_sys::WebPEncodeRGB };
    // SAFETY: `pixels` holds `height` rows of `width * channels` bytes; the result is copied before it is freed.
    unsafe {
        let size = encode(pixels.as_ptr(), width, height, row, 60.0, &mut coded);
        assert!(size > 0);
        let file = std::slice::from_raw_parts(coded, size).to_vec();
        libwebp_sys::WebPFree(coded.cast());
        file
    }
}

fn avif(alpha: bool) -> Vec<u8> {
    let (layout, channels) = if alpha { (Layout::Rgba, 4) } else { (Layout::Rgb, 3) };
    let picture = Picture::new(WIDTH, HEIGHT, layout, drawn(channels));
    let coding = LossyCoding::AvifFull;
    coding.encoder(&picture, Effort::Fast).unwrap().encode(coding.scale().ln_step(60.0)).unwrap()
}

/// The pixels of a file, by a decoder that knows no containers of ours.
fn pixels(format: Format, file: &[u8]) -> Vec<u8> {
    match format {
        Format::Jpeg => zune_jpeg::JpegDecoder::new(zune_core::bytestream::ZCursor::new(file)).decode().unwrap(),
        Format::Png => {
            let mut reader = png::Decoder::new(Cursor::new(file)).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            reader.next_frame(&mut pixels).unwrap();
            reader.finish().unwrap();
            pixels
        }
        Format::Webp => {
            let mut decoder = image_webp::WebPDecoder::new(Cursor::new(file)).unwrap();
            let mut pixels = vec![0; decoder.output_buffer_size().unwrap()];
            decoder.read_image(&mut pixels).unwrap();
            pixels
        }
        Format::Avif => codec::decode(file, &Limits::default()).unwrap().picture.into_pixels(),
        _ => unreachable!("no fixture has this format"),
    }
}

fn icc(format: Format, file: &[u8]) -> Option<Vec<u8>> {
    match format {
        Format::Jpeg => {
            let mut decoder = zune_jpeg::JpegDecoder::new(zune_core::bytestream::ZCursor::new(file));
            decoder.decode_headers().unwrap();
            decoder.icc_profile()
        }
        Format::Png => {
            let reader = png::Decoder::new(Cursor::new(file)).read_info().unwrap();
            reader.info().icc_profile.as_ref().map(|profile| profile.to_vec())
        }
        Format::Webp => image_webp::WebPDecoder::new(Cursor::new(file)).unwrap().icc_profile().unwrap(),
        _ => None,
    }
}

/// The tags of the EXIF that an independent reader finds in a file.
fn tags(file: &[u8]) -> Vec<Tag> {
    let Ok(found) = Reader::new().read_from_container(&mut Cursor::new(file)) else { return Vec::new() };
    found.fields().map(|field| field.tag).collect()
}

fn holds(file: &[u8], text: &[u8]) -> bool {
    file.windows(text.len()).any(|window| window == text)
}

fn full_metadata() -> Metadata {
    Metadata { exif: Some(camera_block(6, false)), xmp: Some(XMP.to_vec()), ..Metadata::default() }
}

/// Files as users send them: a profile, and secrets in every place that the format has for them.
fn dirty_files() -> Vec<Fixture> {
    let full = |format, file| embed(file, format, &full_metadata());
    let mut jpeg = full(Format::Jpeg, jpeg(true));
    let mut png = full(Format::Png, png(png::ColorType::Rgb, Some(ICC)));
    let mut webp = full(Format::Webp, lossless_webp(image_webp::ColorType::Rgb8, Some(ICC)));
    let mut avif = full(Format::Avif, avif(true));

    let after_jfif = 20;
    let segment =
        |marker: u8, payload: &[u8]| [&[0xFF, marker][..], &(payload.len() as u16 + 2).to_be_bytes(), payload].concat();
    let segments = [
        segment(0xE2, &[b"ICC_PROFILE\0\x01\x01", ICC].concat()),
        segment(0xE0, b"JFXX\0\x10SECRET thumbnail"),
        segment(0xED, b"Photoshop 3.0\0SECRET caption"),
        segment(0xE2, b"MPF\0SECRET list of pictures"),
        segment(0xFE, b"SECRET comment"),
    ];
    jpeg.splice(after_jfif..after_jfif, segments.concat());
    jpeg.extend(b"SECRET picture behind the end");

    let after_header = 33;
    png.splice(after_header..after_header, *b"\0\0\0\x0EtEXtTitle\0SECRET x\x12\x34\x56\x78");
    png.extend(b"SECRET behind the end");

    let unknown = b"SECRET in an unknown chunk";
    webp = codec::webp::container::pad(webp, 8 + unknown.len()).unwrap();
    let payload = webp.len() - unknown.len();
    webp[payload..].copy_from_slice(unknown);

    avif.extend(b"\0\0\0\x1AuuidSECRET provenance!");

    let files = [(Format::Jpeg, jpeg), (Format::Png, png), (Format::Webp, webp), (Format::Avif, avif)];
    files.into_iter().map(|(format, file)| Fixture { name: "dirty", format, file }).collect()
}

#[test]
fn every_size_is_reached_with_the_same_pixels() {
    for Fixture { name, format, file } in FIXTURES.iter() {
        let expected = pixels(*format, file);
        let small = 0..=300;
        let large = [65_535, 65_536, 65_537, 65_538, 65_539, 65_540, 65_541, 65_542, 131_074, 131_075, 131_078];
        for extra in small.chain(large) {
            let size = file.len() as u64 + extra;
            let padded = pad(file.clone(), *format, size).unwrap_or_else(|| panic!("{name} {format:?} +{extra}"));
            assert_eq!(padded.len() as u64, size, "{name} {format:?} +{extra}");
            assert_eq!(pixels(*format, &padded), expected, "{name} {format:?} +{extra}");
        }
    }
}

#[test]
fn every_size_is_reached_with_metadata_inside() {
    for Fixture { name, format, file } in FIXTURES.iter() {
        let file = embed(file.clone(), *format, &full_metadata());
        let (expected, tagged) = (pixels(*format, &file), tags(&file));
        for extra in 0..=60 {
            let padded = pad(file.clone(), *format, file.len() as u64 + extra).unwrap();
            assert_eq!(padded.len() as u64, file.len() as u64 + extra, "{name} {format:?} +{extra}");
            assert_eq!(pixels(*format, &padded), expected, "{name} {format:?} +{extra}");
            assert_eq!(tags(&padded), tagged, "{name} {format:?} +{extra}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn large_sizes_are_reached_with_the_same_pixels(which in 0..10_usize, extra in 300..200_000_u64) {
        let Fixture { format, file, .. } = &FIXTURES[which];
        let size = file.len() as u64 + extra;
        let padded = pad(file.clone(), *format, size).unwrap();
        prop_assert_eq!(padded.len() as u64, size);
        prop_assert_eq!(pixels(*format, &padded), pixels(*format, file));
    }
}

/// What our own encoders make of a small picture, coarse and fine, lossy and lossless.
fn our_own_files(format: Format) -> Vec<Vec<u8>> {
    let layout = if format.keeps_alpha() { Layout::Rgba } else { Layout::Rgb };
    let picture = Picture::new(WIDTH, HEIGHT, layout, drawn(layout.bytes_per_pixel()));
    let mut files = Vec::new();
    for coding in LossyCoding::of(format) {
        let encoder = coding.encoder(&picture, Effort::Fast).unwrap();
        let (finest, coarsest) = encoder.ln_step_range().into_inner();
        files.extend([0.3, 0.8].map(|part| encoder.encode(finest + (coarsest - finest) * part).unwrap()));
    }
    if let Some(lossless) = &format.output().unwrap().lossless {
        files.push((lossless.encode)(&picture, Effort::Fast).unwrap());
    }
    files
}

#[test]
fn our_own_files_reach_every_size_and_are_read_back_by_our_own_decoders() {
    let metadata = Metadata { exif: Some(camera_block(1, true)), xmp: Some(XMP.to_vec()), ..Metadata::default() };
    let decoded = |file: &[u8]| codec::decode(file, &Limits::default()).unwrap();
    for format in Format::OUTPUT {
        for file in our_own_files(format) {
            let full = embed(file.clone(), format, &metadata);
            assert_eq!(decoded(&full).metadata, metadata, "{format:?}");
            let expected = decoded(&file).picture;
            for (file, extra) in [&file, &full].into_iter().flat_map(|file| (0..40).map(move |extra| (file, extra))) {
                let padded = pad(file.clone(), format, file.len() as u64 + extra).unwrap();
                assert_eq!(padded.len() as u64, file.len() as u64 + extra);
                assert_eq!(decoded(&padded).picture, expected, "{format:?} +{extra}");
            }
        }
    }
}

#[test]
fn no_file_is_padded_to_less_or_to_absurdly_more() {
    for Fixture { format, file, .. } in FIXTURES.iter() {
        assert_eq!(pad(file.clone(), *format, file.len() as u64 - 1), None);
        assert_eq!(pad(file.clone(), *format, u64::MAX), None);
    }
}

#[test]
fn stripping_drops_all_secrets_and_keeps_pixels_and_profile() {
    for Fixture { format, file, .. } in dirty_files() {
        assert!(holds(&file, b"SECRET") && !tags(&file).is_empty(), "{format:?}");
        let stripped = strip(&file, format, MetadataPolicy::Strip).unwrap();
        assert!(!holds(&stripped, b"SECRET"), "{format:?}");
        assert_eq!(pixels(format, &stripped), pixels(format, &file), "{format:?}");
        assert_eq!(icc(format, &stripped), icc(format, &file), "{format:?}");
        assert!(format == Format::Avif || icc(format, &file).as_deref() == Some(ICC), "{format:?}");
        assert!(stripped.len() <= file.len());
    }
}

#[test]
fn stripping_keeps_the_orientation_and_nothing_else() {
    for Fixture { format, file, .. } in dirty_files() {
        let stripped = strip(&file, format, MetadataPolicy::Strip).unwrap();
        let found = Reader::new().read_from_container(&mut Cursor::new(&stripped)).unwrap();
        // An AVIF is turned by its own property (irot), never by EXIF.
        let expected = if format == Format::Avif { 1 } else { 6 };
        let values = found.fields().map(|field| (field.tag, field.value.get_uint(0))).collect::<Vec<_>>();
        assert_eq!(values, [(Tag::Orientation, Some(expected))], "{format:?}");
    }
}

#[test]
fn the_copyright_policy_keeps_author_and_rights() {
    for Fixture { format, file, .. } in dirty_files() {
        let stripped = strip(&file, format, MetadataPolicy::Copyright).unwrap();
        assert!(!holds(&stripped, b"SECRET"), "{format:?}");
        let mut expected = vec![Tag::Orientation, Tag::Artist, Tag::Copyright];
        if format == Format::Avif {
            expected.remove(0);
        }
        assert_eq!(tags(&stripped), expected, "{format:?}");
        assert!(holds(&stripped, b"Ada, all rights reserved"), "{format:?}");
    }
}

#[test]
fn a_file_without_metadata_strips_to_itself() {
    for Fixture { name, format, file } in FIXTURES.iter() {
        assert_eq!(strip(file, *format, MetadataPolicy::Strip).as_ref(), Some(file), "{name} {format:?}");
    }
}

#[test]
fn the_keep_policy_keeps_what_belongs_to_the_picture_and_nothing_behind_its_end() {
    for Fixture { format, file, .. } in dirty_files() {
        let kept = strip(&file, format, MetadataPolicy::Keep).unwrap();
        assert_eq!(tags(&kept), tags(&file), "{format:?}");
        assert!(holds(&kept, b"SECRET packet") && holds(&kept, b"SECRET camera"), "{format:?}");
        assert!(!holds(&kept, b"behind the end") && !holds(&kept, b"SECRET list of pictures"), "{format:?}");
        assert_eq!(pixels(format, &kept), pixels(format, &file), "{format:?}");
        assert_eq!(icc(format, &kept), icc(format, &file), "{format:?}");
        assert_eq!(strip(&kept, format, MetadataPolicy::Keep), Some(kept), "{format:?}");
    }
}

#[test]
fn what_follows_the_end_of_a_file_is_dropped_under_every_policy() {
    for Fixture { name, format, file } in FIXTURES.iter().filter(|fixture| fixture.format != Format::Avif) {
        let video = [&file[..], b"\0\0\0\x18ftypmp42 a video"].concat();
        for policy in [MetadataPolicy::Strip, MetadataPolicy::Copyright, MetadataPolicy::Keep] {
            assert_eq!(strip(&video, *format, policy).as_ref(), Some(file), "{name} {format:?} {policy:?}");
        }
    }
}

#[test]
fn an_avif_with_bytes_behind_its_boxes_is_not_sound() {
    let fixture = FIXTURES.iter().find(|fixture| fixture.format == Format::Avif).unwrap();
    assert!(is_sound(&fixture.file, Format::Avif));
    assert!(!is_sound(&[&fixture.file[..], b"behind"].concat(), Format::Avif));
}

#[test]
fn what_encoders_write_is_sound_and_a_part_of_it_is_not() {
    let ours =
        Format::OUTPUT.into_iter().flat_map(|format| our_own_files(format).into_iter().map(move |file| (format, file)));
    let others = FIXTURES.iter().map(|fixture| (fixture.format, fixture.file.clone()));
    for (format, file) in ours.chain(others) {
        assert!(is_sound(&file, format), "{format:?}");
        assert!((0..file.len()).step_by(7).all(|length| !is_sound(&file[..length], format)), "{format:?}");
    }
}

#[test]
fn formats_that_are_only_read_are_not_rewritten() {
    for format in [Format::Gif, Format::Bmp, Format::Tiff, Format::Ico] {
        assert_eq!(strip(b"GIF89a", format, MetadataPolicy::Keep), None);
        assert_eq!(pad(b"GIF89a".to_vec(), format, 7), None);
    }
}

#[test]
fn what_is_embedded_is_read_back() {
    for Fixture { name, format, file } in FIXTURES.iter() {
        let full = embed(file.clone(), *format, &full_metadata());
        let found = Reader::new().read_from_container(&mut Cursor::new(&full)).unwrap();
        assert_eq!(found.buf(), camera_block(6, false), "{name} {format:?}");
        assert!(holds(&full, XMP), "{name} {format:?}");
        assert_eq!(pixels(*format, &full), pixels(*format, file), "{name} {format:?}");
        let one =
            embed(file.clone(), *format, &Metadata { exif: None, xmp: Some(XMP.to_vec()), ..Metadata::default() });
        assert!(holds(&one, XMP) && tags(&one).is_empty(), "{name} {format:?}");
        assert_eq!(embed(file.clone(), *format, &Metadata::default()), *file, "{name} {format:?}");
    }
}

#[test]
fn a_truncated_file_is_no_danger() {
    for Fixture { format, file, .. } in dirty_files().iter().chain(FIXTURES.iter()) {
        for length in 0..file.len() {
            let cut = &file[..length];
            strip(cut, *format, MetadataPolicy::Copyright);
            embed(cut.to_vec(), *format, &full_metadata());
            pad(cut.to_vec(), *format, length as u64 + 5);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn a_hostile_file_is_no_danger(
        which in 0..4_usize,
        patches in proptest::collection::vec((0..600_usize, prop_oneof![any::<u8>(), Just(0), Just(1), Just(255)]), 1..8),
    ) {
        static DIRTY: LazyLock<Vec<Fixture>> = LazyLock::new(dirty_files);
        let Fixture { format, file, .. } = &DIRTY[which];
        let mut hostile = file.clone();
        for (at, value) in patches {
            let at = at % hostile.len();
            hostile[at] = value;
        }
        strip(&hostile, *format, MetadataPolicy::Strip);
        strip(&hostile, *format, MetadataPolicy::Copyright);
        embed(hostile.clone(), *format, &full_metadata());
        pad(hostile, *format, file.len() as u64 + 3);
    }
}

/// Files that tell of rights in every place that the format has for them, EXIF aside.
fn files_with_rights() -> Vec<Fixture> {
    let xmp = Metadata { exif: None, xmp: Some(codec::xmp::tests::PACKET.into()), ..Metadata::default() };
    let mut captioned = jpeg(false);
    let resources = [b"Photoshop 3.0\0".to_vec(), codec::rights::iptc::tests::resources()].concat();
    let segment = [&[0xFF, 0xED][..], &(resources.len() as u16 + 2).to_be_bytes(), &resources].concat();
    captioned.splice(20..20, segment);
    let mut described = png::Info::with_size(WIDTH, HEIGHT);
    described.color_type = png::ColorType::Rgb;
    described.bit_depth = png::BitDepth::Eight;
    let mut text = Vec::new();
    let mut encoder = png::Encoder::with_info(&mut text, described).unwrap();
    encoder.add_text_chunk("Author".to_owned(), "Ada".to_owned()).unwrap();
    encoder.add_ztxt_chunk("Copyright".to_owned(), "© Ada".to_owned()).unwrap();
    encoder.add_text_chunk("Comment".to_owned(), "SECRET comment".to_owned()).unwrap();
    encoder.write_header().unwrap().write_image_data(&drawn(3)).unwrap();
    let mut files = vec![
        Fixture { name: "IPTC", format: Format::Jpeg, file: captioned },
        Fixture { name: "texts", format: Format::Png, file: text },
    ];
    let plain = [
        (Format::Jpeg, jpeg(true)),
        (Format::Png, png(png::ColorType::Rgb, None)),
        (Format::Webp, lossy_webp(false)),
        (Format::Avif, avif(false)),
    ];
    let tagged = plain.map(|(format, file)| Fixture { name: "XMP", format, file: embed(file, format, &xmp) });
    files.extend(tagged);
    files
}

#[test]
fn the_copyright_policy_keeps_rights_from_xmp_iptc_and_texts() {
    for Fixture { name, format, file } in files_with_rights() {
        let stripped = strip(&file, format, MetadataPolicy::Copyright).unwrap();
        assert!(!holds(&stripped, b"SECRET") && holds(&file, b"SECRET"), "{name} {format:?}");
        let found = codec::decode(&stripped, &Limits::default()).unwrap().metadata;
        let rights = codec::xmp::rights(found.xmp.as_deref().unwrap());
        assert_eq!(rights.values(Right::Creator)[0], "Ada", "{name} {format:?}");
        assert!(!rights.values(Right::Notice).is_empty(), "{name} {format:?}");
        if format != Format::Avif {
            assert_eq!(tags(&stripped), [Tag::Artist, Tag::Copyright], "{name} {format:?}");
        }
        assert_eq!(strip(&stripped, format, MetadataPolicy::Copyright), Some(stripped), "{name} {format:?}");
        let stripped = strip(&file, format, MetadataPolicy::Strip).unwrap();
        assert!(!holds(&stripped, b"Ada"), "{name} {format:?}");
    }
}

#[test]
fn an_avif_without_room_for_the_rights_is_not_stripped() {
    let short = "<rdf:RDF><rdf:Description dc:creator='Ada'/></rdf:RDF>";
    let file =
        embed(avif(false), Format::Avif, &Metadata { exif: None, xmp: Some(short.into()), ..Metadata::default() });
    assert_eq!(strip(&file, Format::Avif, MetadataPolicy::Copyright), None);
    assert!(strip(&file, Format::Avif, MetadataPolicy::Strip).is_some());
}

#[test]
fn a_kept_orientation_is_the_same_in_exif_and_xmp() {
    for Fixture { format, file, .. } in FIXTURES.iter().filter(|fixture| fixture.format != Format::Avif) {
        let contradictory = Metadata {
            exif: Some(camera_block(3, true)),
            xmp: Some(codec::xmp::tests::PACKET.into()),
            ..Metadata::default()
        };
        let kept = strip(&embed(file.clone(), *format, &contradictory), *format, MetadataPolicy::Keep).unwrap();
        let found = codec::decode(&kept, &Limits::default()).unwrap();
        assert_eq!(found.metadata.exif, contradictory.exif, "{format:?}");
        assert!(holds(&kept, b"tiff:Orientation=\"3\""), "{format:?}");
    }
}
