//! The values that labels may have.

use crate::named::named;

/// An endpoint in the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteLabel {
    /// The value of the label `route`.
    pub name: &'static str,
    /// Whether it computes answers: if so, it answers with every status, and its times count for the latency.
    pub computes: bool,
}

impl RouteLabel {
    /// Any unknown path.
    pub const OTHER: RouteLabel = RouteLabel { name: "other", computes: false };
}

named! {
    /// A method of a request.
    pub(crate) enum Method {
        Get = "GET",
        Head = "HEAD",
        Post = "POST",
        Delete = "DELETE",
        Options = "OPTIONS",
        Other = "other",
    }
}

named! {
    /// A status code that the service answers with.
    pub(crate) enum Status {
        S200 = "200",
        S202 = "202",
        S204 = "204",
        S304 = "304",
        S308 = "308",
        S400 = "400",
        S401 = "401",
        S403 = "403",
        S404 = "404",
        S405 = "405",
        S406 = "406",
        S408 = "408",
        S409 = "409",
        S410 = "410",
        S413 = "413",
        S415 = "415",
        S422 = "422",
        S429 = "429",
        S500 = "500",
        S502 = "502",
        S503 = "503",
        S504 = "504",
        /// Any other status on this route.
        Other = "other",
    }
}

named! {
    /// A stage of a job.
    pub(crate) enum Stage {
        Queue = "queue",
        Decode = "decode",
        Transform = "transform",
        Search = "search",
        /// From the complete body to the answer.
        Total = "total",
    }
}

named! {
    /// The result of a lookup in the cache.
    pub(crate) enum CacheResult {
        Hit = "hit",
        Miss = "miss",
        /// Waited for an identical request.
        Collapsed = "collapsed",
    }
}

named! {
    /// A tier of the cache of results.
    pub enum CacheTier {
        /// The memory of this process.
        Memory = "memory",
        /// A directory of this machine.
        Disk = "disk",
        /// A Redis that machines share.
        Redis = "redis",
    }
}

named! {
    /// The result of a lookup in one tier of the cache.
    pub(crate) enum TierResult {
        Hit = "hit",
        Miss = "miss",
        /// The tier failed, or what it had was damaged.
        Error = "error",
        /// The tier was not asked, because it failed before.
        Off = "off",
    }
}

impl CacheTier {
    /// The tiers that can fail, and are then left alone for a while.
    pub(crate) const FALLIBLE: [CacheTier; 2] = [CacheTier::Disk, CacheTier::Redis];
}

named! {
    /// How the fetch of a picture by URL ended.
    pub(crate) enum FetchResult {
        Ok = "ok",
        /// The host says that the picture is the one that was fetched before.
        Unchanged = "unchanged",
        /// The text is no URL.
        Invalid = "invalid",
        NotAllowed = "not_allowed",
        NotFound = "not_found",
        TooLarge = "too_large",
        Failed = "failed",
        Timeout = "timeout",
        /// The host is left alone for a while, or too many fetches were under way.
        Unavailable = "unavailable",
        NoMemory = "no_memory",
    }
}

named! {
    /// What was wrong with the key of a request that was refused.
    pub(crate) enum AuthRefusal {
        Missing = "missing",
        Invalid = "invalid",
    }
}

named! {
    /// How a worker process ended in the middle of a job.
    pub enum WorkerDeath {
        /// It called abort, as C libraries do on an error that they don't return.
        Abort = "abort",
        /// Its stack was full.
        StackOverflow = "stack_overflow",
        /// It asked for more memory than its job may use.
        Memory = "memory",
        /// It broke a rule of the processor: SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP.
        Crash = "crash",
        /// It was killed by someone else: the system, when memory is short, or a person.
        Killed = "killed",
        /// It ended by itself, or answered what can't be understood.
        Other = "other",
    }
}

named! {
    /// The state of a batch.
    pub enum BatchState {
        /// No item has begun.
        Queued = "queued",
        /// Some items have not ended.
        Running = "running",
        /// Each item has ended.
        Done = "done",
        /// Each item failed, or one did of a batch that stops then.
        Failed = "failed",
        /// It was removed.
        Cancelled = "cancelled",
    }
}

named! {
    /// The state of an item of a batch that has not ended.
    pub(super) enum UnfinishedItem {
        Pending = "pending",
        Running = "running",
    }
}

named! {
    /// How an item of a batch ended.
    pub(crate) enum ItemResult {
        Done = "done",
        Failed = "failed",
        /// Not worked on: another item failed, or the batch was removed.
        Cancelled = "cancelled",
    }
}

named! {
    /// What became of a span.
    pub(crate) enum SpanResult {
        /// The collector took it.
        Sent = "sent",
        /// The collector did not take it in time, or refused it.
        Failed = "failed",
        /// The queue was full: the collector is slower than the requests.
        Dropped = "dropped",
    }
}

named! {
    /// Why a request or connection was refused.
    pub(crate) enum Shed {
        QueueFull = "queue_full",
        /// No thread or memory became free before the request's deadline.
        QueueTimeout = "queue_timeout",
        /// There was no memory for the request's body.
        Memory = "memory",
        Draining = "draining",
        /// Too many connections were open.
        Connections = "connections",
    }
}

impl Status {
    /// The label of this status code on this route.
    pub(crate) fn from_code(route: RouteLabel, code: u16) -> Status {
        let code = code.to_string();
        Status::of(route).find(|status| status.name() == code).unwrap_or(Status::Other)
    }

    /// The statuses of `route`. Only a route that computes answers has all of them, which keeps the table short.
    fn of(route: RouteLabel) -> impl Iterator<Item = Status> {
        // A path with a slash too many is none of the routes.
        let redirects = route == RouteLabel::OTHER;
        let is_answered = move |status: &Status| {
            let is_of_batches = route.name.starts_with("batch") && status.is_of_batches();
            route.computes || is_of_batches || status.is_answered_everywhere() || (redirects && *status == Status::S308)
        };
        Status::ALL.iter().copied().filter(is_answered)
    }

    /// What requests about batches are answered with too: a batch is taken, has not ended, or is refused.
    fn is_of_batches(self) -> bool {
        use Status::{S202, S403, S408, S409, S413, S415, S422, S429, S502, S504};
        matches!(self, S202 | S403 | S408 | S409 | S413 | S415 | S422 | S429 | S502 | S504)
    }

    fn is_answered_everywhere(self) -> bool {
        use Status::{Other, S200, S204, S304, S400, S401, S404, S405, S500, S503};
        matches!(self, S200 | S204 | S304 | S400 | S401 | S404 | S405 | S500 | S503 | Other)
    }
}

/// Every label set of `http_requests_total` on this route.
pub(super) fn http_label_sets(route: RouteLabel) -> impl Iterator<Item = (Method, Status)> {
    Method::ALL.iter().flat_map(move |method| Status::of(route).map(|status| (*method, status)))
}
