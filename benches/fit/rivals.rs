//! What the answers gain over those of other programs at the same targets, and what each costs.

use std::path::Path;

use bytefit::codec::Format;

use super::choice::{Answer, Subject};
use super::other_programs::{RIVALS, Rival};
use super::{TARGETS, Target, quantile};

/// Our answer to a target next to a rival's.
struct Pair {
    gain: f64,
    fill: f64,
    encodes: f64,
    /// CPU time, theirs and ours.
    seconds: [f64; 2],
}

/// Prints what our answers at full size gain over each rival's at the same targets, and what each costs.
pub(crate) fn print_rivals(formats: &[Format], inputs: &[Vec<u8>]) {
    let subjects: Vec<Subject> = inputs.iter().map(|input| Subject::new(input)).collect();
    let folder = tempfile::tempdir().expect("a folder");
    println!(
        "\nagainst others: SSIMULACRA2 gained; theirs: fill, encodes, CPU over ours\n\
         format rival    target   answers  median   least   fill  encodes    CPU"
    );
    for format in formats {
        for rival in &RIVALS {
            let mut all = Vec::new();
            for (name, target) in &TARGETS {
                let pairs: Vec<Pair> = subjects
                    .iter()
                    .filter_map(|subject| compare(rival, *format, target, subject, folder.path()))
                    .collect();
                print(*format, rival.name, name, &pairs);
                all.extend(pairs);
            }
            print(*format, rival.name, "all", &all);
        }
    }
}

fn print(format: Format, rival: &str, target: &str, pairs: &[Pair]) {
    let all = |pick: fn(&Pair) -> f64| pairs.iter().map(pick).collect::<Vec<f64>>();
    let sum = |pick: fn(&Pair) -> f64| pairs.iter().map(pick).sum::<f64>();
    println!(
        "{:<6} {rival:<8} {target:<9} {:>6} {:>+7.2} {:>+7.2}  {:.3} {:>8.2} {:>6.2}",
        format.name(),
        pairs.len(),
        quantile(all(|pair| pair.gain), 0.5),
        quantile(all(|pair| pair.gain), 0.0),
        quantile(all(|pair| pair.fill), 0.5),
        sum(|pair| pair.encodes) / pairs.len() as f64,
        sum(|pair| pair.seconds[0]) / sum(|pair| pair.seconds[1]),
    );
}

/// Both answers to `target`. Returns `None` when either has none.
fn compare(rival: &Rival, format: Format, target: &Target, subject: &Subject, folder: &Path) -> Option<Pair> {
    let bytes = target.bytes(&subject.picture);
    let theirs = rival.answer(format, bytes, subject.input, folder);
    let file = theirs.file?;
    let ours: Answer = subject.answer(target, &[format], |job| job)?;
    Some(Pair {
        gain: ours.score - subject.score(&file),
        fill: file.len() as f64 / bytes as f64,
        encodes: theirs.encodes,
        seconds: [theirs.seconds, ours.seconds],
    })
}
