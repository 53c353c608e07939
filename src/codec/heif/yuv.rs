//! Converts luma and chroma to red, green and blue (ITU-T H.273 s8.3).

use super::Nclx;

/// Samples of one kind, row by row.
#[derive(Clone, Copy, Debug)]
pub(in crate::codec) struct Plane<'a> {
    pub bytes: &'a [u8],
    /// Distance between rows in bytes.
    pub stride: usize,
    pub width: usize,
    pub height: usize,
    /// Whether a sample takes two bytes, in native byte order.
    pub wide: bool,
}

impl Plane<'_> {
    /// Whether every row is complete.
    fn is_whole(&self) -> bool {
        let row = self.width * if self.wide { 2 } else { 1 };
        row <= self.stride && self.height > 0 && self.bytes.len() >= self.stride * (self.height - 1) + row
    }

    /// Returns row `y`, or the last row when `y` is beyond it, as numbers.
    fn read_row(&self, y: usize, row: &mut Vec<f32>) {
        row.clear();
        let bytes = &self.bytes[y.min(self.height - 1) * self.stride..];
        if self.wide {
            let samples = bytes.chunks_exact(2).map(|pair| f32::from(u16::from_ne_bytes([pair[0], pair[1]])));
            row.extend(samples.take(self.width));
        } else {
            row.extend(bytes[..self.width].iter().map(|&sample| f32::from(sample)));
        }
    }
}

/// How signal values convert to light: offset and scale of luma and chroma, and the matrix.
#[derive(Clone, Copy, Debug)]
pub(in crate::codec) struct Signal {
    luma_offset: f32,
    luma_scale: f32,
    chroma_offset: f32,
    chroma_scale: f32,
    matrix: Matrix,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Matrix {
    /// Green, blue and red are stored in place of luma and chroma.
    Identity,
    YCgCo,
    /// The weights of red and blue in luma.
    Luma {
        red: f32,
        blue: f32,
    },
}

impl Signal {
    /// Returns `None` for an unsupported matrix (constant luminance, ICtCp).
    pub(in crate::codec) fn new(nclx: Nclx, bit_depth: u8) -> Option<Signal> {
        let matrix = match nclx.matrix {
            0 => Matrix::Identity,
            1 => Matrix::Luma { red: 0.2126, blue: 0.0722 },
            4 => Matrix::Luma { red: 0.30, blue: 0.11 },
            // An unspecified matrix is read as BT.601, as libavif does.
            2 | 5 | 6 => Matrix::Luma { red: 0.299, blue: 0.114 },
            7 => Matrix::Luma { red: 0.212, blue: 0.087 },
            8 => Matrix::YCgCo,
            9 => Matrix::Luma { red: 0.2627, blue: 0.0593 },
            12 => derived(nclx.primaries),
            _ => return None,
        };
        let step = f32::from(1u16 << (bit_depth - 8));
        let largest = f32::from((1u16 << bit_depth) - 1);
        let (luma_offset, luma_range, chroma_range) =
            if nclx.full_range { (0.0, largest, largest) } else { (16.0 * step, 219.0 * step, 224.0 * step) };
        let signal = Signal {
            luma_offset,
            luma_scale: 1.0 / luma_range,
            chroma_offset: 128.0 * step,
            chroma_scale: 1.0 / chroma_range,
            matrix,
        };
        if matrix == Matrix::Identity {
            let (chroma_offset, chroma_scale) = (signal.luma_offset, signal.luma_scale);
            return Some(Signal { chroma_offset, chroma_scale, ..signal });
        }
        Some(signal)
    }

