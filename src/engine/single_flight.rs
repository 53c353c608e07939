//! Single flight: identical requests share one computation.
//!
//! The computation is a task of its own, not the future of a request. If the request that started it is dropped, the
//! others keep the computation; when the last of them is dropped, it stops.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::job::Stop;

/// The computations that are running, by key.
pub(crate) struct Flights<K, I, T> {
    shared: Arc<Shared<K, I, T>>,
}

struct Shared<K, I, T> {
    flights: Mutex<InFlight<K, I, T>>,
}

struct InFlight<K, I, T> {
    by_key: HashMap<K, Flight<I, T>>,
    /// Number of the next flight, which tells it from earlier ones under the same key.
    next_number: u64,
}

struct Flight<I, T> {
    number: u64,
    waiters: usize,
    input: I,
    stop: Stop,
    task: AbortHandle,
    result: watch::Receiver<Option<T>>,
}

/// A request that waits for a computation.
///
/// # Cancel
/// Dropping the last waiter of a computation stops it.
pub(crate) struct Waiter<K: Eq + Hash + Copy, I, T> {
    shared: Arc<Shared<K, I, T>>,
    key: K,
    number: u64,
    /// The input of the computation; `None` for the waiter that started it.
    input: Option<I>,
    result: watch::Receiver<Option<T>>,
}

impl<K, I, T> Flights<K, I, T>
where
    K: Eq + Hash + Copy + Send + 'static,
    I: Clone + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Starts without computations.
    pub(crate) fn new() -> Flights<K, I, T> {
        let flights = Mutex::new(InFlight { by_key: HashMap::new(), next_number: 0 });
        Flights { shared: Arc::new(Shared { flights }) }
    }

    /// Joins the computation under `key`, or starts one with `work` on `input`, which `stop` stops.
    ///
    /// Equal keys mean equal inputs: a request that joins drops its own input and shares the first one.
    ///
    /// Must be called inside a tokio runtime, where the computation becomes a task.
    pub(crate) fn join<F>(&self, key: K, stop: Stop, input: I, work: impl FnOnce(I) -> F) -> Waiter<K, I, T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut in_flight = self.shared.lock();
        let number = in_flight.next_number;
        match in_flight.by_key.entry(key) {
            Entry::Occupied(mut flight) => {
                let flight = flight.get_mut();
                flight.waiters += 1;
                self.waiter(key, flight, Some(flight.input.clone()))
            }
            Entry::Vacant(entry) => {
                let task = work(input.clone());
                let flight = entry.insert(self.start(key, number, stop, input, task));
                let waiter = self.waiter(key, flight, None);
                in_flight.next_number += 1;
                waiter
            }
        }
    }

    fn waiter(&self, key: K, flight: &Flight<I, T>, input: Option<I>) -> Waiter<K, I, T> {
        let result = flight.result.clone();
        Waiter { shared: Arc::clone(&self.shared), key, number: flight.number, input, result }
    }

    fn start(
        &self,
        key: K,
        number: u64,
        stop: Stop,
        input: I,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Flight<I, T> {
        let (sender, result) = watch::channel(None);
        let remove_on_drop = RemoveOnDrop { shared: Arc::clone(&self.shared), key, number };
        let task = async move {
            let result = work.await;
            // Removed before the result is sent: a later request must not find a flight that is over.
            drop(remove_on_drop);
            // Sending fails when every waiter was dropped, which is fine.
            let _ = sender.send(Some(result));
        };
        let task = tokio::spawn(task).abort_handle();
        Flight { number, waiters: 1, input, stop, task, result }
    }
}

impl<K, I, T> Shared<K, I, T> {
    /// The map is whole even if the lock is poisoned: nothing under it can panic halfway through a change.
    fn lock(&self) -> MutexGuard<'_, InFlight<K, I, T>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash + Copy, I, T: Clone> Waiter<K, I, T> {
    /// The input of the computation. Returns `None` when this waiter started it, or the second time.
    pub(crate) fn input_of_another(&mut self) -> Option<I> {
        self.input.take()
    }

    /// The result. Returns `None` when the computation's task panicked.
    pub(crate) async fn result(mut self) -> Option<T> {
        let result = self.result.wait_for(Option::is_some).await.ok()?;
        (*result).clone()
    }
}

impl<K: Eq + Hash + Copy, I, T> Drop for Waiter<K, I, T> {
    fn drop(&mut self) {
        let mut in_flight = self.shared.lock();
        let Entry::Occupied(mut flight) = in_flight.by_key.entry(self.key) else { return };
        if flight.get().number != self.number {
            return;
        }
        flight.get_mut().waiters -= 1;
        if flight.get().waiters > 0 {
            return;
        }
        // Removed under the lock and before it is stopped, so that the next request starts a new one.
        let flight = flight.remove();
        drop(in_flight);
        flight.stop.cancel();
        flight.task.abort();
    }
}

