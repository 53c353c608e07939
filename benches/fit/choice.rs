//! What a job's own choices gain: the smaller picture against full size, and the chosen format against each alone.

use std::time::Instant;

use bytefit::codec::{self, Effort, Format, Limits};
use bytefit::job::{self, Job, Stop};
use bytefit::picture::Picture;
use bytefit::picture::score::Reference;

use super::{FORMATS, TARGETS, Target, cpu, quantile, score};

/// The target at which a smaller picture gains most.
const LOW: (&str, Target) = ("0.2 bpp", Target::BitsPerPixel(0.2));

/// Changes the usual job.
type Change = fn(Job) -> Job;

/// What is measured of an answer.
pub(crate) struct Answer {
    pub score: f64,
    /// CPU time.
    pub seconds: f64,
}

/// An input, and the picture that its answers are compared with.
pub(crate) struct Subject<'a> {
    pub input: &'a [u8],
    pub picture: Picture,
    reference: Reference,
}

impl Subject<'_> {
    pub(crate) fn new(input: &[u8]) -> Subject<'_> {
        let picture = super::asked(codec::decode(input, &Limits::default()).expect("a picture"));
        let reference = Reference::new(&picture, [255; 3]);
        Subject { input, picture, reference }
    }

    /// The answer to the job that [`super::job`] makes of `target`, after `change`. Returns `None` when it is refused.
    pub(crate) fn answer(&self, target: &Target, formats: &[Format], change: Change) -> Option<Answer> {
        let job = change(super::job(formats, target.bytes(&self.picture)));
        let working = cpu();
        let stop = Stop::at(Instant::now() + job.deadline);
        let answer = job::run(&job, self.input, &Limits::default(), &stop).ok()?;
        let seconds = cpu() - working;
        Some(Answer { score: self.score(&answer.bytes), seconds })
    }

    /// SSIMULACRA2 of any file.
    pub(crate) fn score(&self, file: &[u8]) -> f64 {
        score(&self.reference, file, &self.picture)
    }
}

/// Prints what `downscale=auto` gains over `never`, if both have an answer, and what it costs.
pub(crate) fn print_scales(formats: &[Format], inputs: &[Vec<u8>]) {
    let subjects: Vec<Subject> = inputs.iter().map(|input| Subject::new(input)).collect();
    println!(
        "\ndownscale=auto against never: SSIMULACRA2 gained, CPU\nformat   target   answers  median    mean   least    CPU"
    );
    for format in formats {
        for (name, target) in [LOW].iter().chain(&TARGETS) {
            let pairs: Vec<[Answer; 2]> = subjects
                .iter()
                .filter_map(|subject| {
                    let auto = subject.answer(target, &[*format], |job| Job { downscale: true, ..job })?;
                    Some([auto, subject.answer(target, &[*format], |job| job)?])
                })
                .collect();
            let gains: Vec<f64> = pairs.iter().map(|[auto, never]| auto.score - never.score).collect();
            let seconds = |which: usize| pairs.iter().map(|pair| pair[which].seconds).sum::<f64>();
            println!("{:<8} {name:<8} {} {:>6.2}", format.name(), summary(gains), seconds(0) / seconds(1));
        }
    }
}

/// Prints what `format=auto` gains over the best single format, by score.
pub(crate) fn print_formats(inputs: &[Vec<u8>]) {
    println!(
        "\nformat=auto against the best single format: SSIMULACRA2 gained\neffort   target   answers  median    mean   least"
    );
    let efforts: [(&str, Change); 2] = [
        ("balanced", |job| Job { downscale: true, ..job }),
        ("best", |job| Job { downscale: true, effort: Effort::Best, ..job }),
    ];
    let subjects: Vec<Subject> = inputs.iter().map(|input| Subject::new(input)).collect();
    for (effort, change) in efforts {
        for (name, target) in [LOW].iter().chain(&TARGETS) {
            let gains: Vec<f64> = subjects
                .iter()
                .filter_map(|subject| {
                    let alone = FORMATS.iter().filter_map(|format| subject.answer(target, &[*format], change));
                    let best = alone.map(|answer| answer.score).max_by(f64::total_cmp)?;
                    Some(subject.answer(target, &FORMATS, change)?.score - best)
                })
                .collect();
            println!("{effort:<8} {name:<8} {}", summary(gains));
        }
    }
}

/// The number of gains, their median, their mean and the least.
fn summary(gains: Vec<f64>) -> String {
    let mean = gains.iter().sum::<f64>() / gains.len() as f64;
    format!("{:>7} {:>+7.2} {mean:>+7.2} {:>+7.2}", gains.len(), quantile(gains.clone(), 0.5), quantile(gains, 0.0))
}
