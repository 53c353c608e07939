//! What `bytefit fit` prints for each file.

use std::io::Write;
use std::path::Path;

use super::failure::Failure;
use super::fit::Fitted;
use super::output::Output;
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

fn print_failure(file: &Path, failure: &Failure, json: bool, output: &Output) {
    if json {
        print_line(&failure.json(file).to_string(), output);
    }
    // If the object went to standard error, the failure is there already.
    if !(json && output.is_stdout()) {
        eprintln!("bytefit: {}: {}", file.display(), failure.detail());
    }
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
