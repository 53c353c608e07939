//! The pictures that are measured: ten classes, 26 drawn and, with a corpus, 42 of its files.

use std::path::{Path, PathBuf};

use bytefit::codec;
use bytefit::picture::Picture;

use super::{drawn, upright};

/// A picture of a class.
pub(crate) struct Input {
    pub class: String,
    pub name: String,
    pub file: Vec<u8>,
}

/// Folder of the corpus, class of its pictures, and how many are taken. The pictures in `field/looks` have classes of
/// their own.
const FOLDERS: [(&str, &str, usize); 4] =
    [("field/looks", "", 20), ("kodak", "photo", 12), ("photos", "photo", 8), ("camera", "camera", 10)];

/// The classes of the pictures in `field/looks`.
const LOOKS: [(&str, &str); 6] = [
    ("doc1", "text"),
    ("gradient", "gradient"),
    ("logo", "alpha"),
    ("screen", "screen"),
    ("shadow", "alpha"),
    ("whitelogo", "alpha"),
];

/// The drawn pictures, and those of the corpus.
pub(crate) fn all() -> Vec<Input> {
    let mut inputs: Vec<Input> =
        drawn::all().iter().map(|(class, name, picture)| lossless(class, name, picture)).collect();
    let Some(corpus) = std::env::var_os("BYTEFIT_CORPUS").map(PathBuf::from) else { return inputs };
    for (folder, class, most) in FOLDERS {
        inputs.extend(files(&corpus.join(folder)).iter().take(most).map(|path| of_corpus(path, class)));
    }
    let kodak = files(&corpus.join("kodak"));
    inputs.extend(kodak.iter().rev().take(6).map(|path| {
        let picture = upright(&std::fs::read(path).expect("a file"));
        lossless("grey", &format!("grey {}", name_of(path)), &drawn::grey(&picture))
    }));
    inputs
}

fn of_corpus(path: &Path, class: &str) -> Input {
    let name = name_of(path);
    let of_looks = LOOKS.iter().find(|(known, _)| *known == name).map(|(_, class)| *class);
    let class = if class.is_empty() { of_looks.expect("a class for the picture") } else { class };
    Input { class: class.to_owned(), file: std::fs::read(path).expect("a file"), name }
}

fn lossless(class: &str, name: &str, picture: &Picture) -> Input {
    let file = codec::png::encode::encode_lossless(picture, codec::Effort::Fast).expect("a picture of modest size");
    Input { class: class.to_owned(), name: name.to_owned(), file }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

/// The start of the file's name.
fn name_of(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().chars().take(24).collect()).unwrap_or_default()
}
