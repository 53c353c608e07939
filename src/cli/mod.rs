//! The command line: one file a command. Must not do the work itself.

mod config;
mod fit;
mod health;
mod output;
mod serve;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Exit code for a command that ran and did not succeed.
const FAILED: u8 = 1;

/// Exit code for a command that could not run as it was called.
const BAD_USAGE: u8 = 2;

/// Fits any image into a byte budget.
#[derive(Debug, Parser)]
#[command(name = "bytefit", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves the HTTP interface
    Serve(serve::Arguments),
    /// Fits files on this machine, without a server
    Fit(fit::Arguments),
    /// Asks a server whether it is healthy: exit 0 or 1
    Health(health::Arguments),
    /// Prints the effective configuration
    Config(config::Arguments),
}

/// Runs the command that the process was called with, and names its exit code: 0 done, 1 not, 2 bad usage.
pub fn run() -> ExitCode {
    match Arguments::parse().command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Fit(arguments) => fit::run(arguments),
        Command::Health(arguments) => health::run(&arguments),
        Command::Config(arguments) => config::run(&arguments),
    }
}

/// The environment, for [`Settings::load`](crate::settings::Settings::load). What is not Unicode is made so:
/// a variable of somebody else's must not stop the start, and one of ours is refused by its value.
fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |text: OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}

/// Prints why a command could not run, for a person.
fn fail(code: u8, reason: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("bytefit: {reason}");
    ExitCode::from(code)
}
