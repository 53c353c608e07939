//! A place in the queue as an extractor: named first in a handler's arguments, it is taken before the body
//! is read, and a service without room says so before the client sends anything.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::Edge;
use super::problem::Problem;
use crate::engine::Ticket;

/// A ticket of the engine.
#[derive(Debug)]
pub struct Admitted(pub Ticket);

impl FromRequestParts<Arc<Edge>> for Admitted {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, edge: &Arc<Edge>) -> Result<Admitted, Problem> {
        Ok(Admitted(edge.engine.ticket()?))
    }
}
