//! Colours named by code points (ITU-T H.273), as PNG, AVIF, HEIC and JPEG XL have them.

use moxcms::{CicpColorPrimaries, CicpProfile, ColorProfile, MatrixCoefficients, TransferCharacteristics, Xyzd};

/// X, Y and Z as the white of the profile connection space (D50) has them, where that of the picture is the
/// equal-energy white: the columns of Bradford's matrix (ICC.1:2022, annex E).
const XYZ_COLORANTS: [[f64; 3]; 3] = [
    [0.997_754_5, -0.009_767_7, -0.007_416_9],
    [-0.004_163_2, 1.018_316_8, 0.013_441_6],
    [-0.029_371_3, -0.008_549_0, 0.819_185_3],
];

/// Whether both code points name something (tables 2 and 3).
pub(super) fn are_specified(primaries: u8, transfer: u8) -> bool {
    are_primaries(primaries) && is_transfer(transfer)
}

fn are_primaries(code_point: u8) -> bool {
    matches!(code_point, 1 | 4..=12 | 22)
}

fn is_transfer(code_point: u8) -> bool {
    matches!(code_point, 1 | 4..=18)
}

/// The primaries of this code point (table 2). Those that are not specified or reserved are taken for BT.709's.
pub(super) fn primaries(code_point: u8) -> CicpColorPrimaries {
    // moxcms takes reserved ones for colours that are all black.
    let known = CicpColorPrimaries::try_from(code_point).ok().filter(|_| are_primaries(code_point));
    known.unwrap_or(CicpColorPrimaries::Bt709)
}

/// The transfer function of this code point (table 3). Those that are not specified or reserved are taken for sRGB's,
/// and so is the BT.709 family (1, 6, 14, 15), as viewers do for still pictures.
pub(super) fn transfer(code_point: u8) -> TransferCharacteristics {
    let known = TransferCharacteristics::try_from(code_point).ok();
    known
        .filter(|_| is_transfer(code_point) && !matches!(code_point, 1 | 6 | 14 | 15))
        .unwrap_or(TransferCharacteristics::Srgb)
}

/// The profile of these primaries and this transfer function.
pub(super) fn profile(primaries: CicpColorPrimaries, transfer: TransferCharacteristics) -> ColorProfile {
    let mut profile = ColorProfile::new_from_cicp(CicpProfile {
        color_primaries: primaries,
        transfer_characteristics: transfer,
        matrix_coefficients: MatrixCoefficients::Identity,
        full_range: true,
    });
    if primaries == CicpColorPrimaries::Xyz {
        // moxcms divides by the y of red and blue, which is 0.
        [profile.red_colorant, profile.green_colorant, profile.blue_colorant] =
            XYZ_COLORANTS.map(|[x, y, z]| Xyzd { x, y, z });
    }
    profile
}
