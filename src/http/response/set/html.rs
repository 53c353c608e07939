//! The images of a set as HTML: a `<picture>` with a source for each format.

use crate::codec::Format;
use crate::engine::Served;
use crate::http::response::report;

/// The images of one format, the narrowest first and one of each width.
pub(super) struct ImagesOfFormat {
    format: Format,
    images: Vec<Image>,
}

struct Image {
    url: String,
    width: u32,
    height: u32,
}

impl ImagesOfFormat {
    pub(super) fn media_type(&self) -> &'static str {
        self.format.media_type()
    }

    /// The value of the attribute `srcset`.
    pub(super) fn srcset(&self) -> String {
        let images: Vec<String> = self.images.iter().map(|image| format!("{} {}w", image.url, image.width)).collect();
        images.join(", ")
    }
}

/// The images that can be fetched, by format, in the order in which a browser should try them: the last is the `<img>`.
pub(super) fn images<'a>(served: impl Iterator<Item = &'a Served>) -> Vec<ImagesOfFormat> {
    let mut formats = Format::OUTPUT;
    formats.sort_by_key(|format| format.place_in_browser());
    let mut sets = formats.map(|format| ImagesOfFormat { format, images: Vec::new() });
    for served in served {
        let output = &served.answer.report.output;
        let set = sets.iter_mut().find(|set| set.format == output.format);
        if let (Some(set), Some(url)) = (set, report::url(served)) {
            set.images.push(Image { url, width: output.width, height: output.height });
        }
    }
    for set in &mut sets {
        set.images.sort_by_key(|image| image.width);
        set.images.dedup_by_key(|image| image.width);
    }
    sets.into_iter().filter(|set| !set.images.is_empty()).collect()
}

/// A `<picture>` of all images; empty where there are none. The paths have no character that HTML gives a meaning.
pub(super) fn picture(sets: &[ImagesOfFormat]) -> String {
    let Some((last, others)) = sets.split_last() else { return String::new() };
    let source = |set: &ImagesOfFormat| {
        format!("<source type=\"{}\" srcset=\"{}\" sizes=\"100vw\">", set.media_type(), set.srcset())
    };
    let sources: String = others.iter().map(source).collect();
    let Some(Image { url, width, height }) = last.images.last() else { return String::new() };
    let srcset = last.srcset();
    format!(
        "<picture>{sources}<img src=\"{url}\" srcset=\"{srcset}\" sizes=\"100vw\" width=\"{width}\" \
         height=\"{height}\" alt=\"\"></picture>"
    )
}
