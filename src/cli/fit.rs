//! `bytefit fit`: fits many files in parallel, without HTTP.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::{ArgMatches, Command};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rayon::prelude::*;

use super::failure::Failure;
use super::output::Output;
use super::total::{self, Total};
use super::{BAD_USAGE, FAILED, environment, fail, input, lines};
use crate::byte_size::parse_size;
use crate::codec::{Format, Limits};
use crate::engine::{Bounds, Codecs, Header, Work, WorkersMode};
use crate::job::{Answer, Job, JobError, SizeCurve, Source, Stop};
use crate::metrics::Metrics;
use crate::panics;
use crate::params::{self, Defaults, PARAMETERS, Parameter};
use crate::settings::{Flags, Settings, SettingsError};
use crate::workers::{Spawner, Workers};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Files to fit; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where to write the answer: a file, whose extension chooses the format unless --format does; a directory, which
    /// is created if the path ends in /; or - for standard output [default: NAME.fit.EXTENSION beside each input, and
    /// standard output for standard input]
    #[arg(short, long, value_name = "FILE|DIR")]
    output: Option<PathBuf>,
    /// Overwrite existing files, but never an input
    #[arg(long)]
    force: bool,
    /// The size of all answers together, in place of a target for each: all get the same quality
    #[arg(long, value_name = "SIZE", conflicts_with_all = ["target", "max_bytes"], value_parser = total_bytes)]
    total: Option<u64>,
    /// Print one JSON object per file (the report or the problem) instead of a line of text
    #[arg(long)]
    json: bool,
    /// TOML file with the settings that differ from the defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    parameters: Parameters,
}

fn total_bytes(text: &str) -> Result<u64, String> {
    match parse_size(text).map_err(|error| error.to_string())? {
        0 => Err("a total is at least 1 byte".to_owned()),
        bytes => Ok(bytes),
    }
}

/// The parameters of POST /compress as flags: `min_bytes` is `--min-bytes`.
#[derive(Debug)]
struct Parameters(Vec<(String, String)>);

