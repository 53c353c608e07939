//! The same targets in other programs: each script in `rivals/` bisects the whole quality units of its own encoder.

use std::path::Path;
use std::process::Command;

use bytefit::codec::Format;

use super::choice::{Answer, Subject};
use super::{TARGETS, Target, quantile};

/// A script. Its arguments are format, target in bytes, input and output; it prints its encodes and CPU seconds.
struct Rival {
    name: &'static str,
    interpreter: &'static str,
    script: &'static str,
}

const RIVALS: [Rival; 2] = [
    Rival { name: "Pillow", interpreter: "python3", script: "pillow.py" },
    Rival { name: "sharp", interpreter: "node", script: "sharp.mjs" },
];

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
                    .filter_map(|subject| rival.compare(*format, target, subject, folder.path()))
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

impl Rival {
    /// Both answers to `target`. Returns `None` when either has none.
    fn compare(&self, format: Format, target: &Target, subject: &Subject, folder: &Path) -> Option<Pair> {
        let (input, output) = (folder.join("input"), folder.join("output"));
        let _ = std::fs::remove_file(&output);
        std::fs::write(&input, subject.input).expect("written");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/fit/rivals").join(self.script);
        let bytes = target.bytes(&subject.picture);
        let mut command = Command::new(self.interpreter);
        command.arg(script).arg(format.name()).arg(bytes.to_string()).arg(&input).arg(&output);
        let said = command.output().expect("the interpreter is installed");
        assert!(said.status.success(), "{}: {}", self.name, String::from_utf8_lossy(&said.stderr));
        let words = String::from_utf8_lossy(&said.stdout).into_owned();
        let numbers: Vec<f64> = words.split_whitespace().map(|word| word.parse().expect("a number")).collect();
        let file = std::fs::read(&output).ok()?;
        let ours: Answer = subject.answer(target, &[format], |job| job)?;
        Some(Pair {
            gain: ours.score - subject.score(&file),
            fill: file.len() as f64 / bytes as f64,
            encodes: numbers[0],
            seconds: [numbers[1], ours.seconds],
        })
    }
}