/// Removes a flight when its task ends, by a panic too.
struct RemoveOnDrop<K: Eq + Hash + Copy, I, T> {
    shared: Arc<Shared<K, I, T>>,
    key: K,
    number: u64,
}

impl<K: Eq + Hash + Copy, I, T> Drop for RemoveOnDrop<K, I, T> {
    fn drop(&mut self) {
        let mut in_flight = self.shared.lock();
        let removed = match in_flight.by_key.entry(self.key) {
            Entry::Occupied(flight) if flight.get().number == self.number => Some(flight.remove()),
            _ => None,
        };
        drop(in_flight);
        // Its input may be large, and to free it takes time, for which nobody else should wait.
        drop(removed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use tokio::sync::oneshot;

    use super::*;
    use crate::job::StopReason;

    fn stop() -> Stop {
        Stop::at(Instant::now() + Duration::from_secs(3600))
    }

    #[tokio::test]
    async fn everyone_who_joins_gets_the_one_result() {
        let flights = Flights::<u8, (), usize>::new();
        let count = Arc::new(AtomicUsize::new(0));
        let (release, released) = oneshot::channel::<()>();
        let mut released = Some(released);
        let waiters: Vec<_> = (0..30)
            .map(|_| {
                flights.join(1, stop(), (), |()| {
                    let count = Arc::clone(&count);
                    let released = released.take();
                    async move {
                        released.expect("only one computation starts").await.unwrap();
                        count.fetch_add(1, Ordering::SeqCst)
                    }
                })
            })
            .collect();
        assert_eq!(waiters.iter().filter(|waiter| waiter.input.is_none()).count(), 1);
        release.send(()).unwrap();
        for waiter in waiters {
            assert_eq!(waiter.result().await, Some(0));
        }
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_leader_that_is_dropped_stops_nothing_while_others_wait() {
        let flights = Flights::<u8, (), &str>::new();
        let (release, released) = oneshot::channel::<()>();
        let stop = stop();
        let leader = flights.join(1, stop.clone(), (), |()| async {
            released.await.unwrap();
            "done"
        });
        let other = flights.join(1, stop.clone(), (), |()| async { "restarted" });
        drop(leader);
        release.send(()).unwrap();
        assert_eq!(other.result().await, Some("done"));
        assert_eq!(stop.reason(), None);
    }

    #[tokio::test]
    async fn dropping_the_last_waiter_stops_the_computation_and_the_next_starts_a_new_one() {
        let flights = Flights::<u8, (), &str>::new();
        let (mut dropped, held) = oneshot::channel::<()>();
        let stop = stop();
        let first = flights.join(1, stop.clone(), (), |()| async {
            held.await.unwrap();
            "first"
        });
        let second = flights.join(1, stop.clone(), (), |()| async { "second" });
        drop(first);
        assert_eq!(stop.reason(), None);
        drop(second);
        assert_eq!(stop.reason(), Some(StopReason::Cancelled));
        let next = flights.join(1, self::stop(), (), |()| async { "next" });
        assert!(next.input.is_none(), "it started the computation");
        assert_eq!(next.result().await, Some("next"));
        dropped.closed().await;
    }

    #[tokio::test]
    async fn a_computation_that_panics_fails_only_those_that_wait_for_it() {
        let flights = Flights::<u8, (), &str>::new();
        let first = flights.join(1, stop(), (), |()| async { panic!("a bug") });
        let second = flights.join(1, stop(), (), |()| async { "second" });
        assert_eq!((first.result().await, second.result().await), (None, None));
        assert_eq!(flights.join(1, stop(), (), |()| async { "again" }).result().await, Some("again"));
    }

    #[tokio::test]
    async fn other_keys_are_computed_on_their_own() {
        let flights = Flights::<u8, (), &str>::new();
        let one = flights.join(1, stop(), (), |()| async { "one" });
        let two = flights.join(2, stop(), (), |()| async { "two" });
        assert_eq!((one.result().await, two.result().await), (Some("one"), Some("two")));
    }

    #[tokio::test]
    async fn a_flight_that_is_over_is_removed() {
        let flights = Flights::<u8, (), &str>::new();
        let first = flights.join(1, stop(), (), |()| async { "first" });
        assert_eq!(first.result().await, Some("first"));
        assert!(flights.shared.lock().by_key.is_empty());
    }

    #[tokio::test]
    async fn a_request_that_joins_shares_the_input_and_drops_its_own() {
        let flights = Flights::<u8, Arc<str>, usize>::new();
        let first: Arc<str> = "picture".into();
        let second: Arc<str> = "picture".into();
        let mut leader = flights.join(1, stop(), first.clone(), |input| async move { input.len() });
        let mut other = flights.join(1, stop(), second.clone(), |_| async { 0 });
        assert_eq!(Arc::strong_count(&second), 1);
        assert!(leader.input_of_another().is_none());
        assert!(Arc::ptr_eq(&other.input_of_another().unwrap(), &first));
        assert_eq!((leader.result().await, other.result().await), (Some(7), Some(7)));
        assert_eq!(Arc::strong_count(&first), 1);
    }
}
