//! Sends the same request 20 times a second, each time on a new connection. It has a thread of its own, so that it
//! measures the service and not the queue of the attacking clients.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::client::{get, request};
use crate::times::Times;

/// An answer that takes longer is a failure.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct Watch {
    over: Arc<AtomicBool>,
    watcher: JoinHandle<Times>,
}

impl Watch {
    /// GET /health.
    pub(crate) fn health(address: SocketAddr) -> Watch {
        Watch::new(address, get("/health"))
    }

    /// POST /compress with one picture, which is in the cache from the second time on.
    pub(crate) fn picture(address: SocketAddr, query: &str, body: &[u8]) -> Watch {
        Watch::new(address, request(&format!("POST /compress?{query}"), "connection: close\r\n", body))
    }

    fn new(address: SocketAddr, request: Vec<u8>) -> Watch {
        let over = Arc::new(AtomicBool::new(false));
        let until = over.clone();
        let watcher = thread::spawn(move || {
            let mut times = Times::default();
            while !until.load(Ordering::Relaxed) {
                let asked = Instant::now();
                let answered = answered(address, &request).is_ok_and(|good| good);
                times.add(answered.then(|| asked.elapsed()));
                thread::sleep(Duration::from_millis(50).saturating_sub(asked.elapsed()));
            }
            times
        });
        Watch { over, watcher }
    }

    /// Stops, and returns the times.
    pub(crate) fn end(self) -> Times {
        self.over.store(true, Ordering::Relaxed);
        self.watcher.join().expect("a watcher doesn't panic")
    }
}

/// Whether the answer is 200.
fn answered(address: SocketAddr, request: &[u8]) -> io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer.starts_with(b"HTTP/1.1 200"))
}