    fn rgb(&self, luma: f32, blue: f32, red: f32) -> [f32; 3] {
        let y = (luma - self.luma_offset) * self.luma_scale;
        let cb = (blue - self.chroma_offset) * self.chroma_scale;
        let cr = (red - self.chroma_offset) * self.chroma_scale;
        match self.matrix {
            Matrix::Identity => [cr, y, cb],
            Matrix::YCgCo => [y - cb + cr, y + cb, y - cb - cr],
            Matrix::Luma { red, blue } => {
                let r = y + 2.0 * (1.0 - red) * cr;
                let b = y + 2.0 * (1.0 - blue) * cb;
                [r, (y - red * r - blue * b) / (1.0 - red - blue), b]
            }
        }
    }
}

/// Returns the luma weights that follow from the primaries (H.273, equations 32 to 37, evaluated).
fn derived(primaries: u8) -> Matrix {
    match primaries {
        1 => Matrix::Luma { red: 0.2126, blue: 0.0722 },
        4 => Matrix::Luma { red: 0.2990, blue: 0.1146 },
        9 => Matrix::Luma { red: 0.2627, blue: 0.0593 },
        11 => Matrix::Luma { red: 0.2095, blue: 0.0689 },
        12 => Matrix::Luma { red: 0.2290, blue: 0.0793 },
        5 => Matrix::Luma { red: 0.2220, blue: 0.0713 },
        6 | 7 => Matrix::Luma { red: 0.2124, blue: 0.0866 },
        _ => Matrix::Luma { red: 0.299, blue: 0.114 },
    }
}

/// The planes of a picture. A picture without chroma is grey.
#[derive(Clone, Copy, Debug)]
pub(in crate::codec) struct Planes<'a> {
    pub luma: Plane<'a>,
    /// Blue difference and red difference.
    pub chroma: Option<[Plane<'a>; 2]>,
    pub signal: Signal,
}

impl Planes<'_> {
    /// Whether every row of every plane is complete.
    pub(in crate::codec) fn are_whole(&self) -> bool {
        self.luma.is_whole() && self.chroma.iter().flatten().all(Plane::is_whole)
    }
}

/// Row buffers, reused from row to row.
#[derive(Debug, Default)]
pub(in crate::codec) struct Scratch {
    luma: Vec<f32>,
    near: Vec<f32>,
    far: Vec<f32>,
    chroma: [Vec<f32>; 2],
}

impl Planes<'_> {
    /// Returns row `y` as red, green and blue of 16 bits.
    pub(in crate::codec) fn rgb_row(&self, y: usize, scratch: &mut Scratch, rgb: &mut Vec<u16>) {
        rgb.clear();
        self.luma.read_row(y, &mut scratch.luma);
        let Some(chroma) = &self.chroma else {
            let greys = scratch.luma.iter().map(|&luma| (luma - self.signal.luma_offset) * self.signal.luma_scale);
            rgb.extend(greys.flat_map(|grey| [to_16_bits(grey); 3]));
            return;
        };
        for (plane, row) in chroma.iter().zip(&mut scratch.chroma) {
            upsample(plane, &self.luma, y, &mut scratch.near, &mut scratch.far, row);
        }
        let [blue, red] = &scratch.chroma;
        let pixels = scratch.luma.iter().zip(blue.iter().zip(red));
        rgb.extend(pixels.flat_map(|(&luma, (&blue, &red))| self.signal.rgb(luma, blue, red).map(to_16_bits)));
    }

    /// Returns row `y` of luma as 8 bits.
    pub(in crate::codec) fn luma_row(&self, y: usize, scratch: &mut Scratch, row: &mut Vec<u8>) {
        row.clear();
        self.luma.read_row(y, &mut scratch.luma);
        let unit = |luma: &f32| ((luma - self.signal.luma_offset) * self.signal.luma_scale).clamp(0.0, 1.0);
        row.extend(scratch.luma.iter().map(|luma| (unit(luma) * 255.0 + 0.5) as u8));
    }
}

fn to_16_bits(unit: f32) -> u16 {
    (unit.clamp(0.0, 1.0) * 65_535.0 + 0.5) as u16
}

