//! How large a picture is printed.

/// Metres of an inch.
const INCH: f64 = 0.0254;
/// Most pixels per inch, which are the most that JFIF can say (JFIF 1.02).
const MOST_PER_INCH: f64 = 65_535.0;

/// Pixels per metre of a printed picture, which is the unit of PNG: fine enough for every whole number of pixels per
/// inch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Density {
    across: u32,
    down: u32,
}

impl Density {
    /// This many pixels per inch in both directions; 0 counts as 1.
    pub fn of_dpi(dpi: u16) -> Density {
        let side = (f64::from(dpi.max(1)) / INCH).round() as u32;
        Density { across: side, down: side }
    }

    /// Returns the density, or `None` where a side is outside 1 to 65,535 pixels per inch.
    pub(super) fn per_metre(across: f64, down: f64) -> Option<Density> {
        let is_usable = |side: f64| (1.0..=MOST_PER_INCH).contains(&(side * INCH).round());
        let side = |side: f64| side.round() as u32;
        (is_usable(across) && is_usable(down)).then(|| Density { across: side(across), down: side(down) })
    }

    /// The same for pixels per centimetre.
    pub(super) fn per_centimetre(across: f64, down: f64) -> Option<Density> {
        Density::per_metre(across * 100.0, down * 100.0)
    }

    /// The same for pixels per inch.
    pub(super) fn per_inch(across: f64, down: f64) -> Option<Density> {
        Density::per_metre(across / INCH, down / INCH)
    }

    /// Pixels per metre, across and down.
    pub(super) fn sides(self) -> [u32; 2] {
        [self.across, self.down]
    }

    /// Pixels per inch, across and down: whole where a whole number means the same, otherwise in hundredths.
    pub fn dpi(self) -> [f64; 2] {
        self.sides().map(|side| {
            let dpi = f64::from(side) * INCH;
            let is_whole = (dpi.round() / INCH).round() == f64::from(side);
            if is_whole { dpi.round() } else { (dpi * 100.0).round() / 100.0 }
        })
    }

    /// Pixels per centimetre, across and down, where both are whole numbers and pixels per inch are not.
    pub(super) fn whole_dpcm(self) -> Option<[u32; 2]> {
        let are_whole =
            self.sides().iter().all(|side| side.is_multiple_of(100)) && self.dpi().iter().any(|dpi| dpi.fract() > 0.0);
        are_whole.then(|| self.sides().map(|side| side / 100))
    }

    /// The density of the picture after a quarter turn.
    #[must_use]
    pub fn turned(self) -> Density {
        Density { across: self.down, down: self.across }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_whole_number_of_pixels_per_inch_comes_back() {
        for dpi in 1..=u16::MAX {
            let [across, down] = Density::of_dpi(dpi).dpi();
            assert_eq!((across, down), (f64::from(dpi), f64::from(dpi)));
            assert_eq!(Density::per_inch(across, down), Some(Density::of_dpi(dpi)));
        }
    }

    #[test]
    fn what_no_printer_means_is_no_density() {
        for side in [0.0, -1.0, 1e9, f64::NAN, f64::INFINITY] {
            assert_eq!(Density::per_inch(side, 300.0), None, "{side}");
            assert_eq!(Density::per_metre(11_811.0, side), None, "{side}");
        }
    }

    #[test]
    fn other_units_are_kept() {
        let centimetres = Density::per_centimetre(28.0, 118.0).unwrap();
        assert_eq!(centimetres.whole_dpcm(), Some([28, 118]));
        assert_eq!(centimetres.dpi(), [71.12, 299.72]);
        assert_eq!(centimetres.turned().dpi(), [299.72, 71.12]);
        assert_eq!([72, 127].map(|dpi| Density::of_dpi(dpi).whole_dpcm()), [None; 2]);
    }
}
