//! WebP by libwebp. The only unsafe code of the room; C sees only pixels that we made.

use std::ops::RangeInclusive;
use std::os::raw::c_int;

use libwebp_sys as sys;

use super::quantiser;
use crate::codec::{Effort, EncodeError, Encoder, Format};
use crate::picture::{Layout, Picture};

/// Largest side (RFC 9649: 14 bits; libwebp's WEBP_MAX_DIMENSION).
pub const MAX_SIDE: u32 = 16_383;

/// A picture ready to be written as lossy WebP at any quantiser step: YUV 4:2:0 is made once.
pub struct WebpEncoder {
    picture: Source,
    effort: Effort,
}

impl WebpEncoder {
    /// Prepares `picture`.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`] over [`MAX_SIDE`], [`EncodeError::Failed`] when memory runs out.
    pub fn new(picture: &Picture, effort: Effort) -> Result<WebpEncoder, EncodeError> {
        let mut source = Source::import(picture, effort == Effort::Best)?;
        if effort == Effort::Best {
            source.convert_to_sharp_yuv()?;
        }
        Ok(WebpEncoder { picture: source, effort })
    }
}

impl Encoder for WebpEncoder {
    fn ln_step_range(&self) -> RangeInclusive<f64> {
        quantiser::LN_STEP_RANGE
    }

    fn snap(&self, ln_step: f64) -> f64 {
        // Hundredths of a quality unit are finer than libwebp's own states.
        quantiser::ln_step((quantiser::quality(ln_step) * 100.0).round() / 100.0)
    }

    fn encode(&self, ln_step: f64) -> Result<Vec<u8>, EncodeError> {
        let quality = (quantiser::quality(ln_step) * 100.0).round() / 100.0;
        let mut config = config(quality as f32)?;
        config.method = method(self.effort);
        self.picture.encode(&config)
    }
}

/// libwebp's method by effort: 2 costs 48 ms a megapixel for 3 % more bytes than 4 (110 ms); 6 costs 288 ms
/// for 5 % fewer.
fn method(effort: Effort) -> c_int {
    match effort {
        Effort::Fast => 2,
        Effort::Balanced => 4,
        Effort::Best => 6,
    }
}

/// `picture` as lossless WebP.
///
/// # Errors
/// As [`WebpEncoder::new`].
pub fn encode_lossless(picture: &Picture, effort: Effort) -> Result<Vec<u8>, EncodeError> {
    let source = Source::import(picture, true)?;
    let mut config = config(75.0)?;
    config.lossless = 1;
    // Invisible colour is kept too: lossless means every byte of the picture.
    config.exact = 1;
    config.method = method(effort);
    source.encode(&config)
}

fn config(quality: f32) -> Result<sys::WebPConfig, EncodeError> {
    sys::WebPConfig::new_with_preset(sys::WebPPreset::WEBP_PRESET_DEFAULT, quality)
        .map_err(|()| failed("libwebp of another version"))
}

fn failed(reason: &str) -> EncodeError {
    EncodeError::Failed { format: Format::Webp, reason: reason.to_owned() }
}

/// A libwebp picture, freed on drop.
struct Source(Box<sys::WebPPicture>);

// SAFETY: the picture owns its planes, no thread-local state is behind it.
unsafe impl Send for Source {}

impl Source {
    /// Copies `picture` into libwebp's planes: ARGB where asked for, else YUV 4:2:0.
    fn import(picture: &Picture, argb: bool) -> Result<Source, EncodeError> {
        Format::Webp.check_size(picture, MAX_SIDE)?;
        let mut source = Source(Box::new(sys::WebPPicture::new().map_err(|()| failed("libwebp of another version"))?));
        source.0.width = picture.width() as c_int;
        source.0.height = picture.height() as c_int;
        source.0.use_argb = c_int::from(argb);
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

    /// Converts ARGB to YUV by the slower method that keeps sharp edges of colour.
    fn convert_to_sharp_yuv(&mut self) -> Result<(), EncodeError> {
        // SAFETY: the picture was imported as ARGB.
        let converted = unsafe { sys::WebPPictureSharpARGBToYUVA(&mut *self.0) };
        if converted == 0 { Err(failed("out of memory")) } else { Ok(()) }
    }

    fn encode(&self, config: &sys::WebPConfig) -> Result<Vec<u8>, EncodeError> {
        // SAFETY: the view shares the planes without owning them and is not freed; libwebp reads them, and
        // where it blanks what lies under full transparency it does so the same way every time. The writer
        // is initialised before use and cleared after its bytes are copied.
        unsafe {
            let mut writer = std::mem::zeroed();
            sys::WebPMemoryWriterInit(&mut writer);
            let mut view: sys::WebPPicture = std::ptr::read(&*self.0);
            view.writer = Some(sys::WebPMemoryWrite);
            view.custom_ptr = (&raw mut writer).cast();
            let encoded = sys::WebPEncode(config, &mut view);
            let bytes = if encoded == 0 {
                Err(failed(&format!("{:?}", view.error_code)))
            } else {
                Ok(std::slice::from_raw_parts(writer.mem, writer.size).to_vec())
            };
            sys::WebPMemoryWriterClear(&mut writer);
            bytes
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        // SAFETY: initialised in `import`, freed once.
        unsafe { sys::WebPPictureFree(&mut *self.0) }
    }
}
