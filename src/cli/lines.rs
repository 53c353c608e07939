//! What `bytefit fit` prints for each file.

use std::io::Write;
use std::path::Path;

use serde_json::Value;

use super::failure::Failure;
use super::fit::Fitted;
use super::output::Output;
use super::selection::{Selection, Skipped};
use crate::http::response::report;
use crate::job::Outcome;

/// Prints the result for `file`. Returns whether it failed.
pub(super) fn print(file: &Path, fitted: &Result<Fitted, Failure>, json: bool, output: &Output) -> bool {
    match fitted {
        Ok(fitted) => print_fitted(file, fitted, json, output),
        Err(failure) => {
            print_failure(file, failure, json, output);
            true
        }
    }
}

fn print_fitted(file: &Path, fitted: &Fitted, json: bool, output: &Output) -> bool {
    let line = if json { json_line(file, fitted) } else { text_line(file, fitted) };
    print_line(&line, output);
    let report = &fitted.answer.report;
    if let Some(named) = output.format_from_name().filter(|format| *format != report.output.format) {
        let written = fitted.written.display();
        let actual = report.output.format.name();
        eprintln!("bytefit: warning: {written} holds {actual}, but its name says {}", named.name());
    }
    let missed = report.outcome == Outcome::Missed;
    if missed {
        let target = report.target;
        let smallest = report.output.bytes;
        eprintln!("bytefit: {}: no answer within {target} bytes: the smallest has {smallest}", file.display());
    }
    missed
}

/// Prints why `file` has no answer.
pub(super) fn print_failure(file: &Path, failure: &Failure, json: bool, output: &Output) {
    if json {
        print_line(&failure.json(file).to_string(), output);
    }
    // If the object went to standard error, the failure is there already.
    if !(json && output.is_stdout()) {
        eprintln!("bytefit: {}: {}", file.display(), failure.detail());
    }
}

/// Prints why no file is fitted.
pub(super) fn print_refusal(failure: &Failure, json: bool, output: &Output) {
    if json {
        print_line(&Value::from(failure.object()).to_string(), output);
    }
    eprintln!("bytefit: {}", failure.detail());
}

/// One line on the files of `selection`, of which `to_do` were not done before and `failed` are not done now.
pub(super) fn summary(selection: &Selection, to_do: usize, failed: usize) -> String {
    let all = selection.files.len();
    let done = listed(&[
        (to_do - failed, "fitted", "fitted"),
        (failed, "failed", "failed"),
        (all - to_do, "done before", "done before"),
    ]);
    let Skipped { hidden, no_pictures, links, answers } = selection.skipped;
    let left_out = listed(&[
        (hidden, "hidden", "hidden"),
        (no_pictures, "no picture", "no pictures"),
        (links, "link to a folder", "links to folders"),
        (answers, "answer", "answers"),
    ]);
    let files = if all == 1 { "file" } else { "files" };
    let done = if done.is_empty() { String::new() } else { format!(": {done}") };
    let left_out = if left_out.is_empty() { String::new() } else { format!("; left out: {left_out}") };
    format!("{all} {files}{done}{left_out}")
}

/// The counts that are not 0, each with its word for one or for many.
fn listed(counts: &[(usize, &str, &str)]) -> String {
    let shown = counts.iter().filter(|(count, ..)| *count > 0);
    let text = |(count, one, many): &(usize, &str, &str)| format!("{count} {}", if *count == 1 { one } else { many });
    shown.map(text).collect::<Vec<String>>().join(", ")
}

/// Prints to standard error when standard output holds the picture. Ignores a reader that has gone.
fn print_line(line: &str, output: &Output) {
    let _ =
        if output.is_stdout() { writeln!(std::io::stderr(), "{line}") } else { writeln!(std::io::stdout(), "{line}") };
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
