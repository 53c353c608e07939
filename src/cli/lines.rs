//! What `bytefit fit` prints of each file.

use std::io::Write;
use std::path::Path;

use super::failure::Failure;
use super::fit::Fitted;
use super::output::Output;
use crate::http::response::report;
use crate::job::Outcome;

/// Prints what became of `file`, and tells whether it failed.
pub fn print(file: &Path, fitted: &Result<Fitted, Failure>, json: bool, output: &Output) -> bool {
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
    if let Some(promised) = output.named_format().filter(|promised| *promised != report.output.format) {
        let (written, found) = (fitted.written.display(), report.output.format.name());
        eprintln!("bytefit: warning: {written} holds {found}, its name says {}", promised.name());
    }
    let missed = report.outcome == Outcome::Missed;
    if missed {
        let (target, smallest) = (report.target, report.output.bytes);
        eprintln!("bytefit: {}: missed {target} bytes: the smallest is {smallest}", file.display());
    }
    missed
}

fn print_failure(file: &Path, failure: &Failure, json: bool, output: &Output) {
    if json {
        print_line(&failure.json(file).to_string(), output);
    }
    // Where the object went to standard error, it names the file there.
    if !(json && output.is_stdout()) {
        eprintln!("bytefit: {}: {}", file.display(), failure.detail());
    }
}

/// Standard output may hold the picture itself, or lead to a reader that has gone.
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
