//! Measures the quality scale: prints the tables of the files `quality_scale.rs` below `src/codec`.
//!
//! Each picture, scaled to at most 1,024 pixels a side, is encoded over the whole range of each encoder's quantiser
//! step and scored with SSIMULACRA2. For each step the program prints the median score over the pictures, which is the
//! quality of that step, and the median of ln(bits per pixel), the first guess of a size.
//!
//! ```text
//! cargo run --release -p bytefit-tools --bin quality_scale -- DIRECTORY... [FORMAT...]
//! ```

use bytefit::codec::lossy_coding::LossyCoding;
use bytefit::codec::{self, Effort, Encoder, Limits};
use bytefit::picture::Picture;
use bytefit::picture::score::Reference;
use calibrate::pictures;
use rayon::prelude::*;

/// The codings and their names in the table.
const COLUMNS: [(LossyCoding, &str); 8] = [
    (LossyCoding::JpegHalved, "JPEG_HALVED"),
    (LossyCoding::JpegFull, "JPEG_FULL"),
    (LossyCoding::Webp, "WEBP"),
    (LossyCoding::AvifHalved, "AVIF_HALVED"),
    (LossyCoding::AvifFull, "AVIF_FULL"),
    (LossyCoding::PngPalette, "PNG"),
    (LossyCoding::JxlHalved, "JXL_HALVED"),
    (LossyCoding::JxlFull, "JXL_FULL"),
];
const POINTS: usize = 15;

/// Score and ln(bits per pixel) at each of [`POINTS`] steps, finest first.
type Curve = Vec<(f64, f64, f64)>;

fn main() {
    let files = pictures::files();
    let pictures: Vec<Picture> = files.iter().map(|file| pictures::load(file, 1024)).collect();
    println!("// {} pictures", pictures.len());
    for (coding, name) in COLUMNS.into_iter().filter(|(coding, _)| pictures::is_wanted(coding.format())) {
        let curves: Vec<Curve> = pictures.par_iter().map(|picture| measure(picture, coding)).collect();
        print_column(name, &curves);
    }
}

fn measure(picture: &Picture, coding: LossyCoding) -> Curve {
    let encoder = coding.encoder(picture, Effort::Balanced).expect("fits");
    curve(picture, &Reference::new(picture, [255; 3]), &*encoder)
}

fn curve(picture: &Picture, reference: &Reference, encoder: &dyn Encoder) -> Curve {
    let range = encoder.ln_step_range();
    (0..POINTS)
        .map(|point| {
            let x = encoder.snap(range.start() + (range.end() - range.start()) * point as f64 / (POINTS - 1) as f64);
            let file = encoder.encode(x).expect("encodes");
            let decoded = codec::decode(&file, &Limits::default()).expect("our own file decodes").picture;
            let bits_per_pixel = 8.0 * file.len() as f64 / picture.pixel_count() as f64;
            (x, reference.score(&decoded), bits_per_pixel.ln())
        })
        .collect()
}

/// Prints the medians over the pictures at each step, coarsest first.
fn print_column(name: &str, curves: &[Curve]) {
    println!("const {name}_POINTS: &[ScalePoint] = &[");
    for point in (0..POINTS).rev() {
        let at = |pick: fn(&(f64, f64, f64)) -> f64| median(curves.iter().map(|curve| pick(&curve[point])).collect());
        let (ln_step, quality, ln_bpp) = (at(|p| p.0), at(|p| p.1), at(|p| p.2));
        println!("    point({quality:.1}, {ln_step:.3}, {ln_bpp:.3}),");
    }
    println!("];");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}
