//! `bytefit fit`: fits many files in parallel, without HTTP.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::{ArgMatches, Command};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::failure::Failure;
use super::output::{Origin, Output};
use super::parallel::{self, Memory};
use super::record::Input;
use super::selection::{InputFile, Search, Selection};
use super::total::{self, Total};
use super::{BAD_USAGE, FAILED, environment, fail, input, lines};
use crate::byte_size::parse_size;
use crate::codec::{Format, Limits};
use crate::engine::{self, Bounds, Codecs, Header, Work, WorkError, WorkersMode};
use crate::job::{Answer, Job, JobError, OnMiss, SizeCurve, Source, Stop};
use crate::metrics::Metrics;
use crate::panics::{self, Panicked};
use crate::params::{self, Defaults, PARAMETERS, ParamError, Parameter};
use crate::settings::{Flags, Settings, SettingsError};
use crate::workers::{Spawner, Workers};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Files to fit, folders with --recursive, and quoted patterns like 'photos/**/*.jpg'; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Fit the pictures in folders and in the folders within them; hidden files and other files are left out
    #[arg(short, long)]
    recursive: bool,
    /// Where to write the answer: a file, whose extension chooses the format unless --format does; a directory, which
    /// is created if the path ends in / or the inputs come from folders, and where their paths within the folder are
    /// kept; or
    /// - for standard output [default: NAME.fit.EXTENSION beside each input, and standard output for standard input]
    #[arg(short, long, value_name = "FILE|DIR")]
    output: Option<PathBuf>,
    /// Overwrite existing files, but never an input
    #[arg(long)]
    force: bool,
    /// Leave out what an earlier run with --resume has done with the same parameters, and record what this one does
    #[arg(long, conflicts_with = "total")]
    resume: bool,
    /// Files to work on at once [default: engine.threads of the settings, or one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
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
    let (task, selection) = match prepare(&arguments) {
        Ok(prepared) => prepared,
        Err(reason) => return fail(BAD_USAGE, &reason),
    };
    for (folder, failure) in &selection.failures {
        lines::print_failure(folder, failure, arguments.json, &task.output);
    }
    let to_do = task.to_do(&selection.files);
    let total = match arguments.total.map(|bytes| Total::plan(&task, &selection.files, bytes)).transpose() {
        Ok(total) => total,
        Err(failure) => {
            lines::print_refusal(&failure, arguments.json, &task.output);
            return ExitCode::from(FAILED);
        }
    };
    let failed = match fit_all(&task, &selection.files, &to_do, total.as_ref(), &arguments) {
        Ok(failed) => failed,
        Err(error) => return fail(FAILED, &format!("can't start threads: {error}")),
    };
    if selection.has_folder || arguments.resume {
        eprintln!("bytefit: {}", lines::summary(&selection, to_do.len(), failed));
    }
    if let Some(total) = &total {
        eprintln!("bytefit: {}", total.summary());
    }
    let is_exceeded = total.is_some_and(|total| total.is_exceeded());
    let has_failed = failed > 0 || is_exceeded || !selection.failures.is_empty();
    if has_failed { ExitCode::from(FAILED) } else { ExitCode::SUCCESS }
}

/// Finds the files, and reads settings and parameters.
///
/// # Errors
/// A message for the user.
fn prepare(arguments: &Arguments) -> Result<(Task, Selection), String> {
    let search = Search { recursive: arguments.recursive, output: arguments.output.as_deref() };
    let selection = Selection::find(&arguments.files, search)?;
    Ok((Task::new(arguments, &selection)?, selection))
}

/// Fits those of `files` that are `to_do`, and returns how many have no answer that meets its target.
fn fit_all(
    task: &Task,
    files: &[InputFile],
    to_do: &[usize],
    total: Option<&Total>,
    arguments: &Arguments,
) -> io::Result<usize> {
    let progress = progress(to_do.len());
    let failed = parallel::run(task.jobs, to_do.len(), |number| {
        let index = to_do[number];
        let file = &files[index].path;
        let fitted = match total {
            Some(total) => total.fit(task, index, file),
            None => task.fit(index, file),
        };
        progress.inc(1);
        progress.suspend(|| lines::print(file, &fitted, arguments.json, &task.output))
    });
    progress.finish_and_clear();
    Ok(failed?.into_iter().filter(|failed| *failed).count())
}