/// Scales a row of chroma up to the width of luma. It interpolates linearly; chroma samples lie midway between luma
/// samples.
fn upsample(
    plane: &Plane<'_>,
    luma: &Plane<'_>,
    y: usize,
    near: &mut Vec<f32>,
    far: &mut Vec<f32>,
    row: &mut Vec<f32>,
) {
    if plane.height < luma.height {
        plane.read_row(y / 2, near);
        let neighbour = if y.is_multiple_of(2) { (y / 2).saturating_sub(1) } else { y / 2 + 1 };
        plane.read_row(neighbour, far);
        near.iter_mut().zip(&*far).for_each(|(near, far)| *near = 0.75 * *near + 0.25 * far);
    } else {
        plane.read_row(y, near);
    }
    row.clear();
    if plane.width == luma.width {
        row.extend_from_slice(near);
        return;
    }
    let last = near.len() - 1;
    for (x, &middle) in near.iter().enumerate() {
        row.push(0.75 * middle + 0.25 * near[x.saturating_sub(1)]);
        row.push(0.75 * middle + 0.25 * near[(x + 1).min(last)]);
    }
    row.truncate(luma.width);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(matrix: u8, full_range: bool, bit_depth: u8) -> Signal {
        Signal::new(Nclx { primaries: 1, transfer: 1, matrix, full_range }, bit_depth).unwrap()
    }

    fn levels(signal: Signal, samples: [f32; 3]) -> [i32; 3] {
        let [y, u, v] = samples;
        signal.rgb(y, u, v).map(|unit| (unit * 255.0).round() as i32)
    }

    #[test]
    fn ranges_and_depths_agree_on_black_and_white() {
        for (full, depth, black, white) in
            [(true, 8, 0.0, 255.0), (false, 8, 16.0, 235.0), (false, 10, 64.0, 940.0), (true, 12, 0.0, 4095.0)]
        {
            let middle = f32::from(1u16 << (depth - 1));
            assert_eq!(levels(signal(1, full, depth), [black, middle, middle]), [0; 3]);
            assert_eq!(levels(signal(1, full, depth), [white, middle, middle]), [255; 3]);
        }
    }

    #[test]
    fn every_matrix_gives_back_red() {
        // Red's luma in full range is its weight. Cb follows from it, and Cr is at its peak.
        for (matrix, red, blue) in [(1, 0.2126, 0.0722), (6, 0.299, 0.114), (9, 0.2627, 0.0593)] {
            let cb = 127.5 * (0.0 - red) / (1.0 - blue) + 128.0;
            assert_eq!(levels(signal(matrix, true, 8), [red * 255.0, cb, 255.5]), [255, 0, 0], "{matrix}");
        }
        assert_eq!(levels(signal(0, true, 8), [0.0, 0.0, 255.0]), [255, 0, 0]);
        assert!(Signal::new(Nclx { primaries: 9, transfer: 16, matrix: 14, full_range: true }, 10).is_none());
    }

    #[test]
    fn chroma_is_interpolated_midway_between_samples() {
        let luma = Plane { bytes: &[0; 20], stride: 5, width: 5, height: 4, wide: false };
        let chroma = Plane { bytes: &[0, 40, 80, 100, 140, 180], stride: 3, width: 3, height: 2, wide: false };
        let (mut near, mut far, mut row) = (Vec::new(), Vec::new(), Vec::new());
        upsample(&chroma, &luma, 0, &mut near, &mut far, &mut row);
        assert_eq!(row, [0.0, 10.0, 30.0, 50.0, 70.0]);
        upsample(&chroma, &luma, 1, &mut near, &mut far, &mut row);
        assert_eq!(row, [25.0, 35.0, 55.0, 75.0, 95.0]);
    }

    #[test]
    fn a_plane_that_is_cut_short_is_noticed() {
        let plane = Plane { bytes: &[0; 9], stride: 5, width: 4, height: 2, wide: false };
        assert!(plane.is_whole());
        assert!(!Plane { bytes: &[0; 8], ..plane }.is_whole());
        assert!(!Plane { wide: true, ..plane }.is_whole());
    }
}
