//! The same targets in other programs: each script in this folder bisects the whole quality units of its own encoder,
//! at whole size, as their users do.

use std::path::{Path, PathBuf};
use std::process::Command;

use bytefit::codec::Format;

/// A script. Its arguments are format, target in bytes, input and output; it prints its encodes and CPU seconds.
pub(crate) struct Rival {
    pub name: &'static str,
    interpreter: &'static str,
    script: &'static str,
}

pub(crate) const RIVALS: [Rival; 2] = [
    Rival { name: "Pillow", interpreter: "python3", script: "pillow.py" },
    Rival { name: "sharp", interpreter: "node", script: "sharp.mjs" },
];

/// What a rival did with a picture and a target.
pub(crate) struct TheirAnswer {
    /// `None` where no quality fits.
    pub file: Option<Vec<u8>>,
    pub encodes: f64,
    /// CPU time.
    pub seconds: f64,
}

impl Rival {
    /// Its answer of at most `target` bytes. `folder` is for the input and the output.
    pub(crate) fn answer(&self, format: Format, target: u64, picture: &[u8], folder: &Path) -> TheirAnswer {
        let (input, output) = (folder.join("input"), folder.join("output"));
        let _ = std::fs::remove_file(&output);
        std::fs::write(&input, picture).expect("written");
        let mut command = Command::new(self.interpreter);
        command.arg(self.script()).arg(format.name()).arg(target.to_string()).arg(&input).arg(&output);
        let said = command.output().expect("the interpreter is installed");
        assert!(said.status.success(), "{}: {}", self.name, String::from_utf8_lossy(&said.stderr));
        let words = String::from_utf8_lossy(&said.stdout).into_owned();
        let numbers: Vec<f64> = words.split_whitespace().map(|word| word.parse().expect("a number")).collect();
        TheirAnswer { file: std::fs::read(&output).ok(), encodes: numbers[0], seconds: numbers[1] }
    }

    fn script(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/other_programs").join(self.script)
    }
}
