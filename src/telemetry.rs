//! The tracing subscriber: pretty on a terminal, JSON otherwise. Must not know what is logged.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::IsTerminal;
use std::panic::{self, PanicHookInfo};
use std::thread;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::settings::{Log, LogFormat};

/// Sends the process's log lines to standard error, as `log` asks. `RUST_LOG`, when the caller hands it in,
/// goes before the configured level.
///
/// # Errors
/// When the level is not one that tracing knows.
pub fn install(log: &Log, rust_log: Option<&str>) -> Result<(), ParseError> {
    let filter = EnvFilter::builder().parse(rust_log.unwrap_or(&log.level))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let pretty = match log.format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    // A second subscriber in one process is a test's: the first one keeps its place.
    let _ = if pretty {
        lines.with_ansi(std::io::stderr().is_terminal()).compact().try_init()
    } else {
        lines.json().flatten_event(true).try_init()
    };
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// A panic is a log line like any other, with its place; RUST_BACKTRACE=1 adds the way there.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let thread = thread::current();
    let (thread, message) = (thread.name().unwrap_or("unnamed"), panic.to_string().replace('\n', " "));
    let backtrace = Backtrace::capture();
    match backtrace.status() {
        BacktraceStatus::Captured => tracing::error!(thread, %backtrace, "{message}"),
        _ => tracing::error!(thread, "{message}"),
    }
}
