//! All transforms of a picture, in their fixed order.

use std::borrow::Cow;

use super::blur::{self, blurred, sharpened};
use super::crop::{Crop, CropOutside, cut};
use super::gravity::Gravity;
use super::grey::without_colour;
use super::orient::orient;
use super::resize::{Resize, ResizeFit, resized, resized_size};
use super::turn::{Flip, Rotation, turn};
use crate::picture::{Orientation, Picture};

/// What is done to an upright picture, in the order of the fields.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Transforms {
    /// The part to cut out.
    pub crop: Option<Crop>,
    /// The turn.
    pub rotate: Rotation,
    /// The mirroring, after the turn.
    pub flip: Flip,
    /// The size.
    pub resize: Option<Resize>,
    /// What a resize keeps or where it lays the picture.
    pub gravity: Gravity,
    /// The colour that a resize pads with: red, green, blue.
    pub background: [u8; 3],
    /// The sigma of a Gaussian blur, in pixels.
    pub blur: Option<f64>,
    /// The sigma of the mask that sharpens, in pixels.
    pub sharpen: Option<f64>,
    /// Whether the colour is taken out.
    pub grayscale: bool,
}

impl Transforms {
    /// The size of a picture of `width` x `height` before it is resized: cropped and turned.
    ///
    /// # Errors
    /// [`CropOutside`].
    fn turned_size(&self, width: u32, height: u32) -> Result<(u32, u32), CropOutside> {
        let (width, height) = match self.crop {
            Some(crop) => crop.area(width, height).map(|area| (area.width, area.height))?,
            None => (width, height),
        };
        Ok(self.orientation().upright_size(width, height))
    }

    /// The size that a picture of `width` x `height` gets.
    ///
    /// # Errors
    /// [`CropOutside`].
    pub fn size(&self, width: u32, height: u32) -> Result<(u32, u32), CropOutside> {
        let (width, height) = self.turned_size(width, height)?;
        Ok(self.resize.map_or((width, height), |resize| resized_size(width, height, &resize)))
    }

    /// Whether a picture of `width` x `height` becomes another one.
    pub fn changes(&self, width: u32, height: u32) -> bool {
        self.filters() || self.turns() || self.size(width, height) != Ok((width, height))
    }

    /// Whether the resize makes a side of the cropped and turned picture longer.
    pub fn enlarges(&self, width: u32, height: u32) -> bool {
        let Ok((turned_width, turned_height)) = self.turned_size(width, height) else { return false };
        let size = self.resize.map(|resize| resized_size(turned_width, turned_height, &resize));
        size.is_some_and(|(width, height)| width > turned_width || height > turned_height)
    }

    /// Whether a thumbnail of the input may show something else than the answer: all but making it smaller.
    pub fn changes_what_is_shown(&self) -> bool {
        let is_cut_or_padded = self.resize.is_some_and(|resize| resize.fit != ResizeFit::Inside);
        self.crop.is_some() || self.turns() || is_cut_or_padded || self.filters()
    }

    /// Whether pixels become other ones where they are.
    fn filters(&self) -> bool {
        self.blur.is_some() || self.sharpen.is_some() || self.grayscale
    }

    /// Whether a copy of the cropped picture is turned.
    pub fn turns(&self) -> bool {
        self.orientation() != Orientation::Upright
    }

    /// Bytes that resizing and filtering hold beside the picture before and after, for an answer of `width` x `height`.
    pub fn scratch_bytes(&self, width: u32, height: u32) -> u64 {
        let copy = u64::from(width) * u64::from(height) * 4;
        let pads = self.resize.is_some_and(|resize| resize.fit == ResizeFit::Contain);
        let blurs = self.blur.is_some() || self.sharpen.is_some();
        let blurring = if blurs { copy + blur::scratch_bytes(width) } else { 0 };
        blurring.max(if pads { copy } else { 0 })
    }

