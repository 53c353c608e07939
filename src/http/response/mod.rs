//! HTTP responses: answers and problems.

mod disposition;
pub mod problem;
pub mod reply;
pub mod report;
pub mod request_id;
