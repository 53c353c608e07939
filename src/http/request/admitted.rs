//! Admission as an extractor. As a handler's first argument it runs before the body is read, so that a full service
//! refuses before the client sends anything.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::engine::AdmittedUpload;
use crate::http::AppState;
use crate::http::response::problem::Problem;

/// What an admitted request holds while its body arrives.
#[derive(Debug)]
pub(crate) struct Admitted(pub AdmittedUpload);

impl FromRequestParts<Arc<AppState>> for Admitted {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, state: &Arc<AppState>) -> Result<Admitted, Problem> {
        Ok(Admitted(state.engine.admit()?))
    }
}
