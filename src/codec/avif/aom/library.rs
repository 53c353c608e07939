//! libaom, as far as a still picture needs it: planes in, an AV1 frame out. C sees only samples that we made.
#![expect(unsafe_code, reason = "libaom is a C library")]

use std::ffi::{CStr, c_int, c_uint};
use std::ptr;

use libaom_sys as sys;

use super::super::quantiser;
use super::planes::Planes;
use super::tuning::Options;

/// How a picture is encoded.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    /// The quantiser index, 1 to 255.
    pub index: u8,
    /// Whether libaom takes the picture for screen content.
    pub screen: bool,
    pub options: Options,
}

/// The version of the libaom that is linked: major, minor and patch, a byte each.
pub(super) fn version() -> u32 {
    // SAFETY: takes nothing and returns a constant of the library.
    unsafe { sys::aom_codec_version() as u32 }
}

/// The AV1 frame of `planes`, on this thread, and the quantiser index that it has.
///
/// # Errors
/// What libaom says.
pub(super) fn encode(planes: &Planes, settings: &Settings) -> Result<(Vec<u8>, u8), String> {
    let mut context = Context::open(planes, settings)?;
    for (name, value) in &settings.options {
        context.set(name, value)?;
    }
    for (control, value) in [
        (sys::AV1E_SET_COLOR_RANGE, FULL_RANGE),
        (sys::AV1E_SET_COLOR_PRIMARIES, sys::AOM_CICP_CP_BT_709 as c_int),
        (sys::AV1E_SET_TRANSFER_CHARACTERISTICS, sys::AOM_CICP_TC_SRGB as c_int),
        (sys::AV1E_SET_MATRIX_COEFFICIENTS, sys::AOM_CICP_MC_BT_601 as c_int),
    ] {
        context.control(control, value)?;
    }
    if settings.screen {
        context.control(sys::AV1E_SET_TUNE_CONTENT, sys::AOM_CONTENT_SCREEN as c_int)?;
    }
    let frame = context.encode(planes)?;
    Ok((frame, context.last_index()?))
}

/// `AOM_CR_FULL_RANGE`.
const FULL_RANGE: c_int = 1;

/// An open encoder, closed on drop.
struct Context(Box<sys::aom_codec_ctx>);

impl Context {
    fn open(planes: &Planes, settings: &Settings) -> Result<Context, String> {
        // SAFETY: both structs are plain data, for which zero is a value; libaom fills in the configuration, and the
        // context where it opens. The interface is a constant of the library.
        unsafe {
            let interface = sys::aom_codec_av1_cx();
            let mut configuration: sys::aom_codec_enc_cfg = std::mem::zeroed();
            check(sys::aom_codec_enc_config_default(interface, &mut configuration, sys::AOM_USAGE_ALL_INTRA))?;
            configure(&mut configuration, planes, settings);
            let mut context: Box<sys::aom_codec_ctx> = Box::new(std::mem::zeroed());
            let version = sys::AOM_ENCODER_ABI_VERSION as c_int;
            check(sys::aom_codec_enc_init_ver(&mut *context, interface, &configuration, 0, version))?;
            Ok(Context(context))
        }
    }

    fn set(&mut self, name: &CStr, value: &CStr) -> Result<(), String> {
        // SAFETY: the context is open, both strings end in a zero; libaom keeps neither.
        check(unsafe { sys::aom_codec_set_option(&mut *self.0, name.as_ptr(), value.as_ptr()) })
            .map_err(|error| format!("{}={}: {error}", name.to_string_lossy(), value.to_string_lossy()))
    }

    /// Sets a control that takes an int.
    fn control(&mut self, control: c_uint, value: c_int) -> Result<(), String> {
        // SAFETY: the context is open; every control that is asked for takes an int.
        check(unsafe { sys::aom_codec_control(&mut *self.0, control as c_int, value) })
    }

    fn encode(&mut self, planes: &Planes) -> Result<Vec<u8>, String> {
        let image = image(planes);
        // SAFETY: the context is open; libaom copies the samples, which the image points at, before it returns.
        check(unsafe { sys::aom_codec_encode(&mut *self.0, &image, 0, 1, 0) })?;
        let mut frame = self.packets();
        // SAFETY: no image means that there are no more.
        check(unsafe { sys::aom_codec_encode(&mut *self.0, ptr::null(), 0, 1, 0) })?;
        frame.extend(self.packets());
        if frame.is_empty() { Err("no frame came out".to_owned()) } else { Ok(frame) }
    }

    /// The bytes that are ready.
    fn packets(&mut self) -> Vec<u8> {
        let (mut bytes, mut position) = (Vec::new(), ptr::null());
        // SAFETY: the context is open; a packet stays until the next call for one, and its kind says which member of
        // the union it has.
        unsafe {
            while let Some(packet) = sys::aom_codec_get_cx_data(&mut *self.0, &mut position).as_ref() {
                if packet.kind == sys::AOM_CODEC_CX_FRAME_PKT {
                    let frame = packet.data.frame;
                    bytes.extend_from_slice(std::slice::from_raw_parts(frame.buf.cast::<u8>(), frame.sz));
                }
            }
        }
        bytes
    }

