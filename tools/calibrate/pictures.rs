//! The pictures that a calibration program measures.

use std::path::{Path, PathBuf};

use bytefit::codec::{self, Format, Limits};
use bytefit::picture::Picture;
use bytefit::picture::transform::{self, Resize, ResizeFit};
use rayon::prelude::*;

/// Every file of the directories named on the command line.
pub fn files() -> Vec<PathBuf> {
    let is_directory = |argument: &String| argument != GREY && format_named(argument).is_none();
    std::env::args().skip(1).filter(is_directory).flat_map(files_in).collect()
}

/// The word on the command line that takes the colour out of all pictures.
const GREY: &str = "grey";

/// Whether the pictures are to be grey.
pub fn are_grey() -> bool {
    std::env::args().skip(1).any(|argument| argument == GREY)
}

/// Whether to measure `format`: the command line names it, or names no format.
pub fn is_wanted(format: Format) -> bool {
    let named: Vec<Format> = std::env::args().skip(1).filter_map(|argument| format_named(&argument)).collect();
    named.is_empty() || named.contains(&format)
}

fn format_named(argument: &str) -> Option<Format> {
    Format::OUTPUT.into_iter().find(|format| format.name() == argument)
}

fn files_in(directory: String) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("readable").path()).collect();
    files.sort();
    files
}

/// Long sides in pixels that [`at_sizes`] scales each picture to. Large pictures are smoother, and get fewer bits a
/// pixel. A picture that is no larger than one side is not measured at the next.
pub const SIDES: [u32; 2] = [1024, 2048];

/// Calls `measure` with every picture of [`files`] at each of [`SIDES`], and returns all its results. Its arguments are
/// the file's index and name, the picture and the side.
pub fn at_sizes<T: Send>(measure: impl Fn(usize, &str, &Picture, u32) -> Vec<T> + Sync) -> Vec<T> {
    let of_file = |(index, file): (usize, &PathBuf)| {
        let picture = load(file, u32::MAX);
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let long = picture.width().max(picture.height());
        let sides = SIDES.into_iter().filter(|side| *side == SIDES[0] || long > SIDES[0]);
        sides.flat_map(|side| measure(index, &name, &within(picture.clone(), side), side)).collect::<Vec<T>>()
    };
    files().par_iter().enumerate().flat_map(of_file).collect()
}

/// Whether a file of so many bytes depends on its picture's content, and is of a size that people ask for.
pub fn is_representative(bytes: f64, pixels: f64) -> bool {
    bytes >= 4_000.0 && (0.03..4.0).contains(&(bytes * 8.0 / pixels))
}

/// The picture in `file`, on white, scaled to at most `side` pixels a side.
pub fn load(file: &Path, side: u32) -> Picture {
    let decoded = codec::decode(&std::fs::read(file).expect("readable"), &Limits::default()).expect("decodable");
    let picture = transform::flatten(&within(decoded.picture, side), [255; 3]);
    if are_grey() { grey(&picture) } else { picture }
}

/// `picture`, which has no alpha channel, without its colour.
fn grey(picture: &Picture) -> Picture {
    let greys = picture.pixels().as_chunks().0.iter().flat_map(|colour| [transform::grey_of(*colour); 3]);
    Picture::new(picture.width(), picture.height(), picture.layout(), greys.collect())
}

/// Squares of `side` pixels a side along the diagonal of `picture`, on the grid of its blocks. Returns none unless the
/// picture is at least twice as wide and high.
pub fn squares(picture: &Picture, side: u32, count: u32) -> Vec<Picture> {
    if picture.width().min(picture.height()) < 2 * side {
        return Vec::new();
    }
    let square = |index: u32| {
        let start = |length: u32| ((length - side) * (index + 1) / (count + 1) / GRID * GRID) as usize;
        let left = start(picture.width());
        let top = start(picture.height());
        let bytes = picture.layout().bytes_per_pixel();
        let rows = picture.pixels().chunks_exact(picture.width() as usize * bytes).skip(top).take(side as usize);
        let pixels = rows.flat_map(|row| &row[left * bytes..(left + side as usize) * bytes]).copied().collect();
        Picture::new(side, side, picture.layout(), pixels)
    };
    (0..count).map(square).collect()
}

/// Side in pixels of the largest block that an encoder puts on a fixed grid: a macroblock.
const GRID: u32 = 16;

/// `picture` scaled to at most `side` pixels a side.
pub fn within(picture: Picture, side: u32) -> Picture {
    transform::resize(
        picture,
        &Resize { width: Some(side), height: Some(side), fit: ResizeFit::Inside, enlarge: false },
    )
}
