//! The order in which a JPEG stores its coefficients.

use mozjpeg_sys::jpeg_scan_info;

/// The scans of a progressive file, none when a baseline file is smaller.
///
/// They take fewer bytes than libjpeg's ten, since they do without successive approximation and keep the lowest two
/// frequencies of luma apart: docs/model.md, JPEG.
pub(super) fn of(pixels: u64, is_grey: bool) -> &'static [jpeg_scan_info] {
    match (is_progressive(pixels), is_grey) {
        (false, _) => &[],
        (true, true) => &GREY,
        (true, false) => &COLOUR,
    }
}

/// Whether a picture of `pixels` is written as a progressive file.
pub(super) fn is_progressive(pixels: u64) -> bool {
    pixels >= LEAST_PIXELS
}

/// Pixels below which the tables of more scans take more bytes than they save: docs/model.md, JPEG.
const LEAST_PIXELS: u64 = 256 * 256;

/// The last of a block's frequencies, in zigzag order.
const LAST: i32 = 63;

static GREY: [jpeg_scan_info; 3] = [scan(&[0], 0, 0), scan(&[0], 1, 2), scan(&[0], 3, LAST)];

static COLOUR: [jpeg_scan_info; 5] =
    [scan(&[0, 1, 2], 0, 0), scan(&[0], 1, 2), scan(&[0], 3, LAST), scan(&[1], 1, LAST), scan(&[2], 1, LAST)];

/// The frequencies from `first` to `last` of these components.
const fn scan(components: &[i32], first: i32, last: i32) -> jpeg_scan_info {
    let mut component_index = [0; 4];
    let mut index = 0;
    while index < components.len() {
        component_index[index] = components[index];
        index += 1;
    }
    jpeg_scan_info { comps_in_scan: components.len() as i32, component_index, Ss: first, Se: last, Ah: 0, Al: 0 }
}
