//! Files cut short after every byte.

use std::time::{Duration, Instant};

use bytefit::codec::{self, DecodeError, Format, Limits};
use bytefit::job::{self, Effort, Formats, Job, JobError, Stop};
use rayon::prelude::*;
use testkit::fixtures;

#[test]
fn a_file_may_end_anywhere() {
    let fixtures = fixtures::all();
    assert!(fixtures.len() >= 20);
    fixtures.par_iter().for_each(|fixture| {
        for length in 0..fixture.file.len() {
            let name = format!("{} at {length}", fixture.name);
            match codec::decode(&fixture.file[..length], &Limits::default()) {
                // A decoder returns a picture when enough of it is there.
                Ok(decoded) => assert_eq!((decoded.picture.width(), decoded.picture.height()), (24, 18), "{name}"),
                Err(DecodeError::Undecodable { format, reason }) => {
                    assert!(format == fixture.format && !reason.is_empty(), "{name}: {reason}");
                }
                Err(DecodeError::Unsupported { .. }) => assert!(length < 40, "{name}"),
                Err(error @ DecodeError::TooManyPixels { .. }) => panic!("{name}: {error}"),
            }
        }
    });
}

#[test]
fn what_is_left_of_a_file_becomes_an_answer_or_the_clients_error() {
    fixtures::all().par_iter().for_each(|fixture| {
        for length in (0..fixture.file.len()).step_by(23) {
            let job = Job { effort: Effort::Fast, ..Job::new(2000, Formats::Among(Format::OUTPUT.to_vec())) };
            let stop = Stop::at(Instant::now() + Duration::from_secs(60));
            match job::run(&job, &fixture.file[..length], &Limits::default(), &stop) {
                Ok(answer) => assert!(answer.bytes.len() <= 2000),
                Err(error) => assert!(matches!(error, JobError::Decode(_)), "{} at {length}: {error}", fixture.name),
            }
        }
    });
}

/// What the debug form of a Rust value looks like.
const DEBUG_TEXT: [&str; 8] = ["Some(", "None", "::", "{", "}", "\"", "Error", "Err("];

#[test]
fn no_refusal_repeats_the_debug_text_of_a_dependency() {
    fixtures::all().par_iter().for_each(|fixture| {
        let limits = Limits { max_pixels: 1_000_000, ..Limits::default() };
        let mut texts = std::collections::HashSet::new();
        for at in 0..fixture.file.len() {
            for value in [0, 0x7F, 0xFF, fixture.file[at] ^ 1, fixture.file[at] ^ 0x20] {
                let mut damaged = fixture.file.clone();
                damaged[at] = value;
                for bytes in [&damaged[..], &damaged[..at]] {
                    texts.extend(codec::decode(bytes, &limits).err().map(|error| error.to_string()));
                }
            }
        }
        for text in texts {
            assert!(!DEBUG_TEXT.iter().any(|debug| text.contains(debug)), "{}: {text}", fixture.name);
        }
    });
}
