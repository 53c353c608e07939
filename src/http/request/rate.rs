//! Limits on how many outputs a client may have computed.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue};
use moka::sync::Cache;

use super::client::{Client, Identity};
use crate::http::config::{AuthConfig, RateConfig};
use crate::http::response::problem::{Kind, Problem};
use crate::metrics::Metrics;

/// Clients that are counted, at about 300 bytes each. When there are more, those who asked least are forgotten and may
/// begin anew.
const MAX_CLIENTS: u64 = 32_768;

const MINUTE: Duration = Duration::from_secs(60);

/// How long a client that asks nothing is counted at most.
const LONGEST_COUNTED: Duration = Duration::from_secs(30 * 24 * 3600);

/// What is left to a client (draft-ietf-httpapi-ratelimit-headers), and the rule.
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The limits of all clients.
pub struct RateLimits {
    rates: RateConfig,
    /// The rate of each key, where it has one of its own.
    of_keys: Vec<Option<u32>>,
    buckets: Cache<Identity, Arc<Bucket>>,
    metrics: Arc<Metrics>,
}

/// What a client had computed, as the time that its rate allows for that (the generic cell rate algorithm, ITU-T
/// I.371). Libraries refuse what is more than a burst; here a batch may be, and its client waits the longer.
#[derive(Debug)]
struct Bucket {
    /// When nothing counts any more.
    empty_at: Mutex<Instant>,
}

/// The rule for a client.
#[derive(Clone, Copy, Debug)]
struct Rate {
    per_minute: NonZeroU32,
    /// Outputs that may be computed at once.
    burst: NonZeroU32,
}

/// What is left to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    /// Outputs that may be computed at once.
    burst: u32,
    /// Time in which as many are allowed again.
    window: Duration,
    /// Outputs that may be computed now.
    remaining: u32,
    /// Time until more are allowed.
    wait: Duration,
}

impl RateLimits {
    /// Nobody is counted yet. No request asks for more than `most_outputs`.
    pub fn new(rates: RateConfig, auth: &AuthConfig, most_outputs: usize, metrics: Arc<Metrics>) -> RateLimits {
        let of_keys: Vec<Option<u32>> = auth.keys.iter().map(|key| key.rate).collect();
        let all = of_keys.iter().copied().chain([None]).filter_map(|own| rates.of(own));
        let most = u32::try_from(most_outputs).unwrap_or(u32::MAX);
        // A client may be forgotten when nothing that it had computed counts any more.
        let counts_for = |rate: Rate| rate.time_of(most.saturating_add(rate.burst.get()));
        let longest = all.map(|(per_minute, burst)| counts_for(Rate { per_minute, burst })).max();
        let longest = longest.unwrap_or(MINUTE).clamp(MINUTE, LONGEST_COUNTED);
        let buckets = Cache::builder().max_capacity(MAX_CLIENTS).time_to_idle(longest).build();
        RateLimits { rates, of_keys, buckets, metrics }
    }

    /// Counts the `outputs` that are to be computed for `client`; they are asked for only where there is a limit. More
    /// than a client may have at once are let through together where it had none, or a batch would be refused for ever;
    /// the client then waits until its rate allows for all of them.
    ///
    /// # Errors
    /// `rate_limited`, with nothing counted.
    pub(crate) async fn charge(&self, client: &Client, outputs: impl Future<Output = usize>) -> Result<(), Problem> {
        let own = match client.identity {
            Identity::Key(at) => self.of_keys.get(at).copied().flatten(),
            Identity::Address(_) => None,
        };
        let Some((per_minute, burst)) = self.rates.of(own) else { return Ok(()) };
        let rate = Rate { per_minute, burst };
        let outputs = u32::try_from(outputs.await).unwrap_or(u32::MAX);
        if outputs == 0 {
            return Ok(());
        }
        let now = Instant::now();
        let bucket = self.buckets.get_with(client.identity, || Arc::new(Bucket { empty_at: Mutex::new(now) }));
        let taken = bucket.take(rate, outputs, now);
        let (remaining, wait) = taken.map_or_else(|wait| (0, wait), |counts_for| (rate.left(counts_for), counts_for));
        let window = rate.time_of(burst.get());
        let _ = client.allowance.set(Allowance { burst: burst.get(), window, remaining, wait });
        taken.map(|_| ()).map_err(|wait| {
            self.metrics.rate_limited();
            Problem::new(Kind::RateLimited, "more outputs than this client may have computed in a minute")
                .with("limit_per_minute", per_minute.get())
                .retry_after(wait)
        })
    }
}

impl Bucket {
    /// Counts `outputs`. Returns for how long what the client had counts from `now` on.
    ///
    /// # Errors
    /// The time until so many are allowed, with nothing counted.
    fn take(&self, rate: Rate, outputs: u32, now: Instant) -> Result<Duration, Duration> {
        let mut empty_at = self.empty_at.lock().unwrap_or_else(PoisonError::into_inner);
        let counts_for = empty_at.saturating_duration_since(now);
        let at_once = rate.time_of(outputs.min(rate.burst.get()));
        let wait = (counts_for + at_once).saturating_sub(rate.time_of(rate.burst.get()));
        if !wait.is_zero() {
            return Err(wait);
        }
        let counts_for = counts_for + rate.time_of(outputs);
        *empty_at = now + counts_for;
        Ok(counts_for)
    }
}

