//! Admission as an extractor: named first in a handler's arguments, it asks before the body is read, and a
//! service without room says so before the client sends anything.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::engine::AdmittedUpload;
use crate::http::AppState;
use crate::http::response::problem::Problem;

/// What the request holds while its body is on its way.
#[derive(Debug)]
pub struct Admitted(pub AdmittedUpload);

impl FromRequestParts<Arc<AppState>> for Admitted {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, state: &Arc<AppState>) -> Result<Admitted, Problem> {
        Ok(Admitted(state.engine.admit()?))
    }
}
