//! `bytefit man`: prints the manual pages.

use std::io;
use std::process::ExitCode;

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::{Arguments as CommandLine, BAD_USAGE, FAILED, fail, print_whole};
use crate::excerpt::excerpt;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The command whose page is printed, as bytefit-COMMAND(1) [default: bytefit(1), which names the commands]
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let whole = whole();
    let Some(command) = documented(&whole, arguments.command.as_deref()) else {
        let name = arguments.command.as_deref().unwrap_or_default();
        return fail(BAD_USAGE, &format!("{} is no command of bytefit", excerpt(name)));
    };
    match page(command) {
        Ok(page) => print_whole(&page),
        Err(error) => fail(FAILED, &error),
    }
}

/// The command line with everything that clap adds to it.
fn whole() -> Command {
    let mut command = CommandLine::command().disable_help_subcommand(true);
    command.build();
    command
}

/// The command of this name, or `whole` without a name.
fn documented<'a>(whole: &'a Command, name: Option<&str>) -> Option<&'a Command> {
    name.map_or(Some(whole), |name| whole.find_subcommand(name))
}

/// The page in the language of man, groff's.
fn page(command: &Command) -> io::Result<Vec<u8>> {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    // The synopsis of a command then starts with `bytefit`, too.
    let called = command.get_bin_name().unwrap_or(&name).to_owned();
    let command = command.clone().name(called).version(env!("CARGO_PKG_VERSION"));
    let mut page = Vec::new();
    Man::new(command).title(name).render(&mut page)?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_with_its_options() {
        let whole = whole();
        for command in whole.get_subcommands() {
            let page = String::from_utf8(page(command).unwrap()).unwrap();
            let name = command.get_name();
            assert!(page.contains(&format!(".TH bytefit-{name} 1")), "{page}");
            for option in command.get_arguments().filter_map(clap::Arg::get_long) {
                assert!(page.contains(&option.replace('-', "\\-")), "{option} in {page}");
            }
        }
        assert!(documented(&whole, Some("nothing")).is_none());
    }
}
