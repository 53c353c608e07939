//! Answers and problems as HTTP responses.

mod disposition;
pub mod problem;
pub mod reply;
pub mod report;
pub mod request_id;
