//! Turns, resizes and flattens pictures.

#[cfg(test)]
mod drawn;
mod flatten;
mod orient;
mod resize;
mod scale;

pub use flatten::flatten;
pub(super) use flatten::flattened;
pub use orient::orient;
pub use resize::{Resize, ResizeFit, resize, resized, resized_size};
pub use scale::{scale, scale_in_part};
