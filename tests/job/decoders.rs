//! Other decoders accept the answers, also padded ones. A decoder that is not installed is skipped, unless
//! `BYTEFIT_TOOLS` is set.

use std::process::Command;

use bytefit::codec::Format;
use bytefit::job::Mode;
use testkit::drawing::{Content, file};

use super::{job, run};

/// A decoder's command line; `IN` and `OUT` stand for paths.
const DECODERS: [(Format, &[&str]); 5] = [
    (Format::Jpeg, &["djpeg", "-outfile", "OUT.ppm", "IN"]),
    (Format::Webp, &["dwebp", "IN", "-o", "OUT.png"]),
    (Format::Avif, &["avifdec", "IN", "OUT.png"]),
    (Format::Png, &["pngcheck", "-q", "IN"]),
    (Format::Jxl, &["djxl", "IN", "OUT.png"]),
];

#[test]
fn other_decoders_accept_answers_of_every_size() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    for (content, pixels) in [(Content::Photo, 160), (Content::Alpha, 96)] {
        let input = file(content, pixels, 100);
        for (format, command) in DECODERS {
            if !is_installed(command[0]) {
                continue;
            }
            for target in 9_000..9_014 {
                let mut job = job(format, target);
                job.mode = Mode::Exact;
                let answer = run(&job, &input).unwrap();
                assert_eq!(answer.bytes.len() as u64, target);
                let answer_path = path(format.name());
                std::fs::write(&answer_path, &answer.bytes).unwrap();
                let arguments = command[1..].iter().map(|argument| match *argument {
                    "IN" => answer_path.clone(),
                    argument if argument.starts_with("OUT") => path(argument),
                    argument => argument.to_owned(),
                });
                let output = Command::new(command[0]).args(arguments).output().unwrap();
                let message = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{} on {content:?}, {target} bytes: {message}", command[0]);
            }
        }
    }
}

pub(super) fn is_installed(tool: &str) -> bool {
    let installed = Command::new(tool).arg("-h").output().is_ok();
    assert!(installed || std::env::var_os("BYTEFIT_TOOLS").is_none(), "{tool} is not installed");
    installed
}
