//! The endpoints: one file and one row in [`ALL`] each. The row gives the route, its label in the metrics and its entry
//! in the OpenAPI document.

mod assets;
mod batches;
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
    /// Whether a client must bring a key, where the configuration has keys. Probes, pages and signed links need none;
    /// the other links, which `source.unsigned` lets through, do.
    pub needs_key: bool,
}

/// Every endpoint.
pub const ALL: &[Route] = &[
    compress::COMPRESS,
    variants::VARIANTS,
    batches::CREATE,
    batches::STATUS,
    batches::REMOVE,
    batches::IMAGE,
    batches::ZIP,
    batches::EVENTS,
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
    /// Whether `path` is one of this route: equal segment by segment, where a variable takes any segment that is not
    /// empty.
    pub fn matches(&self, path: &str) -> bool {
        let is_variable = |segment: &str| segment.starts_with('{');
        let agree = |(own, given): (&str, &str)| own == given || (is_variable(own) && !given.is_empty());
        path != "/"
            && self.path.split('/').count() == path.split('/').count()
            && self.path.split('/').zip(path.split('/')).all(agree)
    }
}

/// The first endpoint at `path`, with its variables in braces. Those at one path differ in their method alone.
pub(super) fn find(path: &str) -> Option<&'static Route> {
    ALL.iter().find(|route| route.path == path)
}

/// Every path, once.
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    let is_first = |route: &&Route| find(route.path).is_some_and(|first| first.method == route.method);
    ALL.iter().filter(is_first).map(|route| route.path)
}

/// The methods that are answered at `path`, as the header Allow has them.
pub(super) fn allowed_methods(path: &str) -> String {
    let of_path = ALL.iter().filter(|route| route.path == path);
    let names = of_path.flat_map(|route| match route.method {
        "get" => ["GET", "HEAD"].as_slice(),
        "post" => &["POST"],
        "delete" => &["DELETE"],
        _ => &[],
    });
    let names: Vec<&str> = names.copied().chain(["OPTIONS"]).collect();
    names.join(", ")
}

/// The names of the endpoints in the metrics.
pub fn labels() -> impl Iterator<Item = RouteLabel> {
    paths().filter_map(find).map(|route| route.label)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn paths_have_labels_of_their_own_and_each_method_once() {
        let paths: HashSet<&str> = ALL.iter().map(|route| route.path).collect();
        let names: HashSet<&str> = labels().map(|label| label.name).collect();
        assert_eq!((names.len(), labels().count()), (paths.len(), paths.len()));
        let requests: HashSet<(&str, &str)> = ALL.iter().map(|route| (route.path, route.method)).collect();
        assert_eq!(requests.len(), ALL.len());
    }

    #[test]
    fn endpoints_of_one_path_share_what_is_looked_up_by_the_path() {
        for route in ALL {
            let first = find(route.path).unwrap();
            assert_eq!((first.label, first.needs_key), (route.label, route.needs_key), "{}", route.path);
            assert_eq!(first.is_probe, route.is_probe, "{}", route.path);
        }
    }
}
