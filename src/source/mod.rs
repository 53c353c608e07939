//! Pictures by URL: fetched from public hosts only, under limits, once for all requests that want the same.
//!
//! A URL is checked as text (`location`), every name when it is resolved (`names`), and every redirect like the first
//! URL. Equal fetches run once; their bytes are kept for a moment, since pages ask for one picture in several sizes.

mod address;
mod config;
mod error;
mod fetch;
mod host;
mod location;
mod names;
mod own;
mod retries;
mod signature;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use moka::sync::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout_at};

pub use config::{AllowedHost, Config};
pub use error::{Refusal, SourceError};
pub use fetch::{Fetched, Version};
use fetch::{Fetcher, HostAnswer};
use host::{HostState, Hosts};
pub use location::Location;
use names::SystemNames;
pub use names::{Lookup, Names};
use retries::Retries;
pub use signature::{HexSecret, Signer};

use crate::engine::single_flight::Flights;
use crate::engine::{MemoryLease, Upload};
use crate::job::Stop;
use crate::metrics::{FetchResult, Metrics};

/// Names the services that a request went through (RFC 8586), so that one that asks itself notices.
const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");

/// The name of this service there.
const CDN_NAME: &str = "bytefit";

/// How long the bytes of a picture are kept, and that there is none: a page asks for its pictures within that time.
const KEPT: Duration = Duration::from_secs(10);

/// Bytes of pictures that are kept, beside the memory of bodies.
const MAX_KEPT_BYTES: u64 = 32 << 20;

/// URLs whose version is remembered, at up to 600 bytes each, and for how long after the last use. An answer that is
/// cached is then served without asking the host, or after asking for changes only.
const MAX_KNOWN: u64 = 20_000;
const KNOWN_FOR: Duration = Duration::from_secs(24 * 3600);

/// How long after its freshness an answer may still be served while its host fails, as a host may allow for a day
/// (RFC 5861 s4 leaves the time to the cache).
const MAX_STALE: Duration = Duration::from_secs(24 * 3600);

/// How long a host that failed is not asked again for changes of a picture whose answer is served meanwhile.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// URLs of which it is remembered that there is no picture.
const MAX_MISSING: u64 = 10_000;

/// When to try again after waiting in vain for the turn to fetch.
const RETRY_BUSY: Duration = Duration::from_secs(1);

/// Fetches pictures. Clones share all state.
#[derive(Clone)]
pub struct UrlSource {
    config: Arc<Config>,
    signer: Arc<Signer>,
    /// `None` when pictures are not fetched.
    shared: Option<Arc<Shared>>,
}

/// What names mean, and who is trusted.
#[derive(Clone)]
pub struct Network {
    /// Looks names up.
    pub names: Arc<dyn Names>,
    /// Certificates of authorities in DER, beside the public ones.
    pub authorities: Vec<Vec<u8>>,
}

/// The state of all fetches.
struct Shared {
    fetcher: Fetcher,
    config: Arc<Config>,
    slots: Arc<Semaphore>,
    hosts: Hosts,
    flights: Flights<(blake3::Hash, bool), (), Result<HostAnswer, SourceError>>,
    known: Cache<blake3::Hash, Known>,
    kept: Cache<blake3::Hash, Kept>,
    missing: Cache<blake3::Hash, SourceError>,
    metrics: Arc<Metrics>,
}

/// A picture that was fetched a moment ago.
#[derive(Clone)]
struct Kept {
    bytes: Bytes,
    hash: blake3::Hash,
    version: Version,
}

/// What is known of the picture at a URL that was fetched before.
#[derive(Clone, Debug)]
pub struct Known {
    /// The hash of its bytes.
    pub hash: blake3::Hash,
    /// When it was changed last; when it was first fetched where the host does not say.
    pub last_modified: SystemTime,
    version: Version,
    fresh_until: Instant,
    /// Until when the host is not asked, since it failed.
    stale_until: Option<Instant>,
}

/// What may be done with an answer to a picture that was fetched before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It counts as unchanged for so long.
    Fresh(Duration),
    /// The host has to be asked for changes.
    Stale,
    /// The host could not be asked a moment ago, and is asked again in `ask_again_in`. Until then the answer is served.
    Excused {
        /// When the host is asked again.
        ask_again_in: Duration,
        /// How long ago it was fresh.
        stale_for: Duration,
    },
}

