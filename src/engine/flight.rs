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
    board: Arc<Board<K, I, T>>,
}

struct Board<K, I, T> {
    flights: Mutex<Departures<K, I, T>>,
}

struct Departures<K, I, T> {
    by_key: HashMap<K, Flight<I, T>>,
    /// Number of the next flight: tells one apart from its successor under the same key.
    next: u64,
}

struct Flight<I, T> {
    number: u64,
    passengers: usize,
    input: I,
    stop: Stop,
    task: AbortHandle,
    landed: watch::Receiver<Option<T>>,
}

/// A wait for a computation.
///
/// # Cancel
/// Dropping the last one of a computation stops it.
pub struct Passenger<K: Eq + Hash + Copy, I, T> {
    board: Arc<Board<K, I, T>>,
    key: K,
    number: u64,
    /// What the computation works on; none for the one who brought it.
    input: Option<I>,
    landed: watch::Receiver<Option<T>>,
}

impl<K, I, T> Flights<K, I, T>
where
    K: Eq + Hash + Copy + Send + 'static,
    I: Clone + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// No computations.
    pub fn new() -> Flights<K, I, T> {
        let flights = Mutex::new(Departures { by_key: HashMap::new(), next: 0 });
        Flights { board: Arc::new(Board { flights }) }
    }

    /// Joins the computation under `key`, or starts `work` on `input` as one; `stop` is what `work` asks.
    ///
    /// Equal keys have equal inputs: who joins lets go of its own and shares the one at work.
    ///
    /// Call it inside a tokio runtime: the computation is a task there.
    pub fn join<F>(&self, key: K, stop: Stop, input: I, work: impl FnOnce(I) -> F) -> Passenger<K, I, T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut departures = self.board.lock();
        let number = departures.next;
        match departures.by_key.entry(key) {
            Entry::Occupied(mut flight) => {
                let flight = flight.get_mut();
                flight.passengers += 1;
                self.passenger(key, flight, Some(flight.input.clone()))
            }
            Entry::Vacant(place) => {
                let task = work(input.clone());
                let flight = place.insert(self.depart(key, number, stop, input, task));
                let passenger = self.passenger(key, flight, None);
                departures.next += 1;
                passenger
            }
        }
    }

    fn passenger(&self, key: K, flight: &Flight<I, T>, input: Option<I>) -> Passenger<K, I, T> {
        let landed = flight.landed.clone();
        Passenger { board: Arc::clone(&self.board), key, number: flight.number, input, landed }
    }

    fn depart(
        &self,
        key: K,
        number: u64,
        stop: Stop,
        input: I,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Flight<I, T> {
        let (land, landed) = watch::channel(None);
        let arrival = Arrival { board: Arc::clone(&self.board), key, number };
        let task = async move {
            let result = work.await;
            // Off the board first: whoever comes after the result was sent must not find a flight that has landed.
            drop(arrival);
            // Every passenger may have left; then there is nobody to tell.
            let _ = land.send(Some(result));
        };
        let task = tokio::spawn(task).abort_handle();
        Flight { number, passengers: 1, input, stop, task, landed }
    }
}

impl<K, I, T> Board<K, I, T> {
    /// A poisoned lock still guards a whole board: nothing that can panic runs between two changes.
    fn lock(&self) -> MutexGuard<'_, Departures<K, I, T>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash + Copy, I, T: Clone> Passenger<K, I, T> {
    /// What the computation works on, where another one started it.
    pub fn input_of_another(&mut self) -> Option<I> {
        self.input.take()
    }

    /// The result; none when the computation's task died.
    pub async fn landed(mut self) -> Option<T> {
        let landed = self.landed.wait_for(Option::is_some).await.ok()?;
        (*landed).clone()
    }
}

impl<K: Eq + Hash + Copy, I, T> Drop for Passenger<K, I, T> {
    fn drop(&mut self) {
        let mut departures = self.board.lock();
        let Entry::Occupied(mut flight) = departures.by_key.entry(self.key) else { return };
        if flight.get().number != self.number {
            return;
        }
        flight.get_mut().passengers -= 1;
        if flight.get().passengers > 0 {
            return;
        }
        // Off the board before it is stopped, and under the lock: the next request starts anew.
        let flight = flight.remove();
        drop(departures);
        flight.stop.cancel();
        flight.task.abort();
    }
}

/// Takes a flight off the board when its task ends, however it ends.
struct Arrival<K: Eq + Hash + Copy, I, T> {
    board: Arc<Board<K, I, T>>,
    key: K,
    number: u64,
}

impl<K: Eq + Hash + Copy, I, T> Drop for Arrival<K, I, T> {
    fn drop(&mut self) {
        if let Entry::Occupied(flight) = self.board.lock().by_key.entry(self.key)
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
        let passengers: Vec<_> = (0..30)
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
        assert_eq!(passengers.iter().filter(|passenger| passenger.input.is_none()).count(), 1);
        open.send(()).unwrap();
        for passenger in passengers {
            assert_eq!(passenger.landed().await, Some(0));
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
        assert_eq!(other.landed().await, Some("done"));
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
        assert!(next.input.is_none(), "it leads");
        assert_eq!(next.landed().await, Some("next"));
        dropped.closed().await;
    }

    #[tokio::test]
    async fn a_computation_that_panics_fails_its_passengers_only() {
        let flights = Flights::<u8, (), &str>::new();
        let first = flights.join(1, stop(), (), |()| async { panic!("a bug") });
        let second = flights.join(1, stop(), (), |()| async { "second" });
        assert_eq!((first.landed().await, second.landed().await), (None, None));
        assert_eq!(flights.join(1, stop(), (), |()| async { "again" }).landed().await, Some("again"));
    }

    #[tokio::test]
    async fn other_keys_fly_on_their_own() {
        let flights = Flights::<u8, (), &str>::new();
        let one = flights.join(1, stop(), (), |()| async { "one" });
        let two = flights.join(2, stop(), (), |()| async { "two" });
        assert_eq!((one.landed().await, two.landed().await), (Some("one"), Some("two")));
    }

    #[tokio::test]
    async fn a_flight_that_landed_is_off_the_board() {
        let flights = Flights::<u8, (), &str>::new();
        let first = flights.join(1, stop(), (), |()| async { "first" });
        assert_eq!(first.landed().await, Some("first"));
        assert!(flights.board.lock().by_key.is_empty());
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
        assert_eq!((leader.landed().await, other.landed().await), (Some(7), Some(7)));
        assert_eq!(Arc::strong_count(&first), 1);
    }
}
