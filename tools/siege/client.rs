//! The requests of the siege, and clients by the hundred.

use std::io;
use std::net::SocketAddr;

use testkit::http::Answer;
pub(crate) use testkit::http::{Connection, request};
use tokio::task::JoinSet;

/// A request that is the last on its connection.
pub(crate) fn get(path: &str) -> Vec<u8> {
    request(&format!("GET {path}"), "connection: close\r\n", b"")
}

/// A request to fit a picture; the connection stays open.
pub(crate) fn post(query: &str, body: &[u8]) -> Vec<u8> {
    request(&format!("POST /compress?{query}"), "", body)
}

/// Sends a request on a new connection.
pub(crate) async fn ask(address: SocketAddr, request: &[u8]) -> io::Result<Answer> {
    Connection::open(address).await?.ask(request).await
}

/// Runs `count` clients at once and returns their results, in any order.
pub(crate) async fn crowd<T, F>(count: usize, client: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    (0..count).map(client).collect::<JoinSet<T>>().join_all().await
}
