//! The picture of a job in the forms that its search looks at, each made once.

use std::rc::Rc;

use crate::codec::Format;
use crate::picture::Picture;
use crate::picture::content::Content;
use crate::picture::transform::{self, Pyramid};

use super::prepared::Prepared;
use super::scale_gain::{self, Details};

/// Pixels of a smaller picture that are looked at before it is chosen, when it has more: about as many as are counted.
const SEEN_PIXELS: u64 = 200_000;

/// The requested picture in every form that is encoded or looked at.
pub(super) struct Views<'a> {
    /// The picture that the job asks for: upright and resized.
    pub requested: &'a Picture,
    /// The same, without colours that nobody sees.
    without_hidden_colour: &'a Picture,
    /// The same, on the background, without an alpha channel.
    flattened: &'a Picture,
    /// The picture as each format encodes it.
    prepared: Vec<Rc<Prepared<'a>>>,
    /// Parts of the picture at smaller sizes. All formats share them.
    parts: Vec<((u32, u32), Rc<Picture>)>,
    /// The requested picture, from which smaller ones are made.
    pyramid: Pyramid<'a>,
    details: Option<Details>,
    content: Option<Content>,
}

impl<'a> Views<'a> {
    pub(super) fn new(requested: &'a Picture, without_hidden_colour: &'a Picture, flattened: &'a Picture) -> Views<'a> {
        Views {
            requested,
            without_hidden_colour,
            flattened,
            prepared: Vec::new(),
            parts: Vec::new(),
            pyramid: Pyramid::new(requested),
            details: None,
            content: None,
        }
    }

    /// The views of a picture without an alpha channel.
    pub(super) fn of_opaque(picture: &'a Picture) -> Views<'a> {
        Views::new(picture, picture, picture)
    }

    /// The requested picture, as lossy encoders of `format` take it.
    pub(super) fn prepared(&mut self, format: Format) -> Rc<Prepared<'a>> {
        if let Some(known) = self.prepared.iter().find(|prepared| prepared.format == format) {
            return known.clone();
        }
        let picture = if format.keeps_alpha() { self.without_hidden_colour } else { self.flattened };
        let prepared = Rc::new(Prepared::new(format, picture));
        self.prepared.push(prepared.clone());
        prepared
    }

    /// `whole` at `width` x `height`.
    pub(super) fn scaled(&mut self, whole: &Picture, (width, height): (u32, u32)) -> Picture {
        match self.is_shared(whole) {
            true => self.pyramid.scale(width, height),
            false => transform::scale(whole, width, height),
        }
    }

    /// A part of `whole` at `width` x `height`, of at most about [`SEEN_PIXELS`].
    pub(super) fn part(&mut self, whole: &Picture, (width, height): (u32, u32)) -> Rc<Picture> {
        if !self.is_shared(whole) {
            return Rc::new(Pyramid::new(whole).scale_in_part(width, height, SEEN_PIXELS));
        }
        if let Some((_, part)) = self.parts.iter().find(|(size, _)| *size == (width, height)) {
            return part.clone();
        }
        let part = Rc::new(self.pyramid.scale_in_part(width, height, SEEN_PIXELS));
        self.parts.push(((width, height), part.clone()));
        part
    }

    /// The detail of `whole`.
    pub(super) fn details(&mut self, whole: &Picture) -> Details {
        if self.is_shared(whole) {
            return *self.details.get_or_insert_with(|| scale_gain::details(whole));
        }
        scale_gain::details(whole)
    }

    /// What the picture shows.
    pub(super) fn content(&mut self) -> Content {
        *self.content.get_or_insert_with(|| match self.requested.has_alpha() {
            true => Content::of_opaque_part(self.requested, self.flattened),
            false => Content::of(self.flattened),
        })
    }

    /// Whether every format encodes `whole`. With an alpha channel they do not, and then parts are too large to keep.
    fn is_shared(&self, whole: &Picture) -> bool {
        std::ptr::eq(whole, self.requested) && !whole.has_alpha()
    }
}

/// Width and height of `original` at `scale`.
pub(super) fn size_at(original: &Picture, scale: f64) -> (u32, u32) {
    let side = |pixels: u32| ((f64::from(pixels) * scale).round() as u32).max(1);
    (side(original.width()), side(original.height()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Layout;

    #[test]
    fn what_is_seen_at_a_size_is_scaled_once_unless_formats_hold_other_pixels() {
        let whole = Picture::new(1000, 1000, Layout::Rgb, vec![0; 3_000_000]);
        let other = Picture::new(500, 500, Layout::Rgb, vec![9; 750_000]);
        let mut views = Views::of_opaque(&whole);
        let mut seen = |picture: &Picture| views.part(picture, (100, 100));
        let first = seen(&whole);
        assert!(Rc::ptr_eq(&first, &seen(&whole)));
        assert_eq!((first.pixels()[0], seen(&other).pixels()[0]), (0, 9));
        assert!(views.details(&whole) == views.details(&other), "neither has any");
    }
}
