//! Compares each transform with ImageMagick's: prints the lowest and the median SSIMULACRA2 between the two results, and the
//! time that smart gravity takes on a picture of 12 megapixels.
//!
//! ImageMagick 6 is asked as `convert`; `CONVERT` names another.
//!
//! ```text
//! cargo run --release -p bytefit-tools --bin transforms -- DIRECTORY...
//! ```

use std::borrow::Cow;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use bytefit::codec::{self, Limits};
use bytefit::params::{self, Defaults};
use bytefit::picture::Picture;
use bytefit::picture::score::Reference;
use bytefit::picture::transform::{self, Gravity, Resize, ResizeFit, Transforms};
use calibrate::pictures;
use rayon::prelude::*;

/// Parameters of ours, and the same for ImageMagick.
const TRANSFORMS: [(&str, &str); 33] = [
    ("crop=100,50,300,200", "-crop 300x200+100+50 +repage"),
    ("crop=25%,25%,50%,50%", "-gravity center -crop 50%x50%+0+0 +repage"),
    ("rotate=90", "-rotate 90"),
    ("rotate=180", "-rotate 180"),
    ("rotate=270", "-rotate 270"),
    ("flip=horizontal", "-flop"),
    ("flip=vertical", "-flip"),
    ("width=384", "-filter Lanczos -resize 384x"),
    (
        "width=384 height=384 resize=contain background=336699",
        "-filter Lanczos -resize 384x384 -background #336699 -gravity center -extent 384x384",
    ),
    (
        "width=384 height=384 resize=contain gravity=north background=336699",
        "-filter Lanczos -resize 384x384 -background #336699 -gravity north -extent 384x384",
    ),
    ("width=300 height=300 resize=cover", "-filter Lanczos -resize 300x300^ -gravity center -extent 300x300"),
    (
        "width=300 height=300 resize=cover gravity=north-east",
        "-filter Lanczos -resize 300x300^ -gravity northeast -extent 300x300",
    ),
    (
        "width=200 height=300 resize=cover gravity=west",
        "-filter Lanczos -resize 200x300^ -gravity west -extent 200x300",
    ),
    (
        "width=200 height=300 resize=cover gravity=south-east",
        "-filter Lanczos -resize 200x300^ -gravity southeast -extent 200x300",
    ),
    ("width=300 height=300 resize=fill", "-filter Lanczos -resize 300x300!"),
    ("blur=0.3", "-blur 0x0.3"),
    ("blur=0.5", "-blur 0x0.5"),
    ("blur=1", "-blur 0x1"),
    ("blur=3", "-blur 0x3"),
    ("blur=4.9", "-blur 0x4.9"),
    ("blur=5", "-blur 0x5"),
    ("blur=8", "-blur 0x8"),
    ("blur=12", "-blur 0x12"),
    ("blur=20", "-blur 0x20"),
    ("blur=50", "-blur 0x50"),
    ("blur=100", "-blur 0x100"),
    ("sharpen=0.5", "-unsharp 0x0.5+1+0"),
    ("sharpen=1", "-unsharp 0x1+1+0"),
    ("sharpen=2", "-unsharp 0x2+1+0"),
    ("sharpen=5", "-unsharp 0x5+1+0"),
    ("sharpen=10", "-unsharp 0x10+1+0"),
    ("grayscale=true", "-colorspace Gray"),
    ("crop=100,50,400,400 rotate=90 width=200 grayscale=true", CHAIN),
];

/// Several of them, in our order.
const CHAIN: &str = "-crop 400x400+100+50 +repage -rotate 90 -filter Lanczos -resize 200x -colorspace Gray";

fn main() {
    let files = pictures::files();
    println!("| transform | lowest | median | pictures |\n| --- | --- | --- | --- |");
    for (ours, theirs) in TRANSFORMS {
        let transforms = parsed(ours);
        let mut scores: Vec<f64> = files.par_iter().map(|file| compared(file, transforms, theirs)).collect();
        scores.sort_by(f64::total_cmp);
        println!("| {ours} | {:.2} | {:.2} | {} |", scores[0], scores[scores.len() / 2], scores.len());
    }
    let picture = transform::scale(&pictures::load(&files[0], u32::MAX), 4000, 3000);
    let (centre, smart) = (crop_time(&picture, Gravity::default()), crop_time(&picture, Gravity::Smart));
    println!("smart gravity on 4000x3000: {:.1} ms", (smart.as_secs_f64() - centre.as_secs_f64()) * 1e3);
}

/// The transforms that parameters like `width=384 blur=1` ask for.
fn parsed(parameters: &str) -> Transforms {
    let pair = |text: &str| text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut pairs: Vec<(String, String)> = parameters.split(' ').filter_map(pair).collect();
    pairs.push(("target".to_owned(), "1MB".to_owned()));
    params::parse(&pairs, &Defaults::default()).expect("valid parameters").job.transforms()
}

/// The SSIMULACRA2 between our result and ImageMagick's.
fn compared(file: &Path, transforms: Transforms, theirs: &str) -> f64 {
    let picture = pictures::load(file, u32::MAX);
    let ours = transforms.apply(Cow::Borrowed(&picture)).expect("within the picture").into_owned();
    let theirs = by_imagemagick(file, theirs);
    assert_eq!((ours.width(), ours.height()), (theirs.width(), theirs.height()), "{}", file.display());
    Reference::new(&theirs, [255; 3]).score(&ours)
}

fn by_imagemagick(file: &Path, options: &str) -> Picture {
    let convert = std::env::var("CONVERT").unwrap_or_else(|_| "convert".to_owned());
    // It truncates to 8 bits, and writes chunks of primaries and gamma that would be converted.
    let as_png = ["-colorspace", "sRGB", "-type", "TrueColor", "-strip", "-depth", "16", "PNG48:-"];
    let output = Command::new(convert).arg(file).args(options.split(' ')).args(as_png).output().expect("ImageMagick");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    codec::decode(&output.stdout, &Limits::default()).expect("a PNG").picture
}

/// The shortest of several times that cutting a strip takes.
fn crop_time(picture: &Picture, gravity: Gravity) -> Duration {
    let resize = Resize { width: Some(4000), height: Some(1500), fit: ResizeFit::Cover, enlarge: false };
    let timed = |_| {
        let started = Instant::now();
        transform::resized(picture, &resize, gravity, [0; 3]).expect("another size");
        started.elapsed()
    };
    (0..9).map(timed).min().unwrap_or_default()
}
