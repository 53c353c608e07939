//! Real pictures and hostile files from the folder that `BYTEFIT_CORPUS` names. Without it these tests test nothing,
//! and print that.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytefit::codec::{self, DecodeError, Format, Limits};
use bytefit::job::{self, Answer, Effort, Formats, Job, JobError, Stop};
use bytefit::picture::{Layout, Picture, transform};
use rayon::prelude::*;

/// Far more than any file takes in an optimised build: only a hang takes longer.
const SLOWEST_HOSTILE: Duration = Duration::from_secs(60);

/// The files of these folders; empty without a corpus.
///
/// # Panics
/// When `BYTEFIT_CORPUS` is set and a folder is missing or empty.
fn files(folders: &[&str]) -> Vec<PathBuf> {
    let Some(corpus) = std::env::var_os("BYTEFIT_CORPUS").map(PathBuf::from) else {
        println!("BYTEFIT_CORPUS is not set: no files");
        return Vec::new();
    };
    let mut files = Vec::new();
    for folder in folders {
        let before = files.len();
        collect(&corpus.join(folder), &mut files);
        assert!(files.len() > before, "{folder} holds no files");
    }
    println!("corpus: {} files of {folders:?}", files.len());
    files
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() { collect(&entry, files) } else { files.push(entry) }
    }
}

fn job(format: Format, target: u64) -> Job {
    let job = Job::new(target, Formats::Among(vec![format]));
    Job { effort: Effort::Fast, deadline: Duration::from_secs(120), ..job }
}

fn run(job: &Job, input: &[u8]) -> Result<Answer, JobError> {
    job::run(job, input, &Limits::default(), &Stop::at(Instant::now() + job.deadline))
}

