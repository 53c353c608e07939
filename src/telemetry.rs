//! Sends log lines and panics to standard error.

mod config;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::IsTerminal;
use std::panic::{self, PanicHookInfo};
use std::thread;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

pub(crate) use config::{Config, LogFormat};

/// Sends the log lines of the process to standard error. `rust_log`, the value of `RUST_LOG`, overrides the configured
/// level.
///
/// # Errors
/// The error of tracing when the level can't be parsed.
pub(crate) fn install(config: &Config, rust_log: Option<&str>) -> Result<(), ParseError> {
    let filter = EnvFilter::builder().parse(rust_log.unwrap_or(&config.level))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let pretty = match config.format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    // Only tests install a second subscriber in a process. The first one stays.
    let _ = if pretty {
        lines.with_ansi(std::io::stderr().is_terminal()).compact().try_init()
    } else {
        lines.json().flatten_event(true).try_init()
    };
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Logs a panic with its source location; RUST_BACKTRACE=1 adds the backtrace.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let thread = thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let message = panic.to_string().replace('\n', " ");
    let backtrace = Backtrace::capture();
    match backtrace.status() {
        BacktraceStatus::Captured => tracing::error!(thread, %backtrace, "{message}"),
        _ => tracing::error!(thread, "{message}"),
    }
}