/// A progress bar, shown when there are several files and standard error is a terminal.
fn progress(files: usize) -> ProgressBar {
    let is_shown = std::io::stderr().is_terminal() && files > 1;
    let target = if is_shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("{bar:32} {pos}/{len} files, {eta} left").expect("the template is valid");
    ProgressBar::with_draw_target(Some(files as u64), target).with_style(style)
}

/// A file that was fitted and written.
pub(super) struct Fitted {
    pub answer: Answer,
    /// The path of the answer.
    pub written: PathBuf,
    pub milliseconds: u128,
}

/// A file that was opened before it is fitted.
pub(super) struct Opened {
    pub source: Source<'static>,
    /// Memory that fitting it needs at its peak, in bytes.
    memory_bytes: u64,
}

/// What is done to every file.
pub(super) struct Task {
    work: Arc<dyn Work>,
    job: Job,
    /// What tells the parameters of `job` from others in a record.
    identity: String,
    limits: Limits,
    /// Largest size of an input, in bytes.
    max_input_bytes: u64,
    output: Output,
    /// Files that are worked on at once.
    pub jobs: usize,
    memory: Memory,
}

impl Task {
    /// Reads the settings and parameters.
    ///
    /// # Errors
    /// A message for the user.
    fn new(arguments: &Arguments, selection: &Selection) -> Result<Task, String> {
        let message = |error: SettingsError| error.to_string();
        let settings =
            Settings::load(arguments.config.as_deref(), environment(), &Flags::default()).map_err(message)?;
        let mut output =
            Output::new(&selection.files, arguments.output.as_deref(), selection.has_folder, arguments.force)?;
        let mut parameters = arguments.parameters.with_format(output.format_from_name());
        if let Some(total) = arguments.total {
            total::check(&selection.files, &parameters, settings.engine.workers)?;
            parameters.push(("target".to_owned(), total.to_string()));
        }
        // `limits.presets_only` is for the clients of the service.
        let defaults = Defaults { presets_only: false, ..settings.defaults() };
        let size_flag = if arguments.total.is_some() { "total" } else { "target" };
        let request = params::parse(&parameters, &defaults).map_err(|error| as_of_flag(error, size_flag))?;
        output.make_directory()?;
        if arguments.resume {
            output.resume()?;
        }
        Ok(Task {
            work: work(settings.engine.workers)?,
            identity: engine::identity(&request.job, &settings.limits.pictures),
            job: request.job,
            limits: settings.limits.pictures,
            max_input_bytes: settings.server.http.max_body_bytes,
            output,
            jobs: arguments.jobs.map_or(settings.engine.jobs(), usize::from),
            memory: Memory::new(settings.engine.memory_limit()),
        })
    }

    /// The numbers of the files that have no answer yet.
    fn to_do(&self, files: &[InputFile]) -> Vec<usize> {
        let numbers = 0..files.len();
        numbers.filter(|index| !self.output.is_done(&self.origin(*index, &files[*index].path))).collect()
    }

