//! The DCT coefficients of a picture, taken once and counted often. Must not know what they are counted for.

use super::dct::{self, Block};
use crate::picture::{Chroma, Layout, Picture};

/// The coefficients of a picture in YCbCr (T.871), in the order in which JPEG codes them.
pub struct Spectrum {
    /// Blocks of luma.
    pub(super) luma: Vec<[i16; 64]>,
    /// Blocks of Cb and of Cr.
    pub(super) chroma: [Vec<[i16; 64]>; 2],
    /// Blocks of the picture for each block held.
    pub(super) weight: f64,
}

impl Spectrum {
    /// The spectrum of `picture`, its chroma at the resolution that `chroma` keeps. Colour under transparency
    /// counts. Of a picture of more than `max_pixels`, every n-th row of blocks is taken.
    pub fn of(picture: &Picture, chroma: Chroma, max_pixels: u64) -> Spectrum {
        let unit = chroma.block_pixels();
        let rows = picture.height().div_ceil(unit);
        let every = picture.pixel_count().div_ceil(max_pixels).min(u64::from(rows)) as u32;
        let taken: Vec<u32> = (every / 2..rows).step_by(every as usize).collect();
        let columns = picture.width().div_ceil(unit);
        let units = taken.len() * columns as usize;
        let luma_blocks = units * (unit as usize / 8).pow(2);
        let mut spectrum = Spectrum {
            luma: Vec::with_capacity(luma_blocks),
            chroma: [Vec::with_capacity(units), Vec::with_capacity(units)],
            weight: f64::from(rows) / taken.len() as f64,
        };
        for row in taken {
            for column in 0..columns {
                spectrum.add(&Unit::read(picture, column * unit, row * unit), chroma);
            }
        }
        spectrum
    }

    fn add(&mut self, unit: &Unit, chroma: Chroma) {
        let side = chroma.block_pixels() as usize / 8;
        for (down, right) in (0..side).flat_map(|down| (0..side).map(move |right| (down, right))) {
            self.luma.push(dct::forward(cut(&unit.y, down * 8, right * 8)));
        }
        for (plane, samples) in self.chroma.iter_mut().zip([&unit.cb, &unit.cr]) {
            let block = if side == 2 { halved(samples) } else { cut(samples, 0, 0) };
            plane.push(dct::forward(block));
        }
    }
}

/// 16x16 samples: what JPEG codes together at 4:2:0.
type Square = [[f32; 16]; 16];

/// The YCbCr samples of 16x16 pixels, centred on zero.
struct Unit {
    y: Square,
    cb: Square,
    cr: Square,
}

impl Unit {
    /// Reads the pixels at `left`, `top`; beyond the edges of the picture the last ones go on.
    fn read(picture: &Picture, left: u32, top: u32) -> Unit {
        let mut unit = Unit { y: [[0.0; 16]; 16], cb: [[0.0; 16]; 16], cr: [[0.0; 16]; 16] };
        for row in 0..16 {
            let y = (top + row as u32).min(picture.height() - 1) as usize;
            let [red, green, blue] = read_row(picture, left as usize, y);
            for x in 0..16 {
                let (red, green, blue) = (red[x], green[x], blue[x]);
                unit.y[row][x] = 0.299 * red + 0.587 * green + 0.114 * blue - 128.0;
                unit.cb[row][x] = -0.168_735_9 * red - 0.331_264_1 * green + 0.5 * blue;
                unit.cr[row][x] = 0.5 * red - 0.418_687_6 * green - 0.081_312_4 * blue;
            }
        }
        unit
    }
}

/// Red, green and blue of the 16 pixels from `left` on.
fn read_row(picture: &Picture, left: usize, y: usize) -> [[f32; 16]; 3] {
    let (width, size) = (picture.width() as usize, picture.layout().bytes_per_pixel());
    let row = &picture.pixels()[y * width * size..(y + 1) * width * size];
    match (row.get(left * size..(left + 16) * size), picture.layout()) {
        (Some(pixels), Layout::Rgb) => std::array::from_fn(|c| std::array::from_fn(|x| f32::from(pixels[x * 3 + c]))),
        _ => std::array::from_fn(|c| std::array::from_fn(|x| f32::from(row[(left + x).min(width - 1) * size + c]))),
    }
}

fn cut(samples: &Square, top: usize, left: usize) -> Block {
    std::array::from_fn(|row| std::array::from_fn(|column| samples[top + row][left + column]))
}

fn halved(samples: &Square) -> Block {
    std::array::from_fn(|row| {
        std::array::from_fn(|column| {
            let (y, x) = (row * 2, column * 2);
            (samples[y][x] + samples[y][x + 1] + samples[y + 1][x] + samples[y + 1][x + 1]) * 0.25
        })
    })
}
