//! Admission as an extractor: named first in a handler's arguments, it asks before the body is read, and a
//! service without room says so before the client sends anything.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::Edge;
use super::problem::Problem;
use crate::engine::Room;

/// The room for the request's body.
#[derive(Debug)]
pub struct Admitted(pub Room);

impl FromRequestParts<Arc<Edge>> for Admitted {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, edge: &Arc<Edge>) -> Result<Admitted, Problem> {
        Ok(Admitted(edge.engine.admit()?))
    }
}
