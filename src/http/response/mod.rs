//! HTTP responses: answers and problems.

pub(super) mod batch;
mod disposition;
pub(crate) mod problem;
pub(crate) mod reply;
pub(crate) mod report;
pub(crate) mod request_id;
pub(crate) mod set;
pub(crate) mod validator;
