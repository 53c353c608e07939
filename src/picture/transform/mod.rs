//! Crops, turns, resizes, filters and flattens pictures.

mod blur;
mod chain;
mod crop;
#[cfg(test)]
mod drawn;
mod flatten;
mod gravity;
mod grey;
mod orient;
mod pyramid;
mod resample;
mod resize;
mod smart;
mod tiles;
mod turn;

pub use chain::Transforms;
pub(crate) use crop::{Area, cut};
pub use crop::{Crop, CropOutside, Length};
pub use flatten::flatten;
pub(super) use flatten::flattened;
pub use gravity::Gravity;
pub use grey::grey_of;
pub use orient::orient;
pub use pyramid::Pyramid;
pub use resample::scale;
pub use resize::{Resize, ResizeFit, resize, resized, resized_size};
pub(crate) use tiles::tiles;
pub use turn::{Flip, Rotation};
