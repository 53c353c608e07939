//! Compares each transform with ImageMagick's: prints the lowest and the median SSIMULACRA2 between the two results,
//! and the time that smart gravity takes on a picture of 12 megapixels. Blurs are also compared with the sum over all
//! pixels.
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
    println!("| transform | lowest | median | pictures | lowest to the exact result: ours, ImageMagick's |");
    println!("| --- | --- | --- | --- | --- |");
    for (ours, theirs) in TRANSFORMS {
        let transforms = parsed(ours);
        let compared: Vec<Compared> = files.par_iter().map(|file| compared(file, transforms, theirs)).collect();
        let mut scores: Vec<f64> = compared.iter().map(|compared| compared.score).collect();
        scores.sort_by(f64::total_cmp);
        let exact = compared.iter().filter_map(|compared| compared.to_exact);
        let lowest = exact.reduce(|[a, b], [c, d]| [a.min(c), b.min(d)]);
        let lowest = lowest.map(|[ours, theirs]| format!("{ours:.2}, {theirs:.2}")).unwrap_or_default();
        println!("| {ours} | {:.2} | {:.2} | {} | {lowest} |", scores[0], scores[scores.len() / 2], scores.len());
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

/// Our result of a picture beside others.
struct Compared {
    /// The SSIMULACRA2 between ours and ImageMagick's.
    score: f64,
    /// That of ours and of ImageMagick's against the exact result of a blur.
    to_exact: Option<[f64; 2]>,
}

fn compared(file: &Path, transforms: Transforms, theirs: &str) -> Compared {
    let picture = pictures::load(file, u32::MAX);
    let ours = transforms.apply(Cow::Borrowed(&picture)).expect("within the picture").into_owned();
    let theirs = by_imagemagick(file, theirs);
    assert_eq!((ours.width(), ours.height()), (theirs.width(), theirs.height()), "{}", file.display());
    let to_exact = transforms.blur.map(|sigma| {
        let exact = Reference::new(&exactly_blurred(&picture, sigma), [255; 3]);
        [exact.score(&ours), exact.score(&theirs)]
    });
    let score = Reference::new(&theirs, [255; 3]).score(&ours);
    Compared { score, to_exact }
}

/// `picture` blurred with a kernel over all pixels that have any weight, rounded once. Edges are continued by their
/// last pixels.
fn exactly_blurred(picture: &Picture, sigma: f64) -> Picture {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let levels: Vec<f64> = picture.pixels().iter().map(|level| f64::from(*level)).collect();
    let row_bytes = width * 3;
    let down = blurred_lines(&levels, [height, row_bytes], [row_bytes, 1], sigma);
    let mut both = vec![0.0; down.len()];
    for channel in 0..3 {
        let plane: Vec<f64> = down.iter().skip(channel).step_by(3).copied().collect();
        let plane = blurred_lines(&plane, [width, height], [1, width], sigma);
        both.iter_mut().skip(channel).step_by(3).zip(plane).for_each(|(level, sum)| *level = sum);
    }
    let pixels = both.iter().map(|level| (level + 0.5) as u8).collect();
    Picture::new(picture.width(), picture.height(), picture.layout(), pixels)
}

/// `levels` blurred along lines. `counts` has the length and the number of lines, `steps` the distance between
/// neighbours on a line and between lines.
fn blurred_lines(levels: &[f64], [length, lines]: [usize; 2], [step, next]: [usize; 2], sigma: f64) -> Vec<f64> {
    let kernel = kernel(sigma);
    let reach = (kernel.len() / 2) as i64;
    let mut blurred = vec![0.0; levels.len()];
    for line in 0..lines {
        let line: usize = line * next;
        for at in 0..length {
            let from = |offset: usize| (at as i64 + offset as i64 - reach).clamp(0, length as i64 - 1) as usize;
            let parts = kernel.iter().enumerate().map(|(offset, weight)| weight * levels[line + step * from(offset)]);
            blurred[line + step * at] = parts.sum();
        }
    }
    blurred
}

/// The weights of a Gaussian. Each is the mean of three places in its pixel, as in ours and ImageMagick's.
fn kernel(sigma: f64) -> Vec<f64> {
    let reach = (EXACT_REACH * sigma).ceil() as i32;
    let density = |at: f64| (-at * at / (2.0 * sigma * sigma)).exp();
    let weight = |at: i32| [-1.0, 0.0, 1.0].map(|third| density(f64::from(at) + third / 3.0)).iter().sum::<f64>();
    let weights: Vec<f64> = (-reach..=reach).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}

/// Standard deviations beyond which no pixel has a weight of a millionth of a level.
const EXACT_REACH: f64 = 6.0;

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
