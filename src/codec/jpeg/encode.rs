//! JPEG by mozjpeg, with quantiser tables of our own. The only unsafe code of the room; C sees only pixels
//! that we made.

use std::any::Any;
use std::cell::OnceCell;
use std::ops::RangeInclusive;
use std::os::raw::{c_int, c_uint, c_ulong};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use mozjpeg_sys::{self as sys, J_BOOLEAN_PARAM, J_COLOR_SPACE, J_FLOAT_PARAM, J_INT_PARAM, jpeg_scan_info};

use super::quantiser::{self, TABLES, Tables};
use super::scans;
use super::size_model::{self, Sample};
use crate::codec::{Effort, EncodeError, Encoder, Format};
use crate::picture::{Chroma, Layout, Picture};

/// Largest side (T.81 B.2.2 allows 65,535; libjpeg stops at JPEG_MAX_DIMENSION).
pub const MAX_SIDE: u32 = 65_500;

/// What errors weigh against bytes in mozjpeg's trellis (its lambda_log_scale1, 14.75 by default), and how much more for
/// each unit of ln(step) below 0: 0.07 points of SSIMULACRA2 at 1.5 bits a pixel; above 0 it gains nothing.
const LAMBDA: (f64, f64) = (14.75, -0.3);

/// A picture ready to be written as JPEG at any quantiser step.
pub struct JpegEncoder<'a> {
    picture: &'a Picture,
    /// Grey pictures carry one component: red, green and blue are the same.
    grey: Option<Vec<u8>>,
    chroma: Chroma,
    effort: Effort,
    tables: &'a Tables,
    scans: &'static [jpeg_scan_info],
    sample: OnceCell<Sample>,
}

impl<'a> JpegEncoder<'a> {
    /// Prepares `picture`, which has no alpha channel.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`] over [`MAX_SIDE`].
    ///
    /// # Panics
    /// When the picture has an alpha channel: the caller flattens first.
    pub fn new(picture: &'a Picture, chroma: Chroma, effort: Effort) -> Result<JpegEncoder<'a>, EncodeError> {
        assert_eq!(picture.layout(), Layout::Rgb, "JPEG has no alpha channel");
        Format::Jpeg.check_size(picture, MAX_SIDE)?;
        let grey: Option<Vec<u8>> = picture.is_grey().then(|| picture.pixels().iter().step_by(3).copied().collect());
        let scans = scans::of(picture.pixel_count(), grey.is_some());
        Ok(JpegEncoder { picture, grey, chroma, effort, tables: &TABLES, scans, sample: OnceCell::new() })
    }

    /// The same with other quantiser tables. Sizes are foretold of [`TABLES`] all the same.
    pub fn with_tables(self, tables: &'a Tables) -> JpegEncoder<'a> {
        JpegEncoder { tables, ..self }
    }
}

impl Encoder for JpegEncoder<'_> {
    fn ln_step_range(&self) -> RangeInclusive<f64> {
        quantiser::LN_STEP_RANGE
    }

    fn snap(&self, ln_step: f64) -> f64 {
        // A thousandth of the scale moves the size by 0.05 %; finer states are not worth an encode.
        (ln_step * 1000.0).round() / 1000.0
    }

    fn predict(&self, ln_step: f64) -> f64 {
        self.sample().ln_bytes(ln_step)
    }

    fn probe(&self, ln_step: f64) -> Result<Option<f64>, EncodeError> {
        let Some(strips) = self.sample().strips(self.picture) else { return Ok(None) };
        let of_strips = JpegEncoder::new(&strips, self.chroma, self.effort)?;
        // As the whole tells its coefficients, so do the strips.
        let scans = scans::of(self.picture.pixel_count(), of_strips.grey.is_some());
        let file = JpegEncoder { scans, ..of_strips }.encode(ln_step)?;
        let control = size_model::control(self.picture, self.chroma);
        Ok(Some(self.sample().scaled_up(&control, ln_step, file.len() as u64)))
    }

    fn encode(&self, ln_step: f64) -> Result<Vec<u8>, EncodeError> {
        let ln_step = self.snap(ln_step);
        // libjpeg reports errors by unwinding (see `throw`).
        catch_unwind(AssertUnwindSafe(|| self.compress(ln_step)))
            .map_err(|cause| EncodeError::Failed { format: Format::Jpeg, reason: message(cause) })
    }
}

impl JpegEncoder<'_> {
    fn sample(&self) -> &Sample {
        self.sample.get_or_init(|| Sample::of(self.picture, self.chroma))
    }

    fn compress(&self, ln_step: f64) -> Vec<u8> {
        let mut session = Session::new();
        session.configure(self, ln_step);
        let (samples, bytes_per_pixel) = match &self.grey {
            Some(grey) => (grey.as_slice(), 1),
            None => (self.picture.pixels(), 3),
        };
        session.write(samples, self.picture.width() as usize * bytes_per_pixel)
    }
}

