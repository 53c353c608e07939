//! How answers look on all kinds of pictures that people send, not on photographs alone:
//!
//! ```text
//! BYTEFIT_CORPUS=DIRECTORY cargo bench --bench looks [-- ladders | rivals] [CLASS...] [auto webp ...]
//! ```
//!
//! For each picture, target and choice of formats it prints the answer's format, size, share of the target, SSIMULACRA2
//! against the whole picture (a smaller answer is scaled up; of a picture with alpha the lower score on white and
//! black) and CPU time. Then it prints for each class the mean score, the worst, and by how much `auto` stays below the
//! best single format. `ladders` prints instead where more bytes give a worse answer, `rivals` what the answers gain
//! over those of Pillow and sharp, which must be installed (`npm install sharp` in the working directory). Without a
//! corpus all pictures are drawn.

mod drawn;
mod inputs;
mod ladder;
#[path = "../other_programs/mod.rs"]
mod other_programs;
mod rivals;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytefit::codec::{self, Format, Limits};
use bytefit::job::{self, Answer, Formats, Job, JobError, Stop};
use bytefit::picture::score::Reference;
use bytefit::picture::{Picture, transform};

use inputs::Input;

const TARGETS: [u64; 3] = [20_000, 50_000, 100_000];

/// A name, and the formats that the answer may have.
type Choice = (&'static str, &'static [Format]);

/// The choices of formats: `auto` as for a browser, and each alone.
const CHOICES: [Choice; 5] = [
    ("auto", &[Format::Webp, Format::Jpeg, Format::Png]),
    ("webp", &[Format::Webp]),
    ("jpeg", &[Format::Jpeg]),
    ("png", &[Format::Png]),
    ("avif", &[Format::Avif]),
];

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let (modes, wanted): (Vec<_>, Vec<_>) =
        wanted.into_iter().partition(|word| ["ladders", "rivals"].contains(&word.as_str()));
    let (names, classes): (Vec<_>, Vec<_>) =
        wanted.into_iter().partition(|word| CHOICES.iter().any(|(name, _)| name == word));
    let choices: Vec<Choice> =
        CHOICES.into_iter().filter(|(name, _)| names.is_empty() || names.iter().any(|wanted| wanted == name)).collect();
    let inputs = inputs::all().into_iter().filter(|input| classes.is_empty() || classes.contains(&input.class));
    match modes.first().map(String::as_str) {
        Some("ladders") => ladder::print(&choices, inputs),
        Some(_) => rivals::print(inputs),
        None => print_table(&choices, inputs),
    }
}

fn print_table(choices: &[Choice], inputs: impl Iterator<Item = Input>) {
    let mut scores: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    println!(
        "{:10} {:24} {:>7} {:5} {:>22} {:>5} {:>7} {:>7}",
        "class", "picture", "target", "", "answer", "fill", "score", "ms"
    );
    for input in inputs {
        let picture = upright(&input.file);
        let references = references(&picture);
        for target in TARGETS {
            let mut row = Row { has_alpha: picture.has_alpha(), ..Row::default() };
            for (name, formats) in choices {
                let shown = show(&input, target, name, formats, &picture, &references);
                row.scores.insert((*name).to_owned(), shown);
            }
            scores.entry(input.class.clone()).or_default().push(row);
        }
    }
    summary(&scores);
}

/// The scores of one picture and target, by choice of formats.
#[derive(Default)]
struct Row {
    has_alpha: bool,
    scores: BTreeMap<String, Option<f64>>,
}

/// Fits, prints a line and returns the score.
fn show(
    input: &Input,
    target: u64,
    choice: &str,
    formats: &[Format],
    picture: &Picture,
    references: &[([u8; 3], Reference)],
) -> Option<f64> {
    let started = Instant::now();
    let answer = fit(&input.file, target, formats);
    let milliseconds = started.elapsed().as_millis();
    let front = format!("{:10} {:24} {target:>7} {choice:5}", input.class, input.name);
    let Ok(answer) = answer else {
        println!("{front} {}", answer.unwrap_err());
        return None;
    };
    let output = answer.report.output;
    let score = score(&answer.bytes, picture, references);
    let quality = answer.report.quality.map_or("-".to_owned(), |quality| format!("{quality:.0}"));
    let shown = format!("{} {}x{} q{quality}", output.format.name(), output.width, output.height);
    println!("{front} {shown:>22} {:>5.2} {score:>7.2} {milliseconds:>7}", output.bytes as f64 / target as f64);
    Some(score)
}

/// The answer for `target` bytes in one of `formats`.
fn fit(file: &[u8], target: u64, formats: &[Format]) -> Result<Answer, JobError> {
    let job = Job { deadline: Duration::from_secs(120), ..Job::new(target, Formats::Among(formats.to_vec())) };
    let stop = Stop::at(Instant::now() + job.deadline);
    job::run(&job, file, &Limits::default(), &stop)
}

fn summary(scores: &BTreeMap<String, Vec<Row>>) {
    println!(
        "\n{:10} {:>6} {:>36} {:>28}",
        "class", "rows", "mean score: auto webp jpeg png avif", "auto below the best: worst"
    );
    for (class, rows) in scores {
        let mean = |choice: &str| {
            let scores: Vec<f64> = rows.iter().filter_map(|row| *row.scores.get(choice)?).collect();
            scores.iter().sum::<f64>() / scores.len().max(1) as f64
        };
        let below = rows.iter().filter_map(|row| {
            let auto = (*row.scores.get("auto")?)?;
            // An answer that lost the alpha channel is no rival.
            let of_auto: &[&str] = if row.has_alpha { &["webp", "png"] } else { &["webp", "jpeg", "png"] };
            let singles =
                row.scores.iter().filter(|(name, _)| of_auto.contains(&name.as_str())).filter_map(|(_, score)| *score);
            Some(singles.fold(f64::NEG_INFINITY, f64::max) - auto)
        });
        let worst = below.fold(f64::NEG_INFINITY, f64::max);
        let means: Vec<String> = CHOICES.iter().map(|(name, _)| format!("{:6.1}", mean(name))).collect();
        println!("{class:10} {:>6} {} {worst:>10.2}", rows.len(), means.join(" "));
    }
}

fn score(file: &[u8], picture: &Picture, references: &[([u8; 3], Reference)]) -> f64 {
    let answer = upright(file);
    let answer = transform::scale(&answer, picture.width(), picture.height());
    // An answer without alpha lies on the white that it was made with.
    let seen = if answer.has_alpha() { references } else { &references[..1] };
    let scores = seen.iter().map(|(background, reference)| reference.score(&transform::flatten(&answer, *background)));
    scores.fold(f64::INFINITY, f64::min)
}

fn references(picture: &Picture) -> Vec<([u8; 3], Reference)> {
    let backgrounds: &[[u8; 3]] = if picture.has_alpha() { &[[255; 3], [0; 3]] } else { &[[255; 3]] };
    backgrounds
        .iter()
        .map(|background| (*background, Reference::new(&transform::flatten(picture, *background), *background)))
        .collect()
}

fn upright(file: &[u8]) -> Picture {
    let decoded = codec::decode(file, &Limits::default()).expect("a readable picture");
    transform::orient(decoded.picture, decoded.orientation)
}
