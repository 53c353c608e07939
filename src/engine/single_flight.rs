//! Single flight: identical requests wait for one computation. Must not know what is computed.
//!
//! The computation is a task of its own, never the future of a request: a leader that leaves neither stops
//! nor restarts it while others wait, and it ends when the last of them leaves.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::job::Stop;

/// The computations at work, by key.
pub struct Flights<K, I, T> {
    shared: Arc<Shared<K, I, T>>,
}

struct Shared<K, I, T> {
    flights: Mutex<InFlight<K, I, T>>,
}

struct InFlight<K, I, T> {
    by_key: HashMap<K, Flight<I, T>>,
    /// Number of the next flight: tells one apart from its successor under the same key.
    next: u64,
}

struct Flight<I, T> {
    number: u64,
    waiters: usize,
    input: I,
    stop: Stop,
    task: AbortHandle,
    result: watch::Receiver<Option<T>>,
}

/// A wait for a computation.
///
/// # Cancel
/// Dropping the last one of a computation stops it.
pub struct Waiter<K: Eq + Hash + Copy, I, T> {
    shared: Arc<Shared<K, I, T>>,
    key: K,
    number: u64,
    /// What the computation works on; none for the one who brought it.
    input: Option<I>,
    result: watch::Receiver<Option<T>>,
}

impl<K, I, T> Flights<K, I, T>
where
    K: Eq + Hash + Copy + Send + 'static,
    I: Clone + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// No computations.
    pub fn new() -> Flights<K, I, T> {
        let flights = Mutex::new(InFlight { by_key: HashMap::new(), next: 0 });
        Flights { shared: Arc::new(Shared { flights }) }
    }

    /// Joins the computation under `key`, or starts `work` on `input` as one; `stop` is what `work` asks.
    ///
    /// Equal keys have equal inputs: who joins lets go of its own and shares the one at work.
    ///
    /// Call it inside a tokio runtime: the computation is a task there.
    pub fn join<F>(&self, key: K, stop: Stop, input: I, work: impl FnOnce(I) -> F) -> Waiter<K, I, T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut in_flight = self.shared.lock();
        let number = in_flight.next;
        match in_flight.by_key.entry(key) {
            Entry::Occupied(mut flight) => {
                let flight = flight.get_mut();
                flight.waiters += 1;
                self.waiter(key, flight, Some(flight.input.clone()))
            }
            Entry::Vacant(place) => {
                let task = work(input.clone());
                let flight = place.insert(self.start(key, number, stop, input, task));
                let waiter = self.waiter(key, flight, None);
                in_flight.next += 1;
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
            // Off the shared first: whoever comes after the result was sent must not find a flight that has landed.
            drop(remove_on_drop);
            // Every waiter may have left; then there is nobody to tell.
            let _ = sender.send(Some(result));
        };
        let task = tokio::spawn(task).abort_handle();
        Flight { number, waiters: 1, input, stop, task, result }
    }
}

impl<K, I, T> Shared<K, I, T> {
    /// A poisoned lock still guards a whole shared: nothing that can panic runs between two changes.
    fn lock(&self) -> MutexGuard<'_, InFlight<K, I, T>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash + Copy, I, T: Clone> Waiter<K, I, T> {
    /// What the computation works on, where another one started it.
    pub fn input_of_another(&mut self) -> Option<I> {
        self.input.take()
    }

    /// The result; none when the computation's task died.
    pub async fn result(mut self) -> Option<T> {
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
        // Off the shared before it is stopped, and under the lock: the next request starts anew.
        let flight = flight.remove();
        drop(in_flight);
        flight.stop.cancel();
        flight.task.abort();
    }
}

/// Takes a flight off the shared when its task ends, however it ends.
struct RemoveOnDrop<K: Eq + Hash + Copy, I, T> {
    shared: Arc<Shared<K, I, T>>,
    key: K,
    number: u64,
}

impl<K: Eq + Hash + Copy, I, T> Drop for RemoveOnDrop<K, I, T> {
    fn drop(&mut self) {
        if let Entry::Occupied(flight) = self.shared.lock().by_key.entry(self.key)
            && flight.get().number == self.number
        {
            flight.remove();
        }
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
        let (count, (open, gate)) = (Arc::new(AtomicUsize::new(0)), oneshot::channel::<()>());
        let mut gate = Some(gate);
        let waiters: Vec<_> = (0..30)
            .map(|_| {
                flights.join(1, stop(), (), |()| {
                    let (count, gate) = (Arc::clone(&count), gate.take());
                    async move {
                        gate.expect("one flight departs").await.unwrap();
                        count.fetch_add(1, Ordering::SeqCst)
                    }
                })
            })
            .collect();
        assert_eq!(waiters.iter().filter(|waiter| waiter.input.is_none()).count(), 1);
        open.send(()).unwrap();
        for waiter in waiters {
            assert_eq!(waiter.result().await, Some(0));
        }
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_leader_that_leaves_stops_nothing_while_others_wait() {
        let flights = Flights::<u8, (), &str>::new();
        let (open, gate) = oneshot::channel::<()>();
        let stop = stop();
        let leader = flights.join(1, stop.clone(), (), |()| async {
            gate.await.unwrap();
            "done"
        });
        let other = flights.join(1, stop.clone(), (), |()| async { "restarted" });
        drop(leader);
        open.send(()).unwrap();
        assert_eq!(other.result().await, Some("done"));
        assert_eq!(stop.reason(), None);
    }

    #[tokio::test]
    async fn the_last_to_leave_stops_the_computation_and_the_next_starts_anew() {
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
        assert!(next.input.is_none(), "it is_leader");
        assert_eq!(next.result().await, Some("next"));
        dropped.closed().await;
    }

    #[tokio::test]
    async fn a_computation_that_panics_fails_its_passengers_only() {
        let flights = Flights::<u8, (), &str>::new();
        let first = flights.join(1, stop(), (), |()| async { panic!("a bug") });
        let second = flights.join(1, stop(), (), |()| async { "second" });
        assert_eq!((first.result().await, second.result().await), (None, None));
        assert_eq!(flights.join(1, stop(), (), |()| async { "again" }).result().await, Some("again"));
    }

    #[tokio::test]
    async fn other_keys_fly_on_their_own() {
        let flights = Flights::<u8, (), &str>::new();
        let one = flights.join(1, stop(), (), |()| async { "one" });
        let two = flights.join(2, stop(), (), |()| async { "two" });
        assert_eq!((one.result().await, two.result().await), (Some("one"), Some("two")));
    }

    #[tokio::test]
    async fn a_flight_that_landed_is_off_the_board() {
        let flights = Flights::<u8, (), &str>::new();
        let first = flights.join(1, stop(), (), |()| async { "first" });
        assert_eq!(first.result().await, Some("first"));
        assert!(flights.shared.lock().by_key.is_empty());
    }

    #[tokio::test]
    async fn who_joins_shares_the_input_at_work_and_lets_go_of_its_own() {
        let flights = Flights::<u8, Arc<str>, usize>::new();
        let (first, second): (Arc<str>, Arc<str>) = ("picture".into(), "picture".into());
        let mut leader = flights.join(1, stop(), first.clone(), |input| async move { input.len() });
        let mut other = flights.join(1, stop(), second.clone(), |_| async { 0 });
        assert_eq!(Arc::strong_count(&second), 1);
        assert!(leader.input_of_another().is_none());
        assert!(Arc::ptr_eq(&other.input_of_another().unwrap(), &first));
        assert_eq!((leader.result().await, other.result().await), (Some(7), Some(7)));
        assert_eq!(Arc::strong_count(&first), 1);
    }
}
