//! libwebp, as far as a still picture needs it. C sees only pixels that we made.
#![expect(unsafe_code, reason = "libwebp is a C library")]

use std::os::raw::c_int;

use libwebp_sys as sys;
pub(super) use sys::{WebPAuxStats as AuxStats, WebPConfig as Config};

use crate::codec::{EncodeError, Format};
use crate::picture::chroma::HalvedPlanes;
use crate::picture::{Layout, Picture};

/// libwebp's default settings at `quality`, 0 to 100.
///
/// # Errors
/// [`EncodeError::Failed`] when the library that is linked has another version than its header.
pub(super) fn config(quality: f64) -> Result<Config, EncodeError> {
    Config::new_with_preset(sys::WebPPreset::WEBP_PRESET_DEFAULT, quality as f32)
        .map_err(|()| failed("libwebp of another version"))
}

fn failed(reason: &str) -> EncodeError {
    EncodeError::Failed { format: Format::Webp, reason: reason.to_owned() }
}

/// A libwebp picture, freed on drop.
pub(super) struct Source(Box<sys::WebPPicture>);

// SAFETY: the picture owns its planes, no thread-local state is behind it.
unsafe impl Send for Source {}

impl Source {
    /// A picture whose planes are still to be allocated.
    fn empty(width: u32, height: u32, argb: bool) -> Result<Source, EncodeError> {
        let mut source = Source(Box::new(sys::WebPPicture::new().map_err(|()| failed("libwebp of another version"))?));
        source.0.width = width as c_int;
        source.0.height = height as c_int;
        source.0.use_argb = c_int::from(argb);
        Ok(source)
    }

    /// Copies `picture` into libwebp's planes: ARGB if asked for, else YUV 4:2:0.
    pub(super) fn import(picture: &Picture, argb: bool) -> Result<Source, EncodeError> {
        let mut source = Source::empty(picture.width(), picture.height(), argb)?;
        let stride = picture.width() as usize * picture.layout().bytes_per_pixel();
        let pixels = picture.pixels().as_ptr();
        // SAFETY: the picture is initialised, `pixels` holds `height` rows of `stride` bytes.
        let imported = unsafe {
            match picture.layout() {
                Layout::Rgb => sys::WebPPictureImportRGB(&mut *source.0, pixels, stride as c_int),
                Layout::Rgba => sys::WebPPictureImportRGBA(&mut *source.0, pixels, stride as c_int),
            }
        };
        if imported == 0 { Err(failed("out of memory")) } else { Ok(source) }
    }

    /// Takes the planes of a picture of this size without alpha.
    pub(super) fn of_planes(planes: &HalvedPlanes) -> Result<Source, EncodeError> {
        let mut source = Source::empty(planes.width, planes.height, false)?;
        // SAFETY: the picture is initialised and has its size.
        if unsafe { sys::WebPPictureAlloc(&mut *source.0) } == 0 {
            return Err(failed("out of memory"));
        }
        let [width, chroma_width] = [planes.width, planes.width.div_ceil(2)].map(|samples| samples as usize);
        let [cb, cr] = &planes.chroma;
        // SAFETY: libwebp has allocated the planes, which nothing else uses: as many rows as are copied, each of the
        // stride.
        unsafe {
            copy_rows(&planes.luma, width, source.0.y, source.0.y_stride);
            copy_rows(cb, chroma_width, source.0.u, source.0.uv_stride);
            copy_rows(cr, chroma_width, source.0.v, source.0.uv_stride);
        }
        Ok(source)
    }

    /// Converts ARGB to YUV by the slower method that keeps sharp edges of colour.
    pub(super) fn convert_to_sharp_yuv(&mut self) -> Result<(), EncodeError> {
        // SAFETY: the picture was imported as ARGB.
        let converted = unsafe { sys::WebPPictureSharpARGBToYUVA(&mut *self.0) };
        if converted == 0 { Err(failed("out of memory")) } else { Ok(()) }
    }

    /// The quantiser indices that libwebp gives the picture's segments, from an encode that ends as soon as they are
    /// known. Returns `None` when it ends earlier.
    pub(super) fn indices(&self, config: &Config) -> Option<[i32; 4]> {
        // SAFETY: as for `encode`; what is written, if anything, goes to the writer of a new picture, which drops it.
        unsafe {
            let mut stats: sys::WebPAuxStats = std::mem::zeroed();
            let mut view: sys::WebPPicture = std::ptr::read(&*self.0);
            view.progress_hook = Some(is_in_analysis);
            view.stats = &raw mut stats;
            sys::WebPEncode(config, &mut view);
            (view.error_code == sys::WebPEncodingError::VP8_ENC_ERROR_USER_ABORT).then_some(stats.segment_quant)
        }
    }

    /// The file, and libwebp's statistics of it.
    pub(super) fn encode(&self, config: &Config) -> Result<(Vec<u8>, AuxStats), EncodeError> {
        // SAFETY: the view shares the planes without owning them and is not freed; libwebp reads them, and
        // where it blanks what lies under full transparency it does so the same way every time. The writer
        // is initialised before use and cleared after its bytes are copied.
        unsafe {
            let mut stats: sys::WebPAuxStats = std::mem::zeroed();
            let mut writer = std::mem::zeroed();
            sys::WebPMemoryWriterInit(&mut writer);
            let mut view: sys::WebPPicture = std::ptr::read(&*self.0);
            view.writer = Some(sys::WebPMemoryWrite);
            view.custom_ptr = (&raw mut writer).cast();
            view.stats = &raw mut stats;
            let encoded = sys::WebPEncode(config, &mut view);
            let file = if encoded == 0 {
                Err(failed(&format!("{:?}", view.error_code)))
            } else {
                Ok(std::slice::from_raw_parts(writer.mem, writer.size).to_vec())
            };
            sys::WebPMemoryWriterClear(&mut writer);
            file.map(|bytes| (bytes, stats))
        }
    }
}

/// # Safety
/// `into` leads to as many rows as `plane` has, each of `stride` bytes and at least `width`.
unsafe fn copy_rows(plane: &[u8], width: usize, into: *mut u8, stride: c_int) {
    for (y, row) in plane.chunks_exact(width).enumerate() {
        // SAFETY: as above.
        unsafe { std::ptr::copy_nonoverlapping(row.as_ptr(), into.add(y * stride as usize), width) };
    }
}

/// Percent of an encode after which libwebp has analysed the picture, and begins to code it.
const ANALYSED: c_int = 20;

unsafe extern "C" fn is_in_analysis(percent: c_int, _: *const sys::WebPPicture) -> c_int {
    c_int::from(percent <= ANALYSED)
}

impl Drop for Source {
    fn drop(&mut self) {
        // SAFETY: initialised before a `Source` is made of it, freed once.
        unsafe { sys::WebPPictureFree(&mut *self.0) }
    }
}