impl Known {
    /// What may be done with an answer to this picture now.
    pub fn freshness(&self) -> Freshness {
        let now = Instant::now();
        let left_until = |end: Instant| end.checked_duration_since(now).filter(|left| !left.is_zero());
        if let Some(left) = left_until(self.fresh_until) {
            return Freshness::Fresh(left);
        }
        let stale_for = now - self.fresh_until;
        match self.stale_until.and_then(left_until).filter(|_| stale_for < MAX_STALE) {
            Some(ask_again_in) => Freshness::Excused { ask_again_in, stale_for },
            None => Freshness::Stale,
        }
    }
}

impl UrlSource {
    /// Fetches as `config` says, with the name servers of the system. A picture may have `max_body_bytes` where the
    /// configuration has no limit of its own.
    ///
    /// # Errors
    /// The system names no name server, or the client can't be built.
    pub fn new(config: Config, max_body_bytes: u64, metrics: Arc<Metrics>) -> io::Result<UrlSource> {
        if !config.enabled {
            let signer = Arc::new(config.signer());
            return Ok(UrlSource { config: Arc::new(config), signer, shared: None });
        }
        let network = Network { names: Arc::new(SystemNames::new()?), authorities: Vec::new() };
        UrlSource::in_network(config, max_body_bytes, metrics, network)
    }

    /// Fetches as `config` says, in a network other than the public one.
    ///
    /// # Errors
    /// The client can't be built.
    pub fn in_network(
        config: Config,
        max_body_bytes: u64,
        metrics: Arc<Metrics>,
        network: Network,
    ) -> io::Result<UrlSource> {
        let max_bytes = if config.max_bytes == 0 { max_body_bytes } else { config.max_bytes };
        let config = Arc::new(config);
        let shared = Shared {
            fetcher: Fetcher::new((*config).clone(), max_bytes, network)?,
            config: config.clone(),
            slots: Arc::new(Semaphore::new(config.max_concurrent)),
            hosts: Hosts::new(config.per_host),
            flights: Flights::new(),
            known: Cache::builder().max_capacity(MAX_KNOWN).time_to_idle(KNOWN_FOR).build(),
            kept: kept(),
            missing: Cache::builder().max_capacity(MAX_MISSING).time_to_live(KEPT).build(),
            metrics,
        };
        let signer = Arc::new(config.signer());
        Ok(UrlSource { config, signer, shared: Some(Arc::new(shared)) })
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Verifies the signatures of links.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Whether pictures are fetched at all.
    ///
    /// # Errors
    /// [`SourceError::Disabled`].
    pub fn check_enabled(&self) -> Result<(), SourceError> {
        if self.shared.is_some() { Ok(()) } else { Err(SourceError::Disabled) }
    }

    /// Whether a request with these headers may name URLs: pictures are fetched at all, and it is not this service that
    /// asks itself.
    ///
    /// # Errors
    /// [`SourceError::Disabled`] and [`SourceError::NotAllowed`].
    pub fn check_request(&self, request: &HeaderMap) -> Result<(), SourceError> {
        self.check_enabled()?;
        if is_own(request) { Err(Refusal::Loop.into()) } else { Ok(()) }
    }

    /// Reads the URL of a request that has these headers, and checks what its text tells.
    ///
    /// # Errors
    /// [`SourceError::Disabled`], [`SourceError::Invalid`], [`SourceError::NotAllowed`].
    pub fn locate(&self, url: &str, request: &HeaderMap) -> Result<Location, SourceError> {
        self.check_request(request)?;
        Location::parse(url, &self.config).inspect_err(|error| self.count(error))
    }

    /// The picture at `location`: kept from a moment ago, fetched for another request, or fetched into the memory of
    /// `lease`.
    ///
    /// # Errors
    /// Every variant of [`SourceError`] but `Invalid`.
    ///
    /// # Cancel
    /// Dropping the future leaves the fetch to the others that wait for it; the last one ends it.
    pub async fn fetch(&self, location: &Location, lease: MemoryLease) -> Result<Fetched, SourceError> {
        let shared = self.shared.as_ref().ok_or(SourceError::Disabled)?;
        let key = location.hash();
        if let Some(kept) = shared.kept.get(&key) {
            return Ok(kept.with_lease(lease));
        }
        if let Some(missing) = shared.missing.get(&key) {
            return Err(missing);
        }
        match shared.join((key, false), location, None, lease).await? {
            HostAnswer::Picture(fetched) => Ok(fetched),
            HostAnswer::Unchanged => Err(SourceError::failed("the host answers a question that was not asked")),
        }
    }

    /// The picture at `location` if it is not the `known` one any more. Returns `None` when it is.
    ///
    /// # Errors
    /// As [`UrlSource::fetch`].
    pub async fn fetch_changed(
        &self,
        location: &Location,
        known: &Known,
        lease: MemoryLease,
    ) -> Result<Option<Fetched>, SourceError> {
        let shared = self.shared.as_ref().ok_or(SourceError::Disabled)?;
        let key = (location.hash(), true);
        match shared.join(key, location, Some(known.version.clone()), lease).await? {
            HostAnswer::Picture(fetched) => Ok(Some(fetched)),
            HostAnswer::Unchanged => Ok(None),
        }
    }

    /// Counts an answer that was served though its host could not be asked for changes.
    pub fn served_stale(&self) {
        if let Some(shared) = &self.shared {
            shared.metrics.source_served_stale();
        }
    }

    /// What is known of the picture at `location`.
    pub fn known(&self, location: &Location) -> Option<Known> {
        self.shared.as_ref()?.known.get(&location.hash())
    }

    fn count(&self, error: &SourceError) {
        if let Some(shared) = &self.shared {
            shared.metrics.source_fetched(result_of(error));
        }
    }
}

impl Shared {
    /// Joins the fetch of the same picture, or starts one.
    async fn join(
        self: &Arc<Shared>,
        key: (blake3::Hash, bool),
        location: &Location,
        version: Option<Version>,
        lease: MemoryLease,
    ) -> Result<HostAnswer, SourceError> {
        let stop = Stop::at(Instant::now() + self.config.timeout);
        let work = |()| self.clone().run(key.0, location.clone(), version, lease);
        let waiter = self.flights.join(key, stop, (), work);
        waiter.result().await.unwrap_or_else(|| Err(SourceError::failed("the fetch ended by a mistake of ours")))
    }

