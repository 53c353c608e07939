//! The endpoints: one file and one row in [`ALL`] each. The row gives the route, its label in the metrics and its entry in
//! the OpenAPI document.

mod assets;
mod compress;
mod dashboard;
mod docs;
mod health;
mod link;
mod metrics;
mod openapi;
mod result;
mod root;
mod status;
mod variants;

use std::sync::Arc;

use axum::routing::MethodRouter;
use serde_json::Value;

use super::AppState;
use crate::metrics::RouteLabel;

/// An endpoint.
#[derive(Debug)]
pub struct Route {
    /// The path, with its variables in braces.
    pub path: &'static str,
    /// The method, as OpenAPI spells it.
    pub method: &'static str,
    /// Makes the handler, for its one method.
    pub handler: fn() -> MethodRouter<Arc<AppState>>,
    /// Its name in the metrics.
    pub label: RouteLabel,
    /// Its entry in the OpenAPI document.
    pub operation: fn() -> Value,
    /// Whether the answer is text, which is worth compressing.
    pub is_text: bool,
    /// Whether it is polled by machines. Its requests are logged at level debug.
    pub is_probe: bool,
    /// Whether a client must bring a key, where the configuration has keys. Probes, pages, and links, which are signed, need none.
    pub needs_key: bool,
}

/// Every endpoint.
pub const ALL: &[Route] = &[
    compress::COMPRESS,
    variants::VARIANTS,
    link::LINK,
    result::RESULT,
    health::HEALTH,
    health::READYZ,
    health::LIVEZ,
    metrics::METRICS,
    status::STATUS,
    openapi::OPENAPI,
    root::ROOT,
    dashboard::DASHBOARD,
    docs::DOCS,
    assets::ASSETS,
];

impl Route {
    /// Whether `path` is one of this route: equal segment by segment, where a variable takes any segment that is not empty.
    pub fn matches(&self, path: &str) -> bool {
        let is_variable = |segment: &str| segment.starts_with('{');
        let agree = |(own, given): (&str, &str)| own == given || (is_variable(own) && !given.is_empty());
        path != "/"
            && self.path.split('/').count() == path.split('/').count()
            && self.path.split('/').zip(path.split('/')).all(agree)
    }
}

/// The endpoint at `path`, with its variables in braces.
pub(super) fn find(path: &str) -> Option<&'static Route> {
    ALL.iter().find(|route| route.path == path)
}

/// The names of the endpoints in the metrics.
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
