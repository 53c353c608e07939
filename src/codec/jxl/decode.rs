//! Decodes JPEG XL with jxl-rs: a still picture, or an animation's first frame.
//!
//! The head of the codestream is read and compared with the limits before the decoder gets any bytes.

use jxl::api::{
    AlphaMode, Endianness, Event, JxlColorEncoding, JxlColorProfile, JxlColorType, JxlDataFormat, JxlDecoder,
    JxlDecoderOptions, JxlOutputBuffer, JxlPixelFormat, JxlPrimaries, JxlTransferFunction, JxlWhitePoint, ProfileLevel,
};
use jxl::image::Image;

use super::container;
use super::header::Header;
use crate::codec::colour::{Channels, Converter, Sample, Space};
use crate::codec::rights::Rights;
use crate::codec::{DecodeError, Decoded, Format, Limits, Metadata, Probe, keep_metadata, undecodable, unsupported};
use crate::picture::Picture;

/// Bytes of a codestream in which its head has to end. It may have hundreds of named channels.
const HEAD_BYTES: usize = 64 << 10;
/// Samples that hidden frames may have besides those of the picture.
const HIDDEN_SAMPLES: usize = 4 << 20;

/// Reads the head of a JPEG XL file.
///
/// # Errors
/// [`DecodeError::Undecodable`] for a damaged head, [`DecodeError::Unsupported`] for CMYK, [`DecodeError::TooManyPixels`]
/// when a limit is exceeded.
pub(super) fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe, DecodeError> {
    let header = read_header(bytes, limits)?;
    Ok(Probe {
        format: Format::Jxl,
        width: header.width,
        height: header.height,
        animated: header.animated,
        alpha: header.alpha,
        orientation: header.orientation,
        decode_bytes: decode_bytes(&header),
    })
}

/// Decodes the first frame of a JPEG XL file.
///
/// # Errors
/// The same as [`probe`], and [`DecodeError::Undecodable`] for damaged or missing data.
pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, DecodeError> {
    let header = read_header(bytes, limits)?;
    let (picture, as_stored) = match header.bits {
        ..=8 => read_picture::<u8>(bytes, &header, limits)?,
        _ => read_picture::<u16>(bytes, &header, limits)?,
    };
    let found = container::metadata(bytes, limits.max_metadata_bytes);
    Ok(Decoded {
        picture,
        orientation: header.orientation,
        metadata: Metadata {
            exif: keep_metadata(found.exif.as_deref(), limits),
            xmp: keep_metadata(found.xmp.as_deref(), limits),
            density: None,
        },
        rights: Rights::default(),
        as_stored,
        damaged: false,
    })
}

/// Whether every frame of the file is there up to its end, and nothing follows a bare codestream. No pixel is decoded.
pub(super) fn is_whole(file: &[u8]) -> bool {
    let mut options = options(None);
    options.scan_frames_only = true;
    let mut decoder = JxlDecoder::new(options);
    let mut input = file;
    loop {
        match decoder.process(&mut input, None, None) {
            Ok(Event::Complete) => {
                let is_bare = file.starts_with(super::header::SIGNATURE);
                return !is_bare || decoder.file_length() == Some(file.len() as u64);
            }
            Ok(Event::NeedMoreInput { .. }) | Err(_) => return false,
            Ok(Event::BasicInfo | Event::FrameHeader | Event::FrameComplete { .. }) => {}
        }
    }
}

fn refused(reason: impl Into<String>) -> DecodeError {
    undecodable(Format::Jxl, reason)
}

fn read_header(bytes: &[u8], limits: &Limits) -> Result<Header, DecodeError> {
    let head = container::codestream_head(bytes, HEAD_BYTES);
    let header = Header::read(&head).ok_or_else(|| refused("its codestream has no valid head"))?;
    limits.check_size(Format::Jxl, header.width, header.height)?;
    if header.is_cmyk {
        return Err(unsupported("JPEG XL in CMYK"));
    }
    Ok(header)
}

