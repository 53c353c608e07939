//! The answers beside those of other programs, for every class of pictures.

use std::collections::BTreeMap;
use std::time::Instant;

use bytefit::codec::Format;
use bytefit::picture::Picture;
use bytefit::picture::score::Reference;

use super::inputs::Input;
use super::other_programs::{RIVALS, TheirAnswer};
use super::{fit, references, score, upright};

/// Bytes: a portal's limit for a picture.
const TARGET: u64 = 50_000;

const FORMATS: [Format; 2] = [Format::Jpeg, Format::Webp];

/// Our answer to the target beside a rival's.
struct Pair {
    ours: f64,
    /// Score and share of the target. `None` where no quality of theirs fits.
    theirs: Option<[f64; 2]>,
    /// Encodes of theirs.
    encodes: f64,
    /// CPU time of theirs over the time of ours, on one core both.
    cost: f64,
}

/// Pairs by class, format and rival.
type Pairs = BTreeMap<(String, &'static str, &'static str), Vec<Pair>>;

/// Prints a line for each picture, format and rival, and then one for each class.
pub(crate) fn print(inputs: impl Iterator<Item = Input>) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut pairs = Pairs::new();
    for input in inputs {
        let picture = upright(&input.file);
        let references = references(&picture);
        for format in FORMATS {
            let started = Instant::now();
            let Ok(ours) = fit(&input.file, TARGET, &[format]) else { continue };
            let seconds = started.elapsed().as_secs_f64();
            let ours = score(&ours.bytes, &picture, &references);
            for rival in &RIVALS {
                let answer = rival.answer(format, TARGET, &input.file, folder.path());
                let pair = pair(ours, seconds, &answer, &picture, &references);
                let theirs = shown(pair.theirs);
                println!(
                    "{:10} {:24} {:5} {ours:>7.2} {:7} {theirs}",
                    input.class,
                    input.name,
                    format.name(),
                    rival.name
                );
                pairs.entry((input.class.clone(), format.name(), rival.name)).or_default().push(pair);
            }
        }
    }
    summary(&pairs);
}

fn pair(ours: f64, seconds: f64, answer: &TheirAnswer, picture: &Picture, references: &[([u8; 3], Reference)]) -> Pair {
    let theirs =
        answer.file.as_deref().map(|file| [score(file, picture, references), file.len() as f64 / TARGET as f64]);
    Pair { ours, theirs, encodes: answer.encodes, cost: answer.seconds / seconds }
}

fn shown(theirs: Option<[f64; 2]>) -> String {
    theirs.map_or("no quality fits".to_owned(), |[score, fill]| format!("{score:>7.2} fill {fill:.2}"))
}

fn summary(pairs: &Pairs) {
    println!(
        "\n{:10} {:5} {:7} {:>8} {:>7} {:>7} {:>12} {:>6} {:>8} {:>6}",
        "class", "", "", "pictures", "fitted", "gained", "the least", "fill", "encodes", "CPU"
    );
    for ((class, format, rival), pairs) in pairs {
        let both: Vec<(f64, f64)> =
            pairs.iter().filter_map(|pair| pair.theirs.map(|[score, fill]| (pair.ours - score, fill))).collect();
        let mean = |of: fn(&(f64, f64)) -> f64| both.iter().map(of).sum::<f64>() / both.len() as f64;
        let least = both.iter().map(|(gain, _)| *gain).fold(f64::INFINITY, f64::min);
        let looks = match both.is_empty() {
            true => format!("{:>7} {:>12} {:>6}", "-", "-", "-"),
            false => format!("{:>+7.1} {least:>+12.1} {:>6.2}", mean(|(gain, _)| *gain), mean(|(_, fill)| *fill)),
        };
        let mut costs: Vec<f64> = pairs.iter().map(|pair| pair.cost).collect();
        costs.sort_by(f64::total_cmp);
        println!(
            "{class:10} {format:5} {rival:7} {:>8} {:>7} {looks} {:>8.1} {:>6.1}",
            pairs.len(),
            both.len(),
            pairs.iter().map(|pair| pair.encodes).sum::<f64>() / pairs.len() as f64,
            costs[costs.len() / 2],
        );
    }
}