impl clap::Args for Parameters {
    fn augment_args(command: Command) -> Command {
        // `--output` takes the place of `filename`.
        PARAMETERS.iter().filter(|parameter| parameter.name != "filename").fold(command, |command, parameter| {
            let help = help(parameter);
            let flag =
                clap::Arg::new(parameter.name).long(parameter.name.replace('_', "-")).value_name("VALUE").help(help);
            command.arg(if parameter.name.contains('_') { flag.alias(parameter.name) } else { flag })
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// The help of a parameter's flag, in the form of clap's own help.
fn help(parameter: &Parameter) -> String {
    let Parameter { meaning, allowed, .. } = parameter;
    let (first, rest) = meaning.split_at(1);
    let default = match parameter.default {
        "none" => String::new(),
        "required" => " [required]".to_owned(),
        default => format!(" [default: {default}]"),
    };
    format!("{}{rest} [values: {allowed}]{default}", first.to_ascii_uppercase())
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

pub(super) fn run(arguments: Arguments) -> ExitCode {
    let task = match Task::new(&arguments) {
        Ok(task) => task,
        Err(reason) => return fail(BAD_USAGE, &reason),
    };
    let total = arguments.total.map(|bytes| Total::plan(&task, &arguments.files, bytes));
    let progress = progress(&arguments);
    let failures = arguments.files.par_iter().enumerate().filter(|(index, file)| {
        let fitted = match &total {
            Some(total) => total.fit(&task, *index, file),
            None => task.fit(file, None, task.job.target),
        };
        progress.inc(1);
        progress.suspend(|| lines::print(file, &fitted, arguments.json, &task.output))
    });
    let failures = failures.count();
    progress.finish_and_clear();
    if let Some(total) = &total {
        eprintln!("bytefit: {}", total.summary());
    }
    let has_failed = failures > 0 || total.is_some_and(|total| total.is_exceeded());
    if has_failed { ExitCode::from(FAILED) } else { ExitCode::SUCCESS }
}

/// A progress bar, shown when there are several files and standard error is a terminal.
fn progress(arguments: &Arguments) -> ProgressBar {
    let is_shown = std::io::stderr().is_terminal() && arguments.files.len() > 1;
    let target = if is_shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("{bar:32} {pos}/{len} files, {eta} left").expect("the template is valid");
    ProgressBar::with_draw_target(Some(arguments.files.len() as u64), target).with_style(style)
}

/// A file that was fitted and written.
pub(super) struct Fitted {
    pub answer: Answer,
    /// The path of the answer.
    pub written: PathBuf,
    pub milliseconds: u128,
}

/// What is done to every file.
pub(super) struct Task {
    work: Arc<dyn Work>,
    job: Job,
    limits: Limits,
    /// Largest size of an input, in bytes.
    max_input_bytes: u64,
    output: Output,
}

impl Task {
    /// Reads the settings and parameters.
    ///
    /// # Errors
    /// A message for the user.
    fn new(arguments: &Arguments) -> Result<Task, String> {
        let message = |error: SettingsError| error.to_string();
        let settings =
            Settings::load(arguments.config.as_deref(), environment(), &Flags::default()).map_err(message)?;
        let output = Output::new(&arguments.files, arguments.output.as_deref(), arguments.force)?;
        let mut parameters = arguments.parameters.with_format(output.format_from_name());
        if let Some(total) = arguments.total {
            total::check(&arguments.files, &parameters, settings.engine.workers)?;
            parameters.push(("target".to_owned(), total.to_string()));
        }
        // `limits.presets_only` is for the clients of the service.
        let defaults = Defaults { presets_only: false, ..settings.defaults() };
        let request = params::parse(&parameters, &defaults).map_err(|error| format!("--{error}"))?;
        output.make_directory()?;
        let work = work(settings.engine.workers)?;
        let limits = settings.limits.pictures;
        let max_input_bytes = settings.server.http.max_body_bytes;
        Ok(Task { work, job: request.job, limits, max_input_bytes, output })
    }

    /// Opens `file`, and predicts the sizes of its answer.
    pub(super) fn open(&self, file: &Path) -> Result<(Source<'static>, SizeCurve), Failure> {
        let input = input::read(file, self.max_input_bytes)?;
        let stop = Stop::at(Instant::now() + self.job.deadline);
        let opened = panics::caught(|| {
            let mut source = Source::open(input, &self.limits, &stop)?;
            let curve = source.size_curve(&self.job)?;
            Ok::<_, JobError>((source, curve))
        });
        Ok(opened??)
    }

    /// Fits `file` into `target` bytes and writes the answer. Reads the file unless it is `opened` already.
    pub(super) fn fit(&self, file: &Path, opened: Option<Source<'_>>, target: u64) -> Result<Fitted, Failure> {
        let job = Job { target, ..self.job.clone() };
        let input = if opened.is_none() { input::read(file, self.max_input_bytes)? } else { Vec::new() };
        let started = Instant::now();
        let stop = Stop::at(started + self.job.deadline);
        let answer = panics::caught(|| {
            if let Some(mut source) = opened {
                return Ok(source.fit_next(&job, &stop)?);
            }
            // Only another process needs to know it, and the header is read again with the picture.
            let memory_bytes = match self.work.in_processes() {
                true => self.work.memory_needed(&job, &Header::new(&input, &self.limits), u64::MAX)?,
                false => 0,
            };
            self.work.run(&job, &input, &Bounds { limits: &self.limits, stop: &stop, memory_bytes, total: None })
        })??;
        let written = self.output.write(file, &answer)?;
        Ok(Fitted { answer, written, milliseconds: started.elapsed().as_millis() })
    }
}

/// Files of one's own are worked on by threads, unless the settings ask for processes.
fn work(mode: WorkersMode) -> Result<Arc<dyn Work>, String> {
    if mode != WorkersMode::Processes {
        return Ok(Arc::new(Codecs));
    }
    let workers = Spawner::start(Arc::new(Codecs)).and_then(|spawner| Workers::new(spawner, Arc::new(Metrics::new())));
    Ok(Arc::new(workers.map_err(|error| format!("can't start worker processes: {error}"))?))
}

impl Parameters {
    /// The pairs, with `format` added when none was given and `from_name` is a format that is written.
    fn with_format(&self, from_name: Option<Format>) -> Vec<(String, String)> {
        let mut pairs = self.0.clone();
        let has_format = pairs.iter().any(|(name, _)| name == "format");
        if let Some(format) = from_name.filter(|format| format.is_output() && !has_format) {
            pairs.push(("format".to_owned(), format.name().to_owned()));
        }
        pairs
    }
}