/// Asserts that the answer decodes, meets the target, has the size in its report, and the shape of its upright input.
fn check(answer: &Answer, target: u64, name: &str) {
    assert!(answer.bytes.len() as u64 <= target, "{name}: {} bytes", answer.bytes.len());
    let decoded = codec::decode(&answer.bytes, &Limits::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
    let upright = decoded.orientation.upright_size(decoded.picture.width(), decoded.picture.height());
    let (input, output) = (answer.report.input, answer.report.output);
    assert_eq!(upright, (output.width, output.height), "{name}");
    // Each side is rounded on its own: one follows from the other to within a pixel.
    let follows = |from: u32, whole: u32, other: u32| f64::from(from) * f64::from(other) / f64::from(whole);
    let width = follows(output.height, input.height, input.width);
    let height = follows(output.width, input.width, input.height);
    let kept = width.max(1.0) - f64::from(output.width);
    let kept_other = height.max(1.0) - f64::from(output.height);
    assert!(kept.abs() <= 1.0 || kept_other.abs() <= 1.0, "{name}: {input:?} became {output:?}");
}

#[test]
fn photographs_land_upright_within_the_target() {
    files(&["photos", "kodak", "camera", "orientation"]).par_iter().for_each(|file| {
        let input = std::fs::read(file).unwrap();
        for format in [Format::Jpeg, Format::Webp] {
            for target in [20_000, 80_000] {
                let name = format!("{} {format:?} {target}", file.display());
                let answer = run(&job(format, target), &input).unwrap_or_else(|error| panic!("{name}: {error}"));
                check(&answer, target, &name);
            }
        }
    });
}

#[test]
fn every_turned_picture_becomes_the_same_upright_one() {
    for file in files(&["orientation"]) {
        let answer = run(&job(Format::Webp, 30_000), &std::fs::read(&file).unwrap()).unwrap();
        let landscape = file.file_name().unwrap().to_string_lossy().starts_with("Landscape");
        let (width, height) = (answer.report.output.width, answer.report.output.height);
        assert_eq!(width > height, landscape, "{}: {width}x{height}", file.display());
    }
}

#[test]
fn every_kind_of_file_is_answered() {
    files(&["formats"]).par_iter().for_each(|file| {
        let input = std::fs::read(file).unwrap();
        let name = file.display().to_string();
        let answer = run(&job(Format::Jpeg, 40_000), &input).unwrap_or_else(|error| panic!("{name}: {error}"));
        check(&answer, 40_000, &name);
    });
}

/// Mean difference of the samples of two pictures, where transparent pixels are all alike; infinite for other sizes.
fn difference(one: &Picture, other: &Picture) -> f64 {
    let on_black = |picture: &Picture| transform::flatten(picture, [0; 3]).into_pixels();
    if (one.width(), one.height()) != (other.width(), other.height()) {
        return f64::INFINITY;
    }
    let (one, other) = (on_black(one), on_black(other));
    let sum: u64 = one.iter().zip(&other).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / one.len() as f64
}

#[test]
fn files_from_the_field_show_what_their_references_show() {
    let files = files(&["field/pixels", "field/refused", "field/words"]);
    let decoded = |file: &Path| {
        let decoded = codec::decode(&std::fs::read(file).unwrap(), &Limits::default());
        decoded.unwrap_or_else(|error| panic!("{}: {error}", file.display())).picture
    };
    let find = |name: &str| files.iter().find(|file| file.ends_with(name)).map(|file| decoded(file));
    // A file, the one that shows the same, and levels that lossy coding may be off.
    for (name, reference, levels) in [
        ("fillorder2_rgb.tif", "reference_96x64.png", 0.0),
        ("rgb_extra_predictor.tif", "reference_96x64.png", 0.0),
        ("jpeg_in_tiff.tif", "reference_96x64.png", 6.0),
        ("palette_alpha.tif", "palette_reference.png", 0.0),
        ("g4_fillorder2.tif", "g4_ok.tif", 0.0),
        ("g4_rowsperstrip_max.tif", "g4_ok.tif", 0.0),
        ("g3.tif", "g4_ok.tif", 0.0),
        ("icc_two_one.jpg", "icc_zero_zero.jpg", 0.0),
        ("adobe_short11.jpg", "icc_zero_zero.jpg", 0.0),
        ("noeoi_seft.jpg", "icc_zero_zero.jpg", 0.0),
        ("rgb_adobe0_jfif.jpg", "icc_zero_zero.jpg", 0.0),
        ("arith.jpg", "icc_zero_zero.jpg", 6.0),
        ("mjpeg_nodht.jpg", "icc_zero_zero.jpg", 6.0),
        ("cgbi.png", "noiend.png", 6.0),
        ("cut_97.png", "noiend.png", 6.0),
    ] {
        let (Some(one), Some(other)) = (find(name), find(reference)) else { continue };
        let off = difference(&one, &other);
        assert!(off <= levels, "{name} is {off:.2} levels from {reference}");
    }
    if let (Some(grey), Some(coloured)) = (find("grey_adobe1.jpg"), find("icc_zero_zero.jpg")) {
        // Luma of ITU-R BT.601, as JPEG stores it.
        let luma =
            |pixel: &[u8]| (299 * u32::from(pixel[0]) + 587 * u32::from(pixel[1]) + 114 * u32::from(pixel[2])) / 1000;
        let pixels = coloured.pixels().chunks(3).flat_map(|pixel| [luma(pixel) as u8; 3]).collect();
        let off = difference(&grey, &Picture::new(coloured.width(), coloured.height(), Layout::Rgb, pixels));
        assert!(off <= 6.0, "grey_adobe1.jpg is {off:.2} levels from the grey of its reference");
    }
    if let (Some(tiled), Some(reference)) = (find("planar_tiled_partial.tif"), find("reference_96x64.png")) {
        let off = difference(&tiled, &transform::scale(&reference, tiled.width(), tiled.height()));
        assert!(off <= 6.0, "planar_tiled_partial.tif is {off:.2} levels from its reference");
    }
    if let Some(transparent) = find("g1_trns_ff.png") {
        let opaque: Vec<_> = transparent.pixels().chunks(4).filter(|pixel| pixel[3] > 0).collect();
        assert_eq!(opaque, [[0, 0, 0, 255]; 32]);
    }
    assert!(find("color_grid_alpha_nogrid.avif").is_none_or(|grid| grid.has_alpha()));
    // Each is read, and small enough for a second look.
    for file in &files {
        assert!(decoded(file).pixel_count() < 1_000_000, "{}", file.display());
    }
}

#[test]
fn hostile_files_get_a_clear_error_or_a_picture() {
    files(&["hostile"]).par_iter().for_each(|file| {
        let input = std::fs::read(file).unwrap();
        let name = file.display().to_string();
        let started = Instant::now();
        match run(&job(Format::Jpeg, 20_000), &input) {
            Ok(answer) => check(&answer, 20_000, &name),
            Err(JobError::Decode(DecodeError::Undecodable { reason, .. })) => assert!(!reason.is_empty(), "{name}"),
            Err(JobError::Decode(_)) => {}
            Err(error) => panic!("{name}: {error}"),
        }
        assert!(started.elapsed() < SLOWEST_HOSTILE, "{name} took {:?}", started.elapsed());
    });
}
