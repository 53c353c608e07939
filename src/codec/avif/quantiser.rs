//! AV1's quantiser index as a quantiser step, and back.

/// AC quantiser step of each index at 8 bits, in eighths (AV1 specification, 7.12.2, Ac_Qlookup\[0\]).
const AC_STEP: [u16; 256] = [
    4, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35,
    36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64,
    65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91, 92, 93,
    94, 95, 96, 97, 98, 99, 100, 101, 102, 104, 106, 108, 110, 112, 114, 116, 118, 120, 122, 124, 126, 128, 130, 132,
    134, 136, 138, 140, 142, 144, 146, 148, 150, 152, 155, 158, 161, 164, 167, 170, 173, 176, 179, 182, 185, 188, 191,
    194, 197, 200, 203, 207, 211, 215, 219, 223, 227, 231, 235, 239, 243, 247, 251, 255, 260, 265, 270, 275, 280, 285,
    290, 295, 300, 305, 311, 317, 323, 329, 335, 341, 347, 353, 359, 366, 373, 380, 387, 394, 401, 408, 416, 424, 432,
    440, 448, 456, 465, 474, 483, 492, 501, 510, 520, 530, 540, 550, 560, 571, 582, 593, 604, 615, 627, 639, 651, 663,
    676, 689, 702, 715, 729, 743, 757, 771, 786, 801, 816, 832, 848, 864, 881, 898, 915, 933, 951, 969, 988, 1007,
    1026, 1046, 1066, 1087, 1108, 1129, 1151, 1173, 1196, 1219, 1243, 1267, 1292, 1317, 1343, 1369, 1396, 1423, 1451,
    1479, 1508, 1537, 1567, 1597, 1628, 1660, 1692, 1725, 1759, 1793, 1828,
];

/// ln of the step of `index`, 1 to 255 (0 is lossless mode), where one is a step of one level of an 8-bit sample.
pub fn ln_step(index: u8) -> f64 {
    (f64::from(AC_STEP[usize::from(index)]) / 8.0).ln()
}

/// The index, 1 to 255, whose step is nearest to `exp(target)` by ratio.
pub fn index(target: f64) -> u8 {
    let above = (1..=u8::MAX).find(|index| ln_step(*index) >= target).unwrap_or(u8::MAX);
    let below = (above - 1).max(1);
    if target - ln_step(below) < ln_step(above) - target { below } else { above }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_and_step_are_inverse() {
        for expected in 1..=u8::MAX {
            assert_eq!(index(ln_step(expected)), expected);
        }
    }
}