    /// Transforms `picture`. One that stays as it is is not copied.
    ///
    /// # Errors
    /// [`CropOutside`].
    pub fn apply<'p>(&self, mut picture: Cow<'p, Picture>) -> Result<Cow<'p, Picture>, CropOutside> {
        if let Some(crop) = self.crop {
            let area = crop.area(picture.width, picture.height)?;
            if (area.width, area.height) != (picture.width, picture.height) {
                picture = Cow::Owned(cut(&picture, area));
            }
        }
        if self.turns() {
            picture = Cow::Owned(orient(picture.into_owned(), self.orientation()));
        }
        if let Some(resized) = self.resize.and_then(|resize| resized(&picture, &resize, self.gravity, self.background))
        {
            picture = Cow::Owned(resized);
        }
        if let Some(sigma) = self.blur {
            picture = Cow::Owned(blurred(&picture, sigma));
        }
        if let Some(sigma) = self.sharpen {
            picture = Cow::Owned(sharpened(picture.into_owned(), sigma));
        }
        if self.grayscale {
            picture = Cow::Owned(without_colour(picture.into_owned()));
        }
        Ok(picture)
    }

    fn orientation(&self) -> Orientation {
        turn(self.rotate, self.flip)
    }
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::super::crop::Length;
    use super::super::drawn::{labelled, letters};
    use super::*;
    use crate::picture::Layout;

    fn crop(left: u32, top: u32, width: u32, height: u32) -> Option<Crop> {
        let [left, top, width, height] = [left, top, width, height].map(Length::Pixels);
        Some(Crop { left, top, width, height })
    }

    fn applied(transforms: &Transforms, picture: &Picture) -> Picture {
        transforms.apply(Cow::Borrowed(picture)).unwrap().into_owned()
    }

    #[test]
    fn a_crop_comes_before_the_turn_and_the_turn_before_the_flip() {
        let picture = letters(&["abcd", "efgh", "ijkl"]);
        let cropped = Transforms { crop: crop(1, 0, 2, 3), ..Transforms::default() };
        assert_eq!(applied(&cropped, &picture), letters(&["bc", "fg", "jk"]));
        let turned = Transforms { rotate: Rotation::Quarter, ..cropped };
        assert_eq!(applied(&turned, &picture), letters(&["jfb", "kgc"]));
        let flipped = Transforms { flip: Flip::Vertical, ..turned };
        assert_eq!(applied(&flipped, &picture), letters(&["kgc", "jfb"]));
    }

    #[test]
    fn nothing_asked_for_is_no_change() {
        let none = Transforms::default();
        let whole = Transforms { crop: crop(0, 0, 40, 30), ..none };
        for transforms in [none, whole] {
            assert!(!transforms.changes(40, 30));
            let picture = labelled(40, 30, Layout::Rgb);
            assert!(matches!(transforms.apply(Cow::Borrowed(&picture)).unwrap(), Cow::Borrowed(_)));
        }
        // A half turn and a square keep the size, not the pixels.
        assert!(Transforms { rotate: Rotation::Half, ..none }.changes(40, 30));
        assert!(Transforms { flip: Flip::Vertical, ..none }.changes(40, 40));
        assert!(Transforms { blur: Some(1.0), ..none }.changes(40, 40));
        assert!(Transforms { grayscale: true, ..none }.changes(40, 40));
    }

    #[test]
    fn a_turn_is_no_growth() {
        let resize = Resize { width: Some(30), height: Some(40), fit: ResizeFit::Inside, enlarge: true };
        let turned = Transforms { rotate: Rotation::Quarter, ..Transforms::default() };
        assert!(!turned.enlarges(40, 30));
        assert!(!Transforms { resize: Some(resize), ..turned }.enlarges(40, 30));
        assert!(Transforms { resize: Some(resize), crop: crop(0, 0, 20, 20), ..turned }.enlarges(40, 30));
    }

    prop_compose! {
        fn resizes()(
            width in option::of(1..60_u32), height in 1..60_u32, fit in select(ResizeFit::ALL), enlarge in any::<bool>(),
        ) -> Resize {
            Resize { width, height: Some(height), fit, enlarge }
        }
    }

    prop_compose! {
        fn lengths()(percent in any::<bool>(), at in 0..60_u32, length in 1..60_u32) -> (Length, Length) {
            match percent {
                true => (Length::Percent(f64::from(at)), Length::Percent(f64::from(length.min(100 - at)))),
                false => (Length::Pixels(at), Length::Pixels(length)),
            }
        }
    }

    proptest! {
        #[test]
        fn every_chain_gives_the_promised_size(
            (width, height) in (1..60_u32, 1..60_u32), rgba in any::<bool>(),
            crop in option::of((lengths(), lengths())),
            (rotate, flip) in (select(Rotation::ALL), select(Flip::ALL)),
            resize in option::of(resizes()),
            gravity in prop_oneof![Just(Gravity::Smart), (0.0..=1.0, 0.0..=1.0).prop_map(|(x, y)| Gravity::Point { x, y })],
            (blur, sharpen) in (option::of(0.3..100.0), option::of(0.01..10.0)),
            grayscale in any::<bool>(),
        ) {
            let crop = crop.map(|((left, width), (top, height))| Crop { left, top, width, height });
            let background = [9; 3];
            let transforms = Transforms { crop, rotate, flip, resize, gravity, background, blur, sharpen, grayscale };
            let picture = labelled(width, height, if rgba { Layout::Rgba } else { Layout::Rgb });
            match (transforms.size(width, height), transforms.apply(Cow::Borrowed(&picture))) {
                (Ok(size), Ok(applied)) => {
                    prop_assert_eq!((applied.width, applied.height), size);
                    prop_assert_eq!(applied.layout, picture.layout);
                    prop_assert!(transforms.changes(width, height) || *applied == picture);
                    prop_assert!(!grayscale || applied.is_grey());
                }
                (size, applied) => prop_assert!(size.is_err() && applied.is_err() && crop.is_some()),
            }
        }
    }
}
