//! A picture at one size, held ready for one format. Must not know targets or searches.

use std::cell::RefCell;
use std::rc::Rc;

use crate::codec::lossy_coding::LossyCoding;
use crate::codec::{Effort, EncodeError, Encoder, Format};
use crate::picture::Picture;

/// A picture at one size as one format can hold it, and its encoders: what they learn of it is learnt once.
pub struct Prepared<'a> {
    pub format: Format,
    pub picture: &'a Picture,
    encoders: RefCell<Vec<(LossyCoding, Rc<dyn Encoder + 'a>)>>,
}

impl<'a> Prepared<'a> {
    /// `picture` has no alpha channel where `format` keeps none.
    pub fn new(format: Format, picture: &'a Picture) -> Prepared<'a> {
        Prepared { format, picture, encoders: RefCell::default() }
    }

    /// The encoder for `coding`, the same each time.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`].
    pub fn encoder(&self, coding: LossyCoding, effort: Effort) -> Result<Rc<dyn Encoder + 'a>, EncodeError> {
        let mut encoders = self.encoders.borrow_mut();
        if let Some((_, encoder)) = encoders.iter().find(|(known, _)| *known == coding) {
            return Ok(encoder.clone());
        }
        let encoder: Rc<dyn Encoder + 'a> = coding.encoder(self.picture, effort)?.into();
        encoders.push((coding, encoder.clone()));
        Ok(encoder)
    }
}
