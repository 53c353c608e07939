//! Any query to a job: no panic, every job valid, the order of the parameters without meaning.
#![no_main]

use std::time::Duration;

use bytefit::codec::Format;
use bytefit::job::{Formats, Mode};
use bytefit::params::{Defaults, Request, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|query: &str| {
    let defaults = Defaults {
        max_target: 50_000_000,
        deadline: Duration::from_secs(10),
        max_deadline: Duration::from_secs(60),
        formats: vec![Format::Webp, Format::Jpeg],
        ..Defaults::default()
    };
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let request = parse(&pairs, &defaults);
    assert_eq!(parse(&pairs, &defaults), request);
    pairs.reverse();
    assert_eq!(parse(&pairs, &defaults).ok(), request.clone().ok());
    match request {
        Ok(request) => check(&request, &defaults),
        Err(error) => assert!(!error.reason.is_empty() && !error.to_string().is_empty()),
    }
});

fn check(request: &Request, defaults: &Defaults) {
    let job = &request.job;
    assert!((1..=defaults.max_target).contains(&job.target));
    assert!((1.0..=100.0).contains(&job.quality));
    assert!(job.min_score.is_none_or(|score| (0.0..=100.0).contains(&score)));
    assert!((Duration::from_millis(1)..=defaults.max_deadline).contains(&job.deadline));
    if let Mode::Fit { min_bytes: Some(bytes) } = job.mode {
        assert!(bytes <= job.target);
    }
    if let Formats::Among(formats) = &job.formats {
        assert!(!formats.is_empty() && formats.iter().all(|format| format.is_output()));
    }
    if let Some(resize) = job.resize {
        assert!(resize.width.or(resize.height).is_some());
        assert!(resize.width.iter().chain(&resize.height).all(|side| (1..=65_535).contains(side)));
    }
    assert!(job.blur.is_none_or(|sigma| (0.3..=100.0).contains(&sigma)));
    assert!(job.sharpen.is_none_or(|sigma| sigma > 0.0 && sigma <= 10.0));
    assert!(request.filename.as_ref().is_none_or(|name| !name.is_empty()));
}
