//! Attacks the real binary over loopback with the faults that clients, load and operators cause, and prints a table of
//! what was promised and what was measured.
//!
//! ```text
//! make siege
//! make siege PARTS="clients stops --quick"
//! ```
//!
//! Each part is a file that opens with what it promises. `--quick` does a tenth of everything, to see that it works.
//! Pictures and faults come from fixed seeds; `BYTEFIT_CORPUS` adds its `hostile` files to the soak. The exit code is 1
//! when a promise is broken. The binary is expected beside this program, as `make siege` builds it.

mod batch;
mod batches;
mod beside;
mod client;
mod clients;
mod deaths;
mod flights;
mod flood;
mod instances;
mod memory;
mod origin;
mod overload;
mod picture;
mod server;
mod smuggling;
mod soak;
mod stops;
mod table;
mod tiers;
mod times;
mod urls;
mod watch;

use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::timeout;

use table::{Row, Scale};

const PARTS: [&str; 14] = [
    "memory",
    "clients",
    "smuggling",
    "overload",
    "stops",
    "deaths",
    "flood",
    "soak",
    "flights",
    "tiers",
    "batches",
    "beside",
    "instances",
    "urls",
];

/// Longest time of a part; the longest part is the soak.
const PATIENCE: Duration = Duration::from_secs(25 * 60);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let asked = |part: &str| arguments.iter().any(|argument| argument == part || argument == "all");
    let parts = PARTS.into_iter().filter(|part| asked(part));
    if parts.clone().count() == 0 {
        println!("name parts of the siege, or all: {}; --quick is a tenth of each", PARTS.join(" "));
        return ExitCode::SUCCESS;
    }
    server::raise_file_limit();
    let scale = Scale { quick: arguments.iter().any(|argument| argument == "--quick") };
    let runtime = Runtime::new().expect("a runtime");
    let mut held = true;
    println!("| fault | promise | measured | |\n| --- | --- | --- | --- |");
    for part in parts {
        for row in runtime.block_on(bounded(part, scale)) {
            println!("{row}");
            held &= row.held;
        }
    }
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The rows of a part. A part that does not end, or panics, is a broken promise too.
async fn bounded(part: &'static str, scale: Scale) -> Vec<Row> {
    match tokio::spawn(timeout(PATIENCE, rows(part, scale))).await {
        Ok(Ok(rows)) => rows,
        Ok(Err(_)) => vec![Row::new(part, "the siege ends in time", "it did not".to_owned(), false)],
        Err(error) => vec![Row::new(part, "the siege goes through", error.to_string(), false)],
    }
}

async fn rows(part: &str, scale: Scale) -> Vec<Row> {
    match part {
        "memory" => memory::rows(scale).await,
        "clients" => clients::rows(scale).await,
        "smuggling" => smuggling::rows().await,
        "overload" => overload::rows(scale).await,
        "stops" => stops::rows(scale).await,
        "deaths" => deaths::rows(scale).await,
        "flood" => flood::rows(scale).await,
        "soak" => soak::rows(scale).await,
        "flights" => flights::rows(scale).await,
        "tiers" => tiers::rows(scale).await,
        "beside" => beside::rows(scale).await,
        "batches" => batches::rows(scale).await,
        "instances" => instances::rows(scale).await,
        "urls" => urls::rows(scale).await,
        _ => unreachable!("{part} is no part"),
    }
}