    fn origin(&self, index: usize, file: &Path) -> Origin<'_> {
        let input = self.output.is_recorded().then(|| Input::of(file).ok()).flatten();
        Origin { index, job: &self.identity, input }
    }

    /// What becomes of an answer that misses its target.
    pub(super) fn on_miss(&self) -> OnMiss {
        self.job.on_miss
    }

    /// Opens `file`, and predicts the sizes of its answer.
    pub(super) fn open(&self, file: &Path) -> Result<(Opened, SizeCurve), Failure> {
        let input = input::read(file, self.max_input_bytes)?;
        let memory_bytes = self.memory_needed(&input)?;
        let _memory = self.memory.take(memory_bytes);
        let stop = Stop::at(Instant::now() + self.job.deadline);
        let opened = panics::caught(|| {
            let mut source = Source::open(input, &self.limits, &stop)?;
            source.fits_only(&self.job);
            let curve = source.size_curve(&self.job, &stop)?;
            Ok::<_, JobError>((source, curve))
        });
        let (source, curve) = opened??;
        Ok((Opened { source, memory_bytes }, curve))
    }

    /// Bytes of the smallest answer to `file`.
    pub(super) fn smallest_bytes(&self, file: &Path) -> Result<u64, Failure> {
        let input = input::read(file, self.max_input_bytes)?;
        let memory_bytes = self.memory_needed(&input)?;
        let _memory = self.memory.take(memory_bytes);
        let job = Job { target: 1, ..self.job.clone() };
        match self.compute(&job, &input, memory_bytes)? {
            Ok(answer) => Ok(answer.report.output.bytes),
            Err(WorkError::Job(JobError::TargetUnreachable { smallest, .. })) => Ok(smallest.bytes),
            Err(error) => Err(error.into()),
        }
    }

    /// Fits `file`, the one at `index`, and writes the answer.
    pub(super) fn fit(&self, index: usize, file: &Path) -> Result<Fitted, Failure> {
        let origin = self.origin(index, file);
        let input = input::read(file, self.max_input_bytes)?;
        let memory_bytes = self.memory_needed(&input)?;
        let _memory = self.memory.take(memory_bytes);
        self.written(&origin, || Ok(self.compute(&self.job, &input, memory_bytes)??))
    }

    /// Has `fit` answer the job for `file`, the one at `index`, and writes the answer. Reads the file unless it is
    /// `opened` already.
    pub(super) fn fit_opened(
        &self,
        index: usize,
        file: &Path,
        opened: Option<Opened>,
        fit: impl FnOnce(&mut Source<'_>, &Job, &Stop) -> Result<Answer, JobError>,
    ) -> Result<Fitted, Failure> {
        let origin = self.origin(index, file);
        let input = if opened.is_none() { input::read(file, self.max_input_bytes)? } else { Vec::new() };
        let memory_bytes =
            opened.as_ref().map_or_else(|| self.memory_needed(&input), |opened| Ok(opened.memory_bytes))?;
        let _memory = self.memory.take(memory_bytes);
        let stop = Stop::at(Instant::now() + self.job.deadline);
        let answer = || {
            let open = || Source::open(&input[..], &self.limits, &stop);
            let mut source = opened.map_or_else(open, |opened| Ok(opened.source))?;
            source.fits_only(&self.job);
            fit(&mut source, &self.job, &stop)
        };
        self.written(&origin, || Ok(panics::caught(answer)??))
    }

    /// Writes the `answer` for the file of `origin`.
    fn written(&self, origin: &Origin, answer: impl FnOnce() -> Result<Answer, Failure>) -> Result<Fitted, Failure> {
        let started = Instant::now();
        let answer = answer()?;
        let written = self.output.write(origin, &answer)?;
        Ok(Fitted { answer, written, milliseconds: started.elapsed().as_millis() })
    }

    fn compute(&self, job: &Job, input: &[u8], memory_bytes: u64) -> Result<Result<Answer, WorkError>, Panicked> {
        let stop = Stop::at(Instant::now() + job.deadline);
        let bounds = Bounds { limits: &self.limits, stop: &stop, memory_bytes, total: None };
        panics::caught(|| self.work.run(job, input, &bounds))
    }

    /// Memory that fitting `input` needs at its peak, the file itself included, in bytes. A picture that needs more
    /// than there is has all of it.
    fn memory_needed(&self, input: &[u8]) -> Result<u64, Failure> {
        let needed =
            panics::caught(|| self.work.memory_needed(&self.job, &Header::new(input, &self.limits), u64::MAX))??;
        Ok(needed + input.len() as u64)
    }
}

/// What is wrong with a parameter, by the name of its flag. The one with the target is `size_flag`.
fn as_of_flag(error: ParamError, size_flag: &str) -> String {
    let name = if error.name == "target" { size_flag.to_owned() } else { error.name.replace('_', "-") };
    format!("--{}", ParamError { name, ..error })
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
