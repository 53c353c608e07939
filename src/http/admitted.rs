//! Admission as an extractor: named first in a handler's arguments, it asks before the body is read, and a
//! service without room says so before the client sends anything.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::Edge;
use super::problem::Problem;
use crate::engine::Entry;

/// What the request holds while its body is on its way.
#[derive(Debug)]
pub struct Admitted(pub Entry);

impl FromRequestParts<Arc<Edge>> for Admitted {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, edge: &Arc<Edge>) -> Result<Admitted, Problem> {
        Ok(Admitted(edge.engine.admit()?))
    }
}
