//! The endpoints: a file each, and a row each in [`ALL`]. The row makes the route, its label in the metrics and its entry
//! in the OpenAPI document.

mod compress;
mod health;
mod metrics;
mod openapi;
mod result;
mod root;
mod status;

use std::sync::Arc;

use axum::routing::MethodRouter;
use serde_json::Value;

use super::AppState;
use crate::metrics::RouteLabel;

/// An endpoint.
#[derive(Debug)]
pub struct Route {
    /// The path, its variables in braces.
    pub path: &'static str,
    /// The method, as OpenAPI spells it.
    pub method: &'static str,
    pub handler: fn() -> MethodRouter<Arc<AppState>>,
    /// What the metrics call it.
    pub label: RouteLabel,
    /// The entry in the OpenAPI document.
    pub operation: fn() -> Value,
    /// Whether the answer is text, which compression makes smaller.
    pub is_text: bool,
    /// Whether it is asked so often and so regularly that the log has its requests at level debug only.
    pub is_probe: bool,
}

/// Every endpoint.
pub const ALL: &[Route] = &[
    compress::COMPRESS,
    result::RESULT,
    health::HEALTH,
    health::READYZ,
    health::LIVEZ,
    metrics::METRICS,
    status::STATUS,
    openapi::OPENAPI,
    root::ROOT,
];

impl Route {
    /// Whether `path` leads here: segment by segment, a variable stands for any that is not empty.
    pub fn matches(&self, path: &str) -> bool {
        let is_variable = |segment: &str| segment.starts_with('{');
        let agree = |(own, given): (&str, &str)| own == given || (is_variable(own) && !given.is_empty());
        path != "/"
            && self.path.split('/').count() == path.split('/').count()
            && self.path.split('/').zip(path.split('/')).all(agree)
    }
}

/// The endpoint at `path`, its variables in braces.
pub fn find(path: &str) -> Option<&'static Route> {
    ALL.iter().find(|route| route.path == path)
}

/// What the metrics call the endpoints.
pub fn labels() -> impl Iterator<Item = RouteLabel> {
    ALL.iter().map(|route| route.label)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn paths_and_labels_are_unique() {
        let paths: HashSet<&str> = ALL.iter().map(|route| route.path).collect();
        let labels: HashSet<&str> = labels().map(|label| label.name).collect();
        assert_eq!((paths.len(), labels.len()), (ALL.len(), ALL.len()));
    }
}