    /// The quantiser index of the last frame.
    fn last_index(&mut self) -> Result<u8, String> {
        let mut index: c_int = 0;
        // SAFETY: the context is open; this control writes an int.
        check(unsafe { sys::aom_codec_control(&mut *self.0, sys::AOME_GET_LAST_QUANTIZER as c_int, &raw mut index) })?;
        Ok(index as u8)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: opened in `open`, closed once.
        unsafe { sys::aom_codec_destroy(&mut *self.0) };
    }
}

/// # Errors
/// libaom's message for anything but success.
fn check(code: sys::aom_codec_err_t) -> Result<(), String> {
    if code == sys::AOM_CODEC_OK {
        return Ok(());
    }
    // SAFETY: libaom has a constant string for every code.
    Err(unsafe { CStr::from_ptr(sys::aom_codec_err_to_string(code)) }.to_string_lossy().into_owned())
}

fn configure(configuration: &mut sys::aom_codec_enc_cfg, planes: &Planes, settings: &Settings) {
    configuration.g_w = planes.width;
    configuration.g_h = planes.height;
    // A still picture.
    configuration.g_limit = 1;
    configuration.g_lag_in_frames = 0;
    // Jobs run in parallel, not their encoders.
    configuration.g_threads = 1;
    configuration.g_profile = c_uint::from(planes.is_full());
    configuration.monochrome = c_uint::from(planes.is_grey());
    // A constant quantiser is asked for in 64 levels, four indexes apart. Constant bit rate takes any index between two
    // levels: the one at which its own model of a key frame, the same for every picture, meets the bits that the first
    // frame may have.
    configuration.rc_end_usage = sys::AOM_CBR;
    configuration.rc_min_quantizer = level_below(settings.index);
    configuration.rc_max_quantizer = level_above(settings.index);
    // The first frame may have half of what the buffer holds at its start, in milliseconds of the bit rate.
    let bits = key_frame_bits(planes, settings);
    let milliseconds = (bits / f64::from(MAX_KILOBITS)).ceil().max(1.0);
    configuration.rc_buf_initial_sz = 2 * milliseconds as c_uint;
    configuration.rc_target_bitrate = (bits / milliseconds).round().max(1.0) as c_uint;
}

/// The highest bit rate that libaom takes, in kilobits a second.
const MAX_KILOBITS: c_uint = 2_000_000;

/// The index of each of libaom's levels (`quantizer_to_qindex` in av1/encoder/av1_quantize.c).
fn index_of_level(level: u32) -> u32 {
    match level {
        62 => 249,
        63 => 255,
        _ => level * 4,
    }
}

fn level_below(index: u8) -> u32 {
    (0..64).rev().find(|level| index_of_level(*level) <= u32::from(index)).unwrap_or(0)
}

fn level_above(index: u8) -> u32 {
    (0..64).find(|level| index_of_level(*level) >= u32::from(index)).unwrap_or(63)
}

/// The bits that libaom's model gives a key frame at the quantiser index (`av1_rc_bits_per_mb` and its callers in
/// av1/encoder/ratectrl.c): a constant over the quantiser step, for each block of 16x16 pixels.
fn key_frame_bits(planes: &Planes, settings: &Settings) -> f64 {
    // `get_bpmb_enumerator` by the initial correction factor, as bits in units of 1 / 512.
    let enumerator = if settings.screen { 1.0e6 } else { 2.0e6 };
    let blocks = f64::from(planes.width.div_ceil(16)) * f64::from(planes.height.div_ceil(16));
    // libaom's q is a fourth of the quantiser step as we have it, in eighths of a sample's level.
    let q = 2.0 * quantiser::ln_step(settings.index).exp();
    blocks * enumerator / q / 512.0
}

/// libaom's view of `planes`; valid as long as they are.
fn image(planes: &Planes) -> sys::aom_image {
    let format = if planes.is_full() { sys::AOM_IMG_FMT_I444 } else { sys::AOM_IMG_FMT_I420 };
    // SAFETY: the struct is plain data, for which zero is a value; libaom fills it in and never writes through the
    // pointers that it is given here.
    let mut image: sys::aom_image = unsafe { std::mem::zeroed() };
    // SAFETY: as above; alignment 1 takes any buffer, and the pointer is only noted.
    unsafe { sys::aom_img_wrap(&mut image, format, planes.width, planes.height, 1, planes.y.as_ptr().cast_mut()) };
    image.planes = [&planes.y, &planes.cb, &planes.cr].map(|plane| plane.as_ptr().cast_mut());
    let chroma_width = planes.chroma_width() as c_int;
    image.stride = [planes.width as c_int, chroma_width, chroma_width];
    image.monochrome = c_int::from(planes.is_grey());
    image.range = FULL_RANGE as c_uint;
    image
}
