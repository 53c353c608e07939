//! The closed sets that label values come from.

use crate::named::named;

/// An endpoint, as the metrics name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteLabel {
    pub name: &'static str,
    /// Whether it computes answers: such a one answers with every status, and its time makes up the latency.
    pub computes: bool,
}

impl RouteLabel {
    /// A path that is no endpoint.
    pub const OTHER: RouteLabel = RouteLabel { name: "other", computes: false };
}

named! {
    /// A method that some endpoint answers, or none does.
    pub enum Method {
        Get = "GET",
        Head = "HEAD",
        Post = "POST",
        Other = "other",
    }
}

named! {
    /// A status code that the service answers with.
    pub enum Status {
        S200 = "200",
        S304 = "304",
        S308 = "308",
        S400 = "400",
        S404 = "404",
        S405 = "405",
        S406 = "406",
        S408 = "408",
        S413 = "413",
        S415 = "415",
        S422 = "422",
        S500 = "500",
        S503 = "503",
        S504 = "504",
        /// Any other, on this route.
        Other = "other",
    }
}

named! {
    /// A stage of a job.
    pub enum Stage {
        Queue = "queue",
        Decode = "decode",
        Transform = "transform",
        Search = "search",
        /// From admission to answer.
        Total = "total",
    }
}

named! {
    /// What a lookup in the cache found.
    pub enum CacheResult {
        Hit = "hit",
        Miss = "miss",
        /// Waited on an identical request.
        Collapsed = "collapsed",
    }
}

named! {
    /// Why a request or connection was turned away.
    pub enum Shed {
        QueueFull = "queue_full",
        /// Neither a thread nor memory came free before the request's deadline.
        QueueTimeout = "queue_timeout",
        /// No memory for the request's body.
        Memory = "memory",
        Draining = "draining",
        /// Too many connections.
        Connections = "connections",
    }
}

impl Status {
    /// The label of this status code on this route.
    pub fn from_code(route: RouteLabel, code: u16) -> Status {
        let code = code.to_string();
        Status::of(route).find(|status| status.name() == code).unwrap_or(Status::Other)
    }

    /// What `route` answers with: only one that computes answers knows them all, which keeps the table short.
    fn of(route: RouteLabel) -> impl Iterator<Item = Status> {
        // A path with a slash too many is none of the routes.
        let redirects = route == RouteLabel::OTHER;
        let is_answered = move |status: &Status| {
            route.computes || status.is_answered_everywhere() || (redirects && *status == Status::S308)
        };
        Status::ALL.iter().copied().filter(is_answered)
    }

    fn is_answered_everywhere(self) -> bool {
        use Status::{Other, S200, S304, S400, S404, S405, S500, S503};
        matches!(self, S200 | S304 | S400 | S404 | S405 | S500 | S503 | Other)
    }
}

/// Every label set of `http_requests_total` on this route.
pub(super) fn http_label_sets(route: RouteLabel) -> impl Iterator<Item = (Method, Status)> {
    Method::ALL.iter().flat_map(move |method| Status::of(route).map(|status| (*method, status)))
}
