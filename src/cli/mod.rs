//! The command line: one file a command. Must not do the work itself.

mod config;
mod failure;
mod fit;
mod health;
mod input;
mod lines;
mod output;
mod serve;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::params::excerpt::cut_in;

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
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return print_usage(&error),
    };
    match arguments.command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Fit(arguments) => fit::run(arguments),
        Command::Health(arguments) => health::run(&arguments),
        Command::Config(arguments) => config::run(&arguments),
    }
}

/// Prints what clap says: the help that was asked for, or what is wrong with the arguments, which it repeats whole.
fn print_usage(error: &clap::Error) -> ExitCode {
    let code = ExitCode::from(if error.use_stderr() { BAD_USAGE } else { 0 });
    let given: Vec<String> = std::env::args_os().skip(1).map(|text| text.to_string_lossy().into_owned()).collect();
    let pieces: Vec<&str> = given.iter().flat_map(|text| [text.as_str()].into_iter().chain(text.split('='))).collect();
    let (whole, cut) = (error.to_string(), cut_in(&error.to_string(), &pieces));
    if cut == whole {
        // In colour on a terminal. One that has gone needs no help.
        let _ = error.print();
    } else {
        eprint!("{cut}");
    }
    code
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
