//! `bytefit fit`: the same core without HTTP, over many files at once.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::{ArgMatches, Command};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rayon::prelude::*;

use super::output::Output;
use super::{BAD_USAGE, FAILED, environment, fail};
use crate::codec::Limits;
use crate::http::response::report;
use crate::job::{self, Answer, Job, Stop};
use crate::panics::{self, Panicked};
use crate::params::{self, PARAMETERS};
use crate::settings::{Flags, Settings};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Files to fit
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where the answer goes: a file, a directory, or - for standard output [default: NAME.fit.EXTENSION
    /// beside each input]
    #[arg(short, long, value_name = "FILE|DIR")]
    output: Option<PathBuf>,
    /// One JSON report a file instead of a line of text
    #[arg(long)]
    json: bool,
    /// TOML file of settings that differ from the defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    parameters: Parameters,
}

/// The parameters of POST /compress as flags: `min_bytes` is `--min-bytes`.
#[derive(Debug)]
struct Parameters(Vec<(String, String)>);

impl clap::Args for Parameters {
    fn augment_args(command: Command) -> Command {
        // The name of an output has its own flag.
        PARAMETERS.iter().filter(|parameter| parameter.name != "filename").fold(command, |command, parameter| {
            let help = format!("{} ({}) [default: {}]", parameter.meaning, parameter.allowed, parameter.default);
            let flag =
                clap::Arg::new(parameter.name).long(parameter.name.replace('_', "-")).value_name("VALUE").help(help);
            command.arg(if parameter.name.contains('_') { flag.alias(parameter.name) } else { flag })
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Parameters {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Parameters, clap::Error> {
        let given = |name: &str| matches.try_get_one::<String>(name).ok().flatten().cloned();
        let pairs = PARAMETERS.iter().filter_map(|parameter| Some((parameter.name.to_owned(), given(parameter.name)?)));
        Ok(Parameters(pairs.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Parameters::from_arg_matches(matches)?;
        Ok(())
    }
}

pub fn run(arguments: Arguments) -> ExitCode {
    let settings = match Settings::load(arguments.config.as_deref(), environment(), &Flags::default()) {
        Ok(settings) => settings,
        Err(error) => return fail(BAD_USAGE, &error),
    };
    let job = match params::parse(&arguments.parameters.0, &settings.defaults()) {
        Ok(request) => request.job,
        Err(error) => return fail(BAD_USAGE, &format!("--{error}")),
    };
    let output = match Output::new(&arguments.files, arguments.output.as_deref()) {
        Ok(output) => output,
        Err(reason) => return fail(BAD_USAGE, &reason),
    };
    let limits = settings.engine_config().limits;
    let progress = progress(&arguments);
    let failures = arguments.files.par_iter().filter(|file| {
        let fitted = fit(file, &job, &limits, &output);
        progress.inc(1);
        progress.suspend(|| print(file, fitted, arguments.json, &output))
    });
    let failures = failures.count();
    progress.finish_and_clear();
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}

/// A bar over the files, where someone watches.
fn progress(arguments: &Arguments) -> ProgressBar {
    let watched = std::io::stderr().is_terminal() && arguments.files.len() > 1;
    let target = if watched { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("{bar:32} {pos}/{len} files, {eta} left").expect("the template is valid");
    ProgressBar::with_draw_target(Some(arguments.files.len() as u64), target).with_style(style)
}

/// One file fitted and written: the answer, where it went, and how long it took.
struct Fitted {
    answer: Answer,
    written: PathBuf,
    milliseconds: u128,
}

fn fit(file: &Path, job: &Job, limits: &Limits, output: &Output) -> Result<Fitted, String> {
    let started = Instant::now();
    let input = std::fs::read(file).map_err(|error| error.to_string())?;
    let stop = Stop::at(started + job.deadline);
    let answer = panics::caught(|| job::run(job, &input, limits, &stop))
        .map_err(|Panicked(message)| format!("the codec panicked: {message}"))?
        .map_err(|error| error.to_string())?;
    let written = output.write(file, &answer)?;
    Ok(Fitted { answer, written, milliseconds: started.elapsed().as_millis() })
}

/// Prints what became of `file`, and tells whether it failed.
fn print(file: &Path, fitted: Result<Fitted, String>, json: bool, output: &Output) -> bool {
    let fitted = match fitted {
        Ok(fitted) => fitted,
        Err(reason) => {
            eprintln!("bytefit: {}: {reason}", file.display());
            return true;
        }
    };
    let line = if json { json_line(file, &fitted) } else { text_line(file, &fitted) };
    // Standard output may hold the picture itself, or lead to a reader that has gone.
    let _ =
        if output.is_stdout() { writeln!(std::io::stderr(), "{line}") } else { writeln!(std::io::stdout(), "{line}") };
    let report = &fitted.answer.report;
    let missed = report.outcome == job::Outcome::Missed;
    if missed {
        eprintln!(
            "bytefit: {}: missed {} bytes: the smallest is {}",
            file.display(),
            report.target,
            report.output.bytes
        );
    }
    missed
}

fn text_line(file: &Path, fitted: &Fitted) -> String {
    let report = &fitted.answer.report;
    let quality =
        report.quality.map_or_else(|| report.outcome.name().to_owned(), |quality| format!("quality {quality:.1}"));
    format!(
        "{}: {} -> {} bytes, {} {}x{}, {quality}, {} ms, {}",
        file.display(),
        report.input.bytes,
        report.output.bytes,
        report.output.format.name(),
        report.output.width,
        report.output.height,
        fitted.milliseconds,
        fitted.written.display(),
    )
}

fn json_line(file: &Path, fitted: &Fitted) -> String {
    let mut value = report::of(&fitted.answer.report);
    value["file"] = file.display().to_string().into();
    value["written"] = fitted.written.display().to_string().into();
    value.to_string()
}
