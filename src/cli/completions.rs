//! `bytefit completions`: prints the script by which a shell completes the command line.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Arguments as CommandLine, print_whole};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut CommandLine::command(), "bytefit", &mut script);
    print_whole(&script)
}