    /// One fetch for everyone who waits for it.
    async fn run(
        self: Arc<Shared>,
        key: blake3::Hash,
        location: Location,
        version: Option<Version>,
        lease: MemoryLease,
    ) -> Result<HostAnswer, SourceError> {
        // Another fetch may have ended between the look at what is kept and the start of this one.
        if let Some(kept) = self.kept.get(&key).filter(|_| version.is_none()) {
            return Ok(HostAnswer::Picture(kept.with_lease(lease)));
        }
        let found = self.fetch(location, version.as_ref(), lease).await;
        match &found {
            Ok(HostAnswer::Picture(fetched)) => {
                self.remember(key, fetched);
                self.keep(key, fetched);
            }
            Ok(HostAnswer::Unchanged) => self.renew(key),
            Err(error) if error.may_pass() => self.serve_stale(key),
            Err(error) => {
                self.known.invalidate(&key);
                self.kept.invalidate(&key);
                if let SourceError::NotFound { .. } = error {
                    self.missing.insert(key, error.clone());
                }
            }
        }
        self.metrics.source_fetched(match &found {
            Ok(HostAnswer::Picture(_)) => FetchResult::Ok,
            Ok(HostAnswer::Unchanged) => FetchResult::Unchanged,
            Err(error) => result_of(error),
        });
        found
    }

    /// Remembers the version of a picture that was fetched.
    fn remember(&self, key: blake3::Hash, fetched: &Fetched) {
        let hash = fetched.upload.hash;
        let before = self.known.get(&key).filter(|known| known.hash == hash).map(|known| known.last_modified);
        let last_modified = fetched.version.last_modified.or(before).unwrap_or_else(SystemTime::now);
        let (version, fresh_until) = (fetched.version.clone(), Instant::now() + self.config.ttl);
        self.known.insert(key, Known { hash, last_modified, version, fresh_until, stale_until: None });
    }

    /// Counts a picture as unchanged from now on.
    fn renew(&self, key: blake3::Hash) {
        if let Some(known) = self.known.get(&key) {
            let fresh_until = Instant::now() + self.config.ttl;
            self.known.insert(key, Known { fresh_until, stale_until: None, ..known });
        }
    }

