//! A picture at one size, prepared for the encoders of one format.

use std::cell::RefCell;
use std::rc::Rc;

use crate::codec::lossy_coding::LossyCoding;
use crate::codec::{Effort, EncodeError, Encoder, Format};
use crate::picture::Picture;

/// A picture at one size, as one format can hold it, with its encoders. Each encoder analyses the picture once.
pub(super) struct Prepared<'a> {
    pub format: Format,
    pub picture: &'a Picture,
    encoders: RefCell<Vec<(LossyCoding, Rc<dyn Encoder + 'a>)>>,
}

impl<'a> Prepared<'a> {
    /// `picture` must have no alpha channel if `format` keeps none.
    pub(super) fn new(format: Format, picture: &'a Picture) -> Prepared<'a> {
        Prepared { format, picture, encoders: RefCell::default() }
    }

    /// The encoder for `coding`, for files of one pass where they may not be `progressive`. Later calls return the same
    /// one.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`].
    pub(super) fn encoder(
        &self,
        coding: LossyCoding,
        effort: Effort,
        progressive: bool,
    ) -> Result<Rc<dyn Encoder + 'a>, EncodeError> {
        let mut encoders = self.encoders.borrow_mut();
        if let Some((_, encoder)) = encoders.iter().find(|(known, _)| *known == coding) {
            return Ok(encoder.clone());
        }
        let mut encoder = coding.encoder(self.picture, effort)?;
        if !progressive {
            encoder.use_one_pass();
        }
        let encoder: Rc<dyn Encoder + 'a> = encoder.into();
        encoders.push((coding, encoder.clone()));
        Ok(encoder)
    }
}