/// Returns the bytes that a decode needs: the picture, the samples that it is made of, and what the decoder holds.
/// Files of libjxl, lossy and lossless, took at most 4 bytes for each sample; frames that others are laid on take 4
/// more each.
fn decode_bytes(header: &Header) -> u64 {
    let pixels = u64::from(header.width) * u64::from(header.height);
    let samples = 3 + u64::from(header.extra_channels);
    let sample_bytes = if header.bits > 8 { 2 } else { 1 };
    pixels * (4 + samples * (sample_bytes + 8)) + (16 << 20)
}

fn options(max_samples: Option<usize>) -> JxlDecoderOptions {
    let mut options = JxlDecoderOptions::default();
    options.adjust_orientation = false;
    options.alpha_mode = AlphaMode::Unpremultiplied;
    options.max_profile_level = ProfileLevel::Main10;
    options.sample_limit = max_samples;
    options
}

/// A sample as the decoder writes it.
trait Written: Sample + jxl::image::ImageDataType {
    const FORMAT: JxlDataFormat;
}

impl Written for u8 {
    const FORMAT: JxlDataFormat = JxlDataFormat::U8 { bit_depth: 8 };
}

impl Written for u16 {
    const FORMAT: JxlDataFormat = JxlDataFormat::U16 {
        endianness: if cfg!(target_endian = "big") { Endianness::BigEndian } else { Endianness::LittleEndian },
        bit_depth: 16,
    };
}

/// Returns the picture in sRGB, and whether it was stored in sRGB.
fn read_picture<S: Written>(bytes: &[u8], header: &Header, limits: &Limits) -> Result<(Picture, bool), DecodeError> {
    let samples = header.width as usize * header.height as usize * (3 + header.extra_channels as usize);
    let mut decoder = JxlDecoder::new(options(Some(samples.saturating_mul(2).saturating_add(HIDDEN_SAMPLES))));
    let mut input = bytes;
    advance(&mut decoder, &mut input, None, |event| *event == Event::BasicInfo)?;
    let info = decoder.basic_info().ok_or_else(|| refused("its head is cut"))?;
    let (width, height) = (header.width as usize, header.height as usize);
    if info.size != (width, height) || info.extra_channels.len() != header.extra_channels as usize {
        return Err(refused("its headers contradict each other"));
    }
    let is_grey = decoder.embedded_color_profile().is_some_and(|profile| profile.channels() == 1);
    let channels = channels(is_grey, header.alpha);
    let format = JxlPixelFormat {
        color_type: colour_type(channels),
        color_data_format: Some(S::FORMAT),
        extra_channel_format: vec![None; header.extra_channels as usize],
    };
    decoder.set_pixel_format(format).map_err(damaged)?;
    let has_own_colours = decoder.embedded_color_profile() == decoder.output_color_profile();
    let profile = decoder.output_color_profile().cloned();

    let mut rows = Image::<S>::new((width * channels.count(), height)).map_err(damaged)?;
    let area = jxl::image::Rect { origin: (0, 0), size: (width * channels.count(), height) };
    let mut buffers = [JxlOutputBuffer::from_image_rect_mut(rows.get_rect_mut(area).into_raw())];
    advance(&mut decoder, &mut input, Some(&mut buffers), |event| matches!(event, Event::FrameComplete { .. }))?;

    let icc = profile.as_ref().and_then(|profile| icc_of(profile, limits));
    let space = icc.as_deref().map_or_else(|| profile.as_ref().map_or(Space::Srgb, space_of), Space::Icc);
    let converter = Converter::new(&space, channels);
    let target_row = width * channels.layout().bytes_per_pixel();
    let mut pixels = vec![0; target_row * height];
    for (y, target) in pixels.chunks_exact_mut(target_row).enumerate() {
        converter.convert(rows.row(y), target);
    }
    let picture = Picture::new(header.width, header.height, channels.layout(), pixels);
    Ok((picture, has_own_colours && converter.keeps_colours()))
}

