//! The command line: one file per command.

mod completions;
mod config;
mod failure;
mod fit;
mod health;
mod input;
mod lines;
mod man;
mod output;
mod parallel;
mod record;
mod selection;
mod serve;
mod sign;
mod total;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::excerpt::cut_in;

/// Exit code of a command that ran and failed.
const FAILED: u8 = 1;

/// Exit code for wrong arguments or settings.
const BAD_USAGE: u8 = 2;

/// Fit any image into a byte target.
#[derive(Debug, Parser)]
#[command(name = "bytefit", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the HTTP service
    Serve(serve::Arguments),
    /// Fit files on this machine, without a server
    Fit(fit::Arguments),
    /// Check the health of a server: the exit code is 0 if it is healthy
    Health(health::Arguments),
    /// Print the settings in effect, as TOML
    Config(config::Arguments),
    /// Print the signed path of a link to a picture by URL
    Sign(sign::Arguments),
    /// Print the script by which a shell completes the command line
    Completions(completions::Arguments),
    /// Print a manual page
    Man(man::Arguments),
}

/// Runs the command of the process. Exit codes: 0 success, 1 failure, 2 bad usage.
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
        Command::Sign(arguments) => sign::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
    }
}

/// Prints the help, or the error in the arguments. Long arguments are cut, which clap would repeat whole.
fn print_usage(error: &clap::Error) -> ExitCode {
    let code = ExitCode::from(if error.use_stderr() { BAD_USAGE } else { 0 });
    let given: Vec<String> = std::env::args_os().skip(1).map(|text| text.to_string_lossy().into_owned()).collect();
    let pieces: Vec<&str> = given.iter().flat_map(|text| [text.as_str()].into_iter().chain(text.split('='))).collect();
    let whole = error.to_string();
    let cut = cut_in(&whole, &pieces);
    if cut == whole {
        // This way it has colours on a terminal. A closed terminal is no error.
        let _ = error.print();
    } else {
        eprint!("{cut}");
    }
    code
}

/// The environment, for [`Settings::load`](crate::settings::Settings::load). Invalid Unicode is replaced: a variable
/// of another program must not stop the start, and the value of one of ours is then refused.
fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |text: OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}

/// Prints `bytes` to standard output. A reader that closes it early has had enough; anything else that is not written
/// is a failure.
fn print_whole(bytes: &[u8]) -> ExitCode {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => fail(FAILED, &error),
        _ => ExitCode::SUCCESS,
    }
}

/// Prints the reason of a failure and returns its exit code.
fn fail(code: u8, reason: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("bytefit: {reason}");
    ExitCode::from(code)
}
