//! Panics of ours, caught and put in words: a bug must cost one request, not the process.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Work that panicked; the message it did so with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panicked(pub String);

/// Runs `work` here, its panic as an error.
///
/// # Errors
/// [`Panicked`].
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    // Unwind safety: what a panicking job may have left half done is its own and dropped with it.
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| Panicked(message(payload.as_ref())))
}

/// What a panic says of itself.
pub fn message(payload: &(dyn Any + Send)) -> String {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "no message".to_owned(),
    }
}
