//! Requests and connections, answered and refused.

use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntCounterVec};

use super::history::is_refusal;
use super::labels::{AuthRefusal, Method, RouteLabel, Shed, Status};
use super::requests::RequestCounter;
use super::{Metrics, SECONDS, table};

table::metrics! {
    /// What became of requests.
    pub(super) struct Http {
        /// HTTP requests answered.
        http_requests_total: RequestCounter["route", "method", "status"];
        /// Time from a request's head to the end of its answer's head, in seconds.
        http_request_duration_seconds: Histogram[] in SECONDS;
        /// Requests and connections refused.
        shed_total: IntCounterVec["reason"];
        /// Requests refused because their client had too many outputs computed.
        rate_limited_total: IntCounter[];
        /// Requests refused for their key.
        auth_refused_total: IntCounterVec["reason"];
    }
}

impl Http {
    pub(super) fn start_at_zero(&self, routes: impl IntoIterator<Item = RouteLabel>) {
        self.http_requests_total.start_at_zero(routes);
        for reason in Shed::ALL {
            self.shed_total.with_label_values(&[reason.name()]);
        }
        for reason in AuthRefusal::ALL {
            self.auth_refused_total.with_label_values(&[reason.name()]);
        }
    }
}

impl Metrics {
    /// Counts an answered HTTP request. A method or status that is no [`Method`] or [`Status`] counts as `other`.
    /// Routes that compute answers count for [`Metrics::latency`], but for refusals.
    pub(crate) fn http_request(&self, route: RouteLabel, method: &str, code: u16, elapsed: Duration) {
        let method = Method::from_name(method).unwrap_or(Method::Other);
        let status = Status::from_code(route, code);
        self.http.http_requests_total.add(route, method, status);
        self.http.http_request_duration_seconds.observe(elapsed.as_secs_f64());
        if route.computes {
            if !is_refusal(code) {
                self.recent.add(elapsed);
            }
            self.history.count(|now| now.request(code, status, elapsed));
        }
    }

    /// Counts a request or connection that was refused.
    pub(crate) fn shed(&self, reason: Shed) {
        self.http.shed_total.with_label_values(&[reason.name()]).inc();
        self.history.count(|now| now.shed += 1);
    }

    /// Counts a request that was refused because its client had too many outputs computed.
    pub(crate) fn rate_limited(&self) {
        self.http.rate_limited_total.inc();
    }

    /// Counts a request that was refused for its key.
    pub(crate) fn auth_refused(&self, reason: AuthRefusal) {
        self.http.auth_refused_total.with_label_values(&[reason.name()]).inc();
    }

    /// HTTP requests answered.
    pub(crate) fn requests(&self) -> u64 {
        self.http.http_request_duration_seconds.get_sample_count()
    }
}