/// A libjpeg compressor and its output buffer, released on drop, also when libjpeg unwinds.
struct Session {
    compressor: Box<sys::jpeg_compress_struct>,
    // The compressor points at these two.
    _errors: Box<sys::jpeg_error_mgr>,
    output: Box<(*mut u8, c_ulong)>,
}

impl Session {
    fn new() -> Session {
        // SAFETY: libjpeg's structs are plain C data for which all zeros is the documented start; the error
        // manager and the output live in boxes that outlive the compressor and never move.
        unsafe {
            let mut errors: Box<sys::jpeg_error_mgr> = Box::new(std::mem::zeroed());
            sys::jpeg_std_error(&mut errors);
            errors.error_exit = Some(throw);
            errors.emit_message = Some(ignore);
            let mut compressor: Box<sys::jpeg_compress_struct> = Box::new(std::mem::zeroed());
            compressor.common.err = &mut *errors;
            sys::jpeg_create_compress(&mut *compressor);
            let mut session = Session { compressor, _errors: errors, output: Box::new((std::ptr::null_mut(), 0)) };
            sys::jpeg_mem_dest(&mut session.compressor, &mut session.output.0, &mut session.output.1);
            session
        }
    }

    fn configure(&mut self, encoder: &JpegEncoder, ln_step: f64) {
        let compressor = &mut *self.compressor;
        compressor.image_width = encoder.picture.width();
        compressor.image_height = encoder.picture.height();
        compressor.input_components = if encoder.grey.is_some() { 1 } else { 3 };
        compressor.in_color_space =
            if encoder.grey.is_some() { J_COLOR_SPACE::JCS_GRAYSCALE } else { J_COLOR_SPACE::JCS_RGB };
        let tables = encoder.tables.at(ln_step).map(|table| table.map(c_uint::from));
        let profile = if encoder.effort == Effort::Fast { sys::JCP_FASTEST } else { sys::JCP_MAX_COMPRESSION };
        // SAFETY: the compressor was created and its size and colour space are set; libjpeg copies the tables.
        unsafe {
            sys::jpeg_c_set_int_param(compressor, J_INT_PARAM::JINT_COMPRESS_PROFILE, profile as c_int);
            sys::jpeg_set_defaults(compressor);
            for (which, steps) in tables.iter().enumerate() {
                sys::jpeg_add_quant_table(compressor, which as c_int, steps.as_ptr(), 100, 1);
            }
            compressor.optimize_coding = 1;
            let lambda = LAMBDA.0 + LAMBDA.1 * ln_step.min(0.0);
            sys::jpeg_c_set_float_param(compressor, J_FLOAT_PARAM::JFLOAT_LAMBDA_LOG_SCALE1, lambda as f32);
            if encoder.effort != Effort::Best {
                // The search over scan scripts costs 40 % of the encode for under 1 % of the bytes.
                sys::jpeg_c_set_bool_param(compressor, J_BOOLEAN_PARAM::JBOOLEAN_OPTIMIZE_SCANS, 0);
                compressor.num_scans = encoder.scans.len() as c_int;
                compressor.scan_info = if encoder.scans.is_empty() { std::ptr::null() } else { encoder.scans.as_ptr() };
            }
            if encoder.grey.is_none() {
                let factor = if encoder.chroma == Chroma::Full { 1 } else { 2 };
                (*compressor.comp_info).h_samp_factor = factor;
                (*compressor.comp_info).v_samp_factor = factor;
            }
        }
    }

    fn write(&mut self, samples: &[u8], stride: usize) -> Vec<u8> {
        // SAFETY: each row pointer leads to `stride` bytes, as the configured width and components demand;
        // after finishing, the output pointer and length describe the buffer that libjpeg allocated.
        unsafe {
            sys::jpeg_start_compress(&mut self.compressor, 1);
            for band in samples.chunks(stride * 16) {
                let rows: Vec<*const u8> = band.chunks_exact(stride).map(<[u8]>::as_ptr).collect();
                sys::jpeg_write_scanlines(&mut self.compressor, rows.as_ptr(), rows.len() as c_uint);
            }
            sys::jpeg_finish_compress(&mut self.compressor);
            std::slice::from_raw_parts(self.output.0, self.output.1 as usize).to_vec()
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: created in `new`, destroyed once; the buffer comes from libjpeg's malloc, or is null.
        unsafe {
            sys::jpeg_destroy_compress(&mut self.compressor);
            libc::free(self.output.0.cast());
        }
    }
}

/// libjpeg's fatal error: unwinds with the message, past the C frames (compiled with unwind tables by
/// mozjpeg-sys), without calling the panic hook.
unsafe extern "C-unwind" fn throw(common: &mut sys::jpeg_common_struct) {
    // SAFETY: libjpeg calls this with its live error manager.
    let code = unsafe { (*common.err).msg_code };
    resume_unwind(Box::new(format!("libjpeg error {code}")));
}

unsafe extern "C-unwind" fn ignore(_: &mut sys::jpeg_common_struct, _: c_int) {}

fn message(cause: Box<dyn Any + Send>) -> String {
    cause.downcast_ref::<String>().cloned().unwrap_or_else(|| "unknown".to_owned())
}
