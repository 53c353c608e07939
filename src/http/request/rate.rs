//! Limits on how many outputs a client may have computed.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use http::{HeaderMap, HeaderName, HeaderValue};
use moka::sync::Cache;

use super::client::{Client, Identity};
use crate::http::config::{AuthConfig, RateConfig};
use crate::http::response::problem::{Kind, Problem};
use crate::metrics::Metrics;

/// Clients that are counted, at about 300 bytes each. When there are more, those who asked least are forgotten and may begin
/// anew.
const MAX_CLIENTS: u64 = 32_768;

/// How long a client that asks nothing is counted at least. Its minute is over by then.
const MINUTE: Duration = Duration::from_secs(60);

/// What is left to a client (draft-ietf-httpapi-ratelimit-headers), and the rule.
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

type Bucket = RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>;

/// The limits of all clients.
pub struct RateLimits {
    rates: RateConfig,
    /// The rate of each key, where it has one of its own.
    of_keys: Vec<Option<u32>>,
    buckets: Cache<Identity, Arc<Bucket>>,
    metrics: Arc<Metrics>,
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
    /// Nobody is counted yet.
    pub fn new(rates: RateConfig, auth: &AuthConfig, metrics: Arc<Metrics>) -> RateLimits {
        let of_keys: Vec<Option<u32>> = auth.keys.iter().map(|key| key.rate).collect();
        let windows = of_keys.iter().copied().chain([None]).filter_map(|own| rates.of(own));
        let longest = windows.map(|(per_minute, burst)| window(per_minute, burst)).max().unwrap_or(MINUTE);
        let buckets = Cache::builder().max_capacity(MAX_CLIENTS).time_to_idle(longest.max(MINUTE)).build();
        RateLimits { rates, of_keys, buckets, metrics }
    }

    /// Counts the `outputs` that are to be computed for `client`; they are asked for only where there is a limit. As many as a
    /// client may ever have at once are let through together, or a large set would be refused for ever.
    ///
    /// # Errors
    /// `rate_limited`, with nothing counted.
    pub(crate) async fn charge(&self, client: &Client, outputs: impl Future<Output = usize>) -> Result<(), Problem> {
        let own = match client.identity {
            Identity::Key(at) => self.of_keys.get(at).copied().flatten(),
            Identity::Address(_) => None,
        };
        let Some((per_minute, burst)) = self.rates.of(own) else { return Ok(()) };
        let outputs = u32::try_from(outputs.await).unwrap_or(u32::MAX).min(burst.get());
        let Some(outputs) = NonZeroU32::new(outputs) else { return Ok(()) };
        let bucket = self.buckets.get_with(client.identity, || Arc::new(bucket(per_minute, burst)));
        let window = window(per_minute, burst);
        match bucket.check_n(outputs).expect("no more than the burst is asked for") {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                let wait = window / burst.get() * (burst.get() - remaining);
                let _ = client.allowance.set(Allowance { burst: burst.get(), window, remaining, wait });
                Ok(())
            }
            Err(until) => {
                let wait = until.wait_time_from(DefaultClock::default().now());
                let _ = client.allowance.set(Allowance { burst: burst.get(), window, remaining: 0, wait });
                self.metrics.rate_limited();
                Err(Problem::new(Kind::RateLimited, "more outputs than this client may have computed in a minute")
                    .with("limit_per_minute", per_minute.get())
                    .retry_after(wait))
            }
        }
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

fn bucket(per_minute: NonZeroU32, burst: NonZeroU32) -> Bucket {
    RateLimiter::direct(Quota::per_minute(per_minute).allow_burst(burst)).with_middleware()
}

/// The time in which a burst is allowed again.
fn window(per_minute: NonZeroU32, burst: NonZeroU32) -> Duration {
    MINUTE / per_minute.get() * burst.get()
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
        RateLimits::new(RateConfig { per_minute, burst }, &AuthConfig::default(), Arc::new(Metrics::new()))
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
    fn a_set_counts_each_output() {
        let limits = limits(60, 10);
        assert!(charge(&limits, &client(1), 7).is_ok());
        assert!(charge(&limits, &client(1), 4).is_err());
        assert!(charge(&limits, &client(1), 3).is_ok(), "a refusal counts nothing");
        assert!(charge(&limits, &client(2), 32).is_ok(), "more than a burst is a burst");
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