/// Runs the decoder to the event that `is_wanted`.
fn advance(
    decoder: &mut JxlDecoder,
    input: &mut &[u8],
    mut buffers: Option<&mut [JxlOutputBuffer<'_>; 1]>,
    is_wanted: impl Fn(&Event) -> bool,
) -> Result<(), DecodeError> {
    loop {
        let buffers = buffers.as_mut().map(|buffers| &mut buffers[..]);
        match decoder.process(input, buffers, None).map_err(damaged)? {
            event if is_wanted(&event) => return Ok(()),
            Event::NeedMoreInput { .. } => return Err(refused("it ends before the picture is complete")),
            Event::Complete => return Err(refused("it holds no picture")),
            Event::BasicInfo | Event::FrameHeader | Event::FrameComplete { .. } => {}
        }
    }
}

fn damaged(_: jxl::error::Error) -> DecodeError {
    refused("its data is damaged")
}

fn channels(is_grey: bool, has_alpha: bool) -> Channels {
    match (is_grey, has_alpha) {
        (true, true) => Channels::GreyAlpha,
        (true, false) => Channels::Grey,
        (false, true) => Channels::Rgba,
        (false, false) => Channels::Rgb,
    }
}

fn colour_type(channels: Channels) -> JxlColorType {
    match channels {
        Channels::Grey => JxlColorType::Grayscale,
        Channels::GreyAlpha => JxlColorType::GrayscaleAlpha,
        Channels::Rgba => JxlColorType::Rgba,
        Channels::Rgb | Channels::Cmyk => JxlColorType::Rgb,
    }
}

/// Returns the space of a profile that H.273 has code points for. Other profiles become ICC.
fn space_of(profile: &JxlColorProfile) -> Space<'static> {
    code_points(profile).map_or(Space::Srgb, |(primaries, transfer)| Space::Cicp { primaries, transfer })
}

fn code_points(profile: &JxlColorProfile) -> Option<(u8, u8)> {
    let JxlColorProfile::Simple(encoding) = profile else { return None };
    let (white, primaries, transfer) = match encoding {
        JxlColorEncoding::RgbColorSpace { white_point, primaries, transfer_function, .. } => {
            (white_point, Some(primaries), transfer_function)
        }
        JxlColorEncoding::GrayscaleColorSpace { white_point, transfer_function, .. } => {
            (white_point, None, transfer_function)
        }
        JxlColorEncoding::XYB { .. } => return None,
    };
    let primaries = match (white, primaries) {
        (JxlWhitePoint::D65, None | Some(JxlPrimaries::SRGB)) => 1,
        (JxlWhitePoint::D65, Some(JxlPrimaries::BT2100)) => 9,
        (JxlWhitePoint::DCI, Some(JxlPrimaries::P3)) => 11,
        (JxlWhitePoint::D65, Some(JxlPrimaries::P3)) => 12,
        _ => return None,
    };
    let transfer = match transfer {
        JxlTransferFunction::BT709 => 1,
        JxlTransferFunction::Linear => 8,
        JxlTransferFunction::SRGB => 13,
        JxlTransferFunction::PQ => 16,
        JxlTransferFunction::DCI => 17,
        JxlTransferFunction::HLG => 18,
        JxlTransferFunction::Gamma(_) => return None,
    };
    Some((primaries, transfer))
}

/// Returns the ICC profile of a picture whose colours have no code points.
fn icc_of(profile: &JxlColorProfile, limits: &Limits) -> Option<Vec<u8>> {
    if code_points(profile).is_some() {
        return None;
    }
    profile.try_as_icc().map(|icc| icc.into_owned()).filter(|icc| icc.len() <= limits.max_metadata_bytes)
}
