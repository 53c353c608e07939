//! The formats. What is known of one stands in the `MODEL` of its module: a new format is that module, and here a value
//! and an arm of [`Format::model`]. One that is written is also in [`Format::OUTPUT`], and its codings in
//! [`LossyCoding`](super::lossy_coding::LossyCoding).

use super::model::{FormatModel, OutputModel};
use super::{EncodeError, avif, bmp, gif, heic, ico, jpeg, jxl, png, tiff, webp};
use crate::named::named;
use crate::picture::Picture;

named! {
    /// A picture format that bytefit reads; [`Format::OUTPUT`] lists those that it also writes.
    #[derive(PartialOrd, Ord)]
    pub enum Format {
        /// JPEG (ITU-T T.81).
        Jpeg = "jpeg",
        /// WebP (RFC 9649).
        Webp = "webp",
        /// AVIF (AV1 Image File Format).
        Avif = "avif",
        /// PNG (W3C, third edition).
        Png = "png",
        /// JPEG XL (ISO/IEC 18181).
        Jxl = "jxl",
        /// HEIC (ISO/IEC 23008-12, with HEVC).
        Heic = "heic",
        /// GIF89a.
        Gif = "gif",
        /// Windows bitmap.
        Bmp = "bmp",
        /// TIFF 6.0.
        Tiff = "tiff",
        /// Windows icon or cursor.
        Ico = "ico",
    }
}

/// The names of [`Format::OUTPUT`] as a list, for messages that are written with `concat!`.
macro_rules! output_names {
    () => {
        "jpeg, webp, avif, png, jxl"
    };
}

pub(crate) use output_names;

impl Format {
    /// Every format that can be written.
    pub const OUTPUT: [Format; 5] = [Format::Jpeg, Format::Webp, Format::Avif, Format::Png, Format::Jxl];

    /// The formats that this build reads: HEIC is a feature.
    pub fn read() -> impl Iterator<Item = Format> {
        Format::ALL.iter().copied().filter(|format| cfg!(feature = "heic") || *format != Format::Heic)
    }

    /// What is known of the format. The only `match` on formats.
    pub(crate) const fn model(self) -> &'static FormatModel {
        match self {
            Format::Jpeg => &jpeg::MODEL,
            Format::Webp => &webp::MODEL,
            Format::Avif => &avif::MODEL,
            Format::Png => &png::MODEL,
            Format::Jxl => &jxl::MODEL,
            Format::Heic => &heic::MODEL,
            Format::Gif => &gif::MODEL,
            Format::Bmp => &bmp::MODEL,
            Format::Tiff => &tiff::MODEL,
            Format::Ico => &ico::MODEL,
        }
    }

    /// What is known of writing the format. Returns `None` for a format that is only read.
    pub(crate) fn output(self) -> Option<&'static OutputModel> {
        self.model().output.as_ref()
    }

    /// The media type (IANA).
    pub const fn media_type(self) -> &'static str {
        self.model().media_type
    }

    /// The usual file name extension, without the dot.
    pub const fn extension(self) -> &'static str {
        self.model().extension
    }

    /// The format with this name or extension, in either case.
    pub fn of_name(name: &str) -> Option<Format> {
        let has_name =
            |format: &Format| name.eq_ignore_ascii_case(format.extension()) || name.eq_ignore_ascii_case(format.name());
        Format::ALL.iter().copied().find(has_name)
    }

    /// Whether bytefit writes this format.
    pub fn is_output(self) -> bool {
        self.output().is_some()
    }

    /// The format's place when a browser chooses one: the lower, the earlier it is tried. Formats that are only read
    /// come last.
    pub fn place_in_browser(self) -> u8 {
        self.output().map_or(u8::MAX, |output| output.place_in_browser)
    }

    /// Whether the format keeps an alpha channel.
    pub const fn keeps_alpha(self) -> bool {
        self.model().keeps_alpha
    }

    /// Checks the sides of `picture` against the largest that the format takes.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`].
    pub fn check_size(self, picture: &Picture) -> Result<(), EncodeError> {
        let limit = self.output().map_or(0, |output| output.max_side);
        let (width, height) = (picture.width(), picture.height());
        if width.max(height) <= limit {
            Ok(())
        } else {
            Err(EncodeError::TooLarge { format: self, width, height, limit })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::lossy_coding::LossyCoding;

    #[test]
    fn the_formats_that_are_written_are_those_with_a_model_for_it() {
        for format in Format::ALL {
            assert_eq!(Format::OUTPUT.contains(format), format.is_output(), "{format:?}");
        }
    }

    #[test]
    fn messages_list_the_formats_that_are_written() {
        assert_eq!(output_names!(), Format::OUTPUT.map(Format::name).join(", "));
    }

    #[test]
    fn every_format_that_is_written_has_a_place_of_its_own_in_a_browser() {
        let mut places = Format::OUTPUT.map(Format::place_in_browser);
        places.sort_unstable();
        assert!(places.windows(2).all(|pair| pair[0] < pair[1]), "{places:?}");
    }

    #[test]
    fn every_coding_that_a_format_lists_is_its_own() {
        for format in Format::ALL {
            assert!(LossyCoding::of(*format).iter().all(|coding| coding.format() == *format), "{format:?}");
            assert_eq!(LossyCoding::of(*format).is_empty(), !format.is_output(), "{format:?}");
        }
    }
}
