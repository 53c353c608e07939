//! Where more bytes give a worse answer: targets 5 % apart, and the score of each answer.

use bytefit::picture::Picture;
use std::collections::BTreeMap;

use bytefit::picture::score::Reference;

use super::inputs::Input;
use super::{Choice, fit, references, score, upright};

/// The targets of a ladder: from [`LOWEST`], each 5 % above the one before.
const STEPS: i32 = 40;
const STEP: f64 = 1.05;

/// The lowest target, in bits per pixel of the picture.
const LOWEST: f64 = 0.15;

/// Pictures with a longer side are left out, which keeps the time in bounds.
const LONG_SIDE: u32 = 1600;

/// Pictures of each class.
const PICTURES: usize = 3;

/// Points by which a score may fall.
const ALLOWED: f64 = 1.0;

/// Prints the falls of more than [`ALLOWED`], and a line for each choice of formats.
pub(crate) fn print(choices: &[Choice], inputs: impl Iterator<Item = Input>) {
    let mut ladders: BTreeMap<String, usize> = BTreeMap::new();
    let mut falls = vec![Vec::new(); choices.len()];
    for input in inputs {
        let picture = upright(&input.file);
        let of_class = ladders.entry(input.class.clone()).or_default();
        if picture.width().max(picture.height()) > LONG_SIDE || *of_class == PICTURES {
            continue;
        }
        *of_class += 1;
        let references = references(&picture);
        for (choice, falls) in choices.iter().zip(&mut falls) {
            falls.extend(falls_of(&input, choice, &picture, &references));
        }
    }
    let ladders: usize = ladders.values().sum();
    for ((name, _), falls) in choices.iter().zip(&falls) {
        let most = falls.iter().copied().fold(0.0, f64::max);
        println!("{name:5} {ladders} ladders: {} falls over {ALLOWED}, the most {most:.2}", falls.len());
    }
}

/// Points by which scores fall below the best at a lower target, where they are over [`ALLOWED`].
fn falls_of(
    input: &Input,
    (name, formats): &Choice,
    picture: &Picture,
    references: &[([u8; 3], Reference)],
) -> Vec<f64> {
    let lowest = picture.pixel_count() as f64 * LOWEST / 8.0;
    let mut best: Option<(f64, String)> = None;
    let mut falls = Vec::new();
    for step in 0..STEPS {
        let target = (lowest * STEP.powi(step)) as u64;
        let Ok(answer) = fit(&input.file, target, formats) else { continue };
        let score = score(&answer.bytes, picture, references);
        let output = answer.report.output;
        let quality = answer.report.quality.unwrap_or(100.0);
        let shown =
            format!("{target} {} {}x{} q{quality:.0} {score:.2}", output.format.name(), output.width, output.height);
        match &best {
            Some((before, of_best)) if score < before - ALLOWED => {
                println!("{:10} {:24} {name:5} {of_best} -> {shown}", input.class, input.name);
                falls.push(before - score);
            }
            Some((before, _)) if score <= *before => {}
            _ => best = Some((score, shown)),
        }
    }
    falls
}