    /// Lets what is known of a picture be served for a while, since its host failed.
    fn serve_stale(&self, key: blake3::Hash) {
        if let Some(known) = self.known.get(&key) {
            self.known.insert(key, Known { stale_until: Some(Instant::now() + ASK_AGAIN), ..known });
        }
    }

    /// Keeps the bytes for a moment. moka frees what is too old when it is used the next time, or told to.
    fn keep(&self, key: blake3::Hash, fetched: &Fetched) {
        let Fetched { upload, version } = fetched;
        self.kept.insert(key, Kept { bytes: upload.bytes.clone(), hash: upload.hash, version: version.clone() });
        self.kept.run_pending_tasks();
        let kept = self.kept.clone();
        tokio::spawn(async move {
            sleep(KEPT).await;
            kept.run_pending_tasks();
        });
    }

    async fn fetch(
        &self,
        location: Location,
        known: Option<&Version>,
        lease: MemoryLease,
    ) -> Result<HostAnswer, SourceError> {
        let host = self.hosts.of(location.host());
        host.check(Instant::now()).map_err(|retry_after| SourceError::Unavailable { retry_after })?;
        let limit = self.config.timeout;
        let end = tokio::time::Instant::now() + limit;
        let turn = timeout_at(end, self.turn(&host)).await;
        let _turn = turn.map_err(|_| SourceError::Unavailable { retry_after: RETRY_BUSY })?;
        let started = Instant::now();
        host.begin();
        let retries = Retries::new(&host, end, &self.metrics);
        let fetched = timeout_at(end, self.fetcher.fetch(location, known, lease, retries)).await;
        let fetched = fetched.unwrap_or(Err(SourceError::Timeout { limit }));
        self.metrics.source_took(started.elapsed());
        host.note(fetched.as_ref().is_err_and(SourceError::is_of_host), Instant::now());
        fetched
    }

    /// Waits for the right to fetch from `host`. Those who wait for a slow host keep nobody else from fetching.
    async fn turn(&self, host: &HostState) -> [OwnedSemaphorePermit; 2] {
        let of_host = host.slots.clone().acquire_owned().await;
        let of_all = self.slots.clone().acquire_owned().await;
        [of_host, of_all].map(|permit| permit.expect("the semaphores are never closed"))
    }
}

impl Kept {
    fn with_lease(self, lease: MemoryLease) -> Fetched {
        let Kept { bytes, hash, version } = self;
        Fetched { upload: Upload { bytes, hash, lease }, version }
    }
}

/// The pictures that are kept, bounded in bytes.
fn kept() -> Cache<blake3::Hash, Kept> {
    let weight = |_: &blake3::Hash, kept: &Kept| u32::try_from(kept.bytes.len()).unwrap_or(u32::MAX);
    Cache::builder().max_capacity(MAX_KEPT_BYTES).weigher(weight).time_to_live(KEPT).build()
}

/// Whether this service sent the request.
fn is_own(request: &HeaderMap) -> bool {
    let values = request.get_all(CDN_LOOP).iter().filter_map(|value| value.to_str().ok());
    let names = values.flat_map(|value| value.split(',')).filter_map(|item| item.split(';').next());
    names.into_iter().any(|name| name.trim().eq_ignore_ascii_case(CDN_NAME))
}

fn result_of(error: &SourceError) -> FetchResult {
    match error {
        SourceError::Disabled | SourceError::NotAllowed(_) | SourceError::RedirectNotAllowed(_) => {
            FetchResult::NotAllowed
        }
        SourceError::Invalid(_) => FetchResult::Invalid,
        SourceError::NotFound { .. } => FetchResult::NotFound,
        SourceError::TooLarge { .. } => FetchResult::TooLarge,
        SourceError::Failed { .. } => FetchResult::Failed,
        SourceError::Timeout { .. } => FetchResult::Timeout,
        SourceError::Unavailable { .. } => FetchResult::Unavailable,
        SourceError::NoMemory { .. } => FetchResult::NoMemory,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_of_this_service_is_noticed() {
        let own = |value: &str| is_own(&HeaderMap::from_iter([(CDN_LOOP, value.parse().unwrap())]));
        assert!(own("bytefit") && own("other; v=1, Bytefit ;v=2") && !own("other, mybytefit") && !own(""));
    }
}
