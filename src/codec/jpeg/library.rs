//! mozjpeg, as far as a still picture needs it. C sees only pixels that we made.
#![expect(unsafe_code, reason = "mozjpeg is a C library")]

use std::any::Any;
use std::os::raw::{c_int, c_uint, c_ulong};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use mozjpeg_sys::{self as sys, J_BOOLEAN_PARAM, J_COLOR_SPACE, J_FLOAT_PARAM, J_INT_PARAM, jpeg_scan_info};

use crate::picture::chroma::HalvedPlanes;

/// What is encoded, row by row.
#[derive(Clone, Copy)]
pub(super) enum Samples<'a> {
    /// A byte of luma for each pixel.
    Grey(&'a [u8]),
    /// Red, green and blue of each pixel, of which all chroma is kept.
    Rgb(&'a [u8]),
    /// Luma of each pixel, and chroma at half the samples.
    Halved(&'a HalvedPlanes),
}

impl Samples<'_> {
    fn components(self) -> c_int {
        if matches!(self, Samples::Grey(_)) { 1 } else { 3 }
    }

    fn colour_space(self) -> J_COLOR_SPACE {
        match self {
            Samples::Grey(_) => J_COLOR_SPACE::JCS_GRAYSCALE,
            Samples::Rgb(_) => J_COLOR_SPACE::JCS_RGB,
            Samples::Halved(_) => J_COLOR_SPACE::JCS_YCbCr,
        }
    }
}

/// How a picture is encoded.
pub(super) struct Settings {
    pub width: u32,
    pub height: u32,
    /// Quantiser steps of luma and of chroma, natural order.
    pub tables: [[u16; 64]; 2],
    /// What errors weigh against bytes in trellis; `None` leaves it out.
    pub lambda: Option<f32>,
    /// The scans, none for a baseline file; `None` lets mozjpeg search for the best.
    pub scans: Option<&'static [jpeg_scan_info]>,
}

/// The file of `samples`, which hold a picture of the size in `settings`.
///
/// # Errors
/// The number of libjpeg's error.
pub(super) fn encode(samples: Samples<'_>, settings: &Settings) -> Result<Vec<u8>, String> {
    // libjpeg reports errors by unwinding (see `throw`).
    catch_unwind(AssertUnwindSafe(|| {
        let mut session = Session::new();
        session.configure(samples, settings);
        session.write(samples)
    }))
    .map_err(message)
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

    fn configure(&mut self, samples: Samples<'_>, settings: &Settings) {
        let compressor = &mut *self.compressor;
        compressor.image_width = settings.width;
        compressor.image_height = settings.height;
        compressor.input_components = samples.components();
        compressor.in_color_space = samples.colour_space();
        let tables = settings.tables.map(|table| table.map(c_uint::from));
        let profile = if settings.lambda.is_some() { sys::JCP_MAX_COMPRESSION } else { sys::JCP_FASTEST };
        // SAFETY: the compressor was created and its size and colour space are set; libjpeg copies the tables.
        unsafe {
            sys::jpeg_c_set_int_param(compressor, J_INT_PARAM::JINT_COMPRESS_PROFILE, profile as c_int);
            sys::jpeg_set_defaults(compressor);
            for (which, steps) in tables.iter().enumerate() {
                sys::jpeg_add_quant_table(compressor, which as c_int, steps.as_ptr(), 100, 1);
            }
            compressor.optimize_coding = 1;
            if let Some(lambda) = settings.lambda {
                sys::jpeg_c_set_float_param(compressor, J_FLOAT_PARAM::JFLOAT_LAMBDA_LOG_SCALE1, lambda);
            }
            if let Some(scans) = settings.scans {
                sys::jpeg_c_set_bool_param(compressor, J_BOOLEAN_PARAM::JBOOLEAN_OPTIMIZE_SCANS, 0);
                compressor.num_scans = scans.len() as c_int;
                compressor.scan_info = if scans.is_empty() { std::ptr::null() } else { scans.as_ptr() };
            }
            let factor = if matches!(samples, Samples::Halved(_)) { 2 } else { 1 };
            (*compressor.comp_info).h_samp_factor = factor;
            (*compressor.comp_info).v_samp_factor = factor;
            compressor.raw_data_in = c_int::from(matches!(samples, Samples::Halved(_)));
        }
    }

    fn write(&mut self, samples: Samples<'_>) -> Vec<u8> {
        // SAFETY: the compressor is configured for these samples; after finishing, the output pointer and length
        // describe the buffer that libjpeg allocated.
        unsafe {
            sys::jpeg_start_compress(&mut self.compressor, 1);
            match samples {
                Samples::Grey(pixels) | Samples::Rgb(pixels) => self.write_rows(pixels),
                Samples::Halved(planes) => self.write_planes(planes),
            }
            sys::jpeg_finish_compress(&mut self.compressor);
            std::slice::from_raw_parts(self.output.0, self.output.1 as usize).to_vec()
        }
    }

    fn write_rows(&mut self, pixels: &[u8]) {
        let stride = self.compressor.image_width as usize * self.compressor.input_components as usize;
        for band in pixels.chunks(stride * BAND_ROWS) {
            let rows: Vec<*const u8> = band.chunks_exact(stride).map(<[u8]>::as_ptr).collect();
            // SAFETY: each row pointer leads to `stride` bytes, as the configured width and components demand.
            unsafe { sys::jpeg_write_scanlines(&mut self.compressor, rows.as_ptr(), rows.len() as c_uint) };
        }
    }

    fn write_planes(&mut self, planes: &HalvedPlanes) {
        let width = self.compressor.image_width as usize;
        let [luma, cb, cr] = [(&planes.luma, 1), (&planes.chroma[0], 2), (&planes.chroma[1], 2)];
        let mut bands =
            [luma, cb, cr].map(|(plane, factor)| Band::new(plane, width.div_ceil(factor), BAND_ROWS / factor));
        for _ in 0..(self.compressor.image_height as usize).div_ceil(BAND_ROWS) {
            let rows = bands.each_mut().map(Band::next);
            let planes = rows.each_ref().map(|rows| rows.as_ptr());
            // SAFETY: each plane has the rows of one row of macroblocks, each row as many samples as whole macroblocks
            // have; libjpeg reads them before it returns.
            unsafe { sys::jpeg_write_raw_data(&mut self.compressor, planes.as_ptr(), BAND_ROWS as c_uint) };
        }
    }
}

/// Rows that JPEG codes together at 4:2:0.
const BAND_ROWS: usize = 16;

/// The rows of a plane that are coded together, with whole blocks in both directions: the last samples repeat.
struct Band<'a> {
    left: std::slice::Chunks<'a, u8>,
    /// The row that was read last.
    last: &'a [u8],
    padded: Vec<u8>,
    rows: usize,
}

impl<'a> Band<'a> {
    fn new(plane: &'a [u8], width: usize, rows: usize) -> Band<'a> {
        let padded = vec![0; width.next_multiple_of(rows) * rows];
        Band { left: plane.chunks(width), last: &[], padded, rows }
    }

    /// The next rows.
    fn next(&mut self) -> Vec<*const u8> {
        let stride = self.padded.len() / self.rows;
        let mut pointers = Vec::with_capacity(self.rows);
        for row in self.padded.chunks_exact_mut(stride) {
            self.last = self.left.next().unwrap_or(self.last);
            let (samples, beyond) = row.split_at_mut(self.last.len());
            samples.copy_from_slice(self.last);
            beyond.fill(samples[samples.len() - 1]);
            pointers.push(row.as_ptr());
        }
        pointers
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
