//! Identical requests. Promised: 500 at once are one computation and get the same bytes; when the request that started
//! the computation leaves, the others are still answered.

use std::collections::HashSet;

use crate::client::{Connection, ask, crowd, post};
use crate::picture;
use crate::server::Server;
use crate::table::{Row, Scale};

const QUERY: &str = "target=20KB&format=webp";
const MISSES: &str = r#"bytefit_cache_requests_total{result="miss",tier="memory"}"#;

pub(crate) async fn rows(scale: Scale) -> Vec<Row> {
    let server = Server::open(&[("ENGINE__QUEUE_SLOTS", "1000"), ("SERVER__MAX_CONNECTIONS", "2048")]).await;
    vec![together(&server).await, leaderless(&server, scale.count(50)).await]
}

async fn together(server: &Server) -> Row {
    let (address, request) = (server.address, &*post(QUERY, picture::jpeg(600, 1)).leak());
    let answers = crowd(500, |_| ask(address, request)).await;
    let whole: Vec<_> = answers.iter().flatten().filter(|answer| answer.status == 200).collect();
    let bodies: HashSet<&[u8]> = whole.iter().map(|answer| &answer.body[..]).collect();
    let (answered, different) = (whole.len(), bodies.len());
    let (misses, joined) = (server.series(&[MISSES]).await, server.series(&["bytefit_coalesced_total"]).await);
    Row::new(
        "500 identical requests at once",
        "one computation, the same bytes for all",
        format!("{answered} x 200, {misses} computed, {joined} waited for it, {different} different answers"),
        answered == 500 && misses == 1.0 && different == 1,
    )
}

/// Nine requests wait for the first, which leaves.
async fn leaderless(server: &Server, rounds: usize) -> Row {
    let (address, picture) = (server.address, picture::jpeg(600, 2));
    let before = server.series(&[MISSES]).await;
    let mut answered = 0;
    for round in 0..rounds {
        let request: &[u8] = post(QUERY, &picture::marked(picture, round)).leak();
        let mut leader = Connection::open(address).await.expect("a connection");
        leader.send(request).await.expect("sent");
        let waiters = tokio::spawn(crowd(9, move |_| ask(address, request)));
        // Wait until the computation has started.
        while server.series(&[MISSES]).await <= before + round as f64 {}
        leader.hang_up();
        let answers = waiters.await.expect("clients don't panic");
        answered += answers.iter().flatten().filter(|answer| answer.status == 200).count();
    }
    let computed = server.series(&[MISSES]).await - before;
    Row::new(
        "the first of ten leaves, 50 times",
        "the other nine are answered",
        format!("{answered} of {}; {computed} computations in {rounds} rounds", 9 * rounds),
        answered == 9 * rounds,
    )
}