impl Rate {
    /// The time in which so many outputs are allowed.
    fn time_of(self, outputs: u32) -> Duration {
        MINUTE * outputs / self.per_minute.get()
    }

    /// Outputs that may be computed now by a client whose outputs count for this time.
    fn left(self, counts_for: Duration) -> u32 {
        let left = self.time_of(self.burst.get()).saturating_sub(counts_for);
        // Times are rounded down to nanoseconds.
        let left = left + Duration::from_micros(1);
        (left.as_nanos() * u128::from(self.per_minute.get()) / MINUTE.as_nanos()) as u32
    }
}

impl Allowance {
    /// Adds the headers that say what is left.
    pub(crate) fn add_headers(&self, headers: &mut HeaderMap) {
        let Allowance { burst, window, remaining, wait } = self;
        let mut insert = |name, text: String| {
            headers.insert(name, HeaderValue::try_from(text).expect("names and numbers are visible ASCII"));
        };
        insert(RATELIMIT_POLICY, format!("\"outputs\";q={burst};w={}", seconds(*window)));
        insert(RATELIMIT, format!("\"outputs\";r={remaining};t={}", seconds(*wait)));
    }
}

fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use futures_util::FutureExt;

    use super::*;

    fn limits(per_minute: u32, burst: u32) -> RateLimits {
        RateLimits::new(RateConfig { per_minute, burst }, &AuthConfig::default(), 1000, Arc::new(Metrics::new()))
    }

    fn charge(limits: &RateLimits, client: &Client, outputs: usize) -> Result<(), Problem> {
        limits.charge(client, async { outputs }).now_or_never().unwrap()
    }

    fn client(number: u32) -> Client {
        Client::new(None, Ipv4Addr::from_bits(number).into())
    }

    #[test]
    fn a_burst_is_let_through_and_the_next_output_waits() {
        let limits = limits(60, 10);
        let one = client(1);
        assert!((0..10).all(|_| charge(&limits, &one, 1).is_ok()));
        let refused = charge(&limits, &Client::new(None, Ipv4Addr::from_bits(1).into()), 1).unwrap_err();
        assert_eq!(refused.kind(), Kind::RateLimited);
        assert!(charge(&limits, &client(2), 1).is_ok(), "another client");
        assert!(limits.metrics.render().contains("bytefit_rate_limited_total 1"));
    }

    #[test]
    fn more_than_a_burst_is_paid_for_later() {
        let rate = Rate { per_minute: NonZeroU32::new(60).unwrap(), burst: NonZeroU32::new(10).unwrap() };
        let now = Instant::now();
        let bucket = Bucket { empty_at: Mutex::new(now) };
        let after = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(bucket.take(rate, 100, now), Ok(Duration::from_secs(100)));
        assert_eq!(bucket.take(rate, 1, now), Err(Duration::from_secs(91)));
        assert_eq!(bucket.take(rate, 100, after(60)), Err(Duration::from_secs(40)));
        assert_eq!(bucket.take(rate, 1, after(91)), Ok(Duration::from_secs(10)));
        assert_eq!(rate.left(Duration::from_secs(4)), 6);
    }

    #[test]
    fn a_set_counts_each_output() {
        let limits = limits(60, 10);
        assert!(charge(&limits, &client(1), 7).is_ok());
        assert!(charge(&limits, &client(1), 4).is_err());
        assert!(charge(&limits, &client(1), 3).is_ok(), "a refusal counts nothing");
        assert!(charge(&limits, &client(2), 32).is_ok(), "more than a burst are let through together");
        assert!(charge(&limits, &client(2), 1).is_err());
        assert!(charge(&limits, &client(2), 0).is_ok(), "nothing to compute");
    }

    #[test]
    fn what_is_left_is_said() {
        let limits = limits(60, 10);
        let client = client(1);
        charge(&limits, &client, 4).unwrap();
        let mut headers = HeaderMap::new();
        client.allowance.get().unwrap().add_headers(&mut headers);
        assert_eq!(headers[RATELIMIT_POLICY], "\"outputs\";q=10;w=10");
        assert_eq!(headers[RATELIMIT], "\"outputs\";r=6;t=4");
    }

    #[test]
    fn the_clients_that_are_counted_are_bounded() {
        let limits = limits(60, 10);
        for number in 0..100_000 {
            let _ = charge(&limits, &client(number), 1);
        }
        limits.buckets.run_pending_tasks();
        assert!(limits.buckets.entry_count() <= MAX_CLIENTS, "{}", limits.buckets.entry_count());
    }

    #[test]
    fn without_a_limit_nobody_is_counted() {
        let limits = limits(0, 0);
        assert!((0..1000).all(|_| charge(&limits, &client(1), 32).is_ok()));
        assert_eq!(limits.buckets.entry_count(), 0);
    }
}
