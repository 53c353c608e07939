//! `bytefit config`: prints the settings in effect.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{BAD_USAGE, environment, fail, print_whole};
use crate::settings::{Flags, Settings};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// TOML file with the settings that differ from the defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match Settings::load(arguments.config.as_deref(), environment(), &Flags::default()) {
        Ok(settings) => print_whole(settings.to_toml().as_bytes()),
        Err(error) => fail(BAD_USAGE, &error),
    }
}
