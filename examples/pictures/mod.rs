//! The pictures that the measuring programs are given.

use std::path::{Path, PathBuf};

use bytefit::codec::{self, Limits};
use bytefit::picture::Picture;
use bytefit::picture::transform::{self, Resize, ResizeFit};

/// Every file of the directories named on the command line.
pub fn files() -> Vec<PathBuf> {
    std::env::args().skip(1).flat_map(files_in).collect()
}

fn files_in(directory: String) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("readable").path()).collect();
    files.sort();
    files
}

/// The picture in `file`, on white, brought to at most `side` pixels a side.
pub fn load(file: &Path, side: u32) -> Picture {
    let decoded = codec::decode(&std::fs::read(file).expect("readable"), &Limits::default()).expect("decodable");
    transform::flatten(&within(&decoded.picture, side), [255; 3])
}

/// `picture` brought to at most `side` pixels a side.
pub fn within(picture: &Picture, side: u32) -> Picture {
    transform::resize(
        picture,
        &Resize { width: Some(side), height: Some(side), fit: ResizeFit::Inside, enlarge: false },
    )
}
