//! The grammar of the transforms: crop, gravity, blur, sharpen.

use super::{Refusal, number, side};
use crate::excerpt::quoted;
use crate::picture::transform::{Crop, Gravity, Length};

/// Smallest and largest sigma of a blur, in pixels.
const BLUR: [f64; 2] = [0.3, 100.0];
/// Largest sigma of the mask that sharpens, in pixels.
const SHARPEN_MOST: f64 = 10.0;

/// The named places, as shares of width and height.
const PLACES: [(&str, [f64; 2]); 10] = [
    ("centre", [0.5, 0.5]),
    ("center", [0.5, 0.5]),
    ("north", [0.5, 0.0]),
    ("northeast", [1.0, 0.0]),
    ("east", [1.0, 0.5]),
    ("southeast", [1.0, 1.0]),
    ("south", [0.5, 1.0]),
    ("southwest", [0.0, 1.0]),
    ("west", [0.0, 0.5]),
    ("northwest", [0.0, 0.0]),
];

/// `x,y,width,height`, each in pixels or percent.
pub(super) fn crop(text: &str) -> Result<Crop, Refusal> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let [left, top, width, height] = parts[..] else {
        return Err(format!("{} is not four numbers with commas between them", quoted(text)));
    };
    let crop = Crop { left: offset(left)?, top: offset(top)?, width: extent(width)?, height: extent(height)? };
    for (start, length) in [(crop.left, crop.width), (crop.top, crop.height)] {
        if let (Length::Percent(start), Length::Percent(length)) = (start, length)
            && start + length > 100.0
        {
            return Err(format!("{} reaches beyond 100 %", quoted(text)));
        }
    }
    Ok(crop)
}

fn offset(text: &str) -> Result<Length, Refusal> {
    match text.strip_suffix('%') {
        Some(percent) => number(percent.trim_end(), 0.0, 100.0).map(Length::Percent),
        None if !text.is_empty() && text.bytes().all(|digit| digit == b'0') => Ok(Length::Pixels(0)),
        None => side(text).map(Length::Pixels),
    }
}

fn extent(text: &str) -> Result<Length, Refusal> {
    match offset(text)? {
        Length::Pixels(0) => Err("a crop has at least one pixel".to_owned()),
        Length::Percent(0.0) => Err("a crop has more than 0 %".to_owned()),
        extent => Ok(extent),
    }
}

/// A named place, `x,y` in shares of the sides, or smart.
pub(super) fn gravity(text: &str) -> Result<Gravity, Refusal> {
    let name: String = text.to_ascii_lowercase().split(['-', '_']).collect();
    if name == "smart" {
        return Ok(Gravity::Smart);
    }
    if let Some((_, [x, y])) = PLACES.iter().find(|(place, _)| *place == name) {
        return Ok(Gravity::Point { x: *x, y: *y });
    }
    let Some((x, y)) = text.split_once(',') else { return Err(format!("{} is not a place", quoted(text))) };
    Ok(Gravity::Point { x: number(x.trim(), 0.0, 1.0)?, y: number(y.trim(), 0.0, 1.0)? })
}

pub(super) fn blur(text: &str) -> Result<f64, Refusal> {
    number(text, BLUR[0], BLUR[1])
}

/// The sigma of the mask. `None` for 0, which changes nothing.
pub(super) fn sharpen(text: &str) -> Result<Option<f64>, Refusal> {
    number(text, 0.0, SHARPEN_MOST).map(|sigma| (sigma > 0.0).then_some(sigma))
}

#[cfg(test)]
mod tests {
    use super::Length::{Percent, Pixels};
    use super::*;

    #[test]
    fn a_crop_is_in_pixels_or_percent() {
        let pixels = Crop { left: Pixels(0), top: Pixels(20), width: Pixels(300), height: Pixels(1) };
        assert_eq!(crop("0,20, 300 ,1"), Ok(pixels));
        let percent = Crop { left: Percent(12.5), top: Percent(0.0), width: Percent(87.5), height: Percent(1.0) };
        assert_eq!(crop("12.5%,0%,87.5%,1%"), Ok(percent));
        assert_eq!(crop("1%,2,3,4%").unwrap().height, Percent(4.0));
        for text in
            ["", "1", "1,2,3", "1,2,3,4,5", "-1,0,5,5", "0,0,0,5", "0,0,5,0%", "50%,0,51%,9", "1.5,0,9,9", "0,0,1e3,9"]
        {
            assert!(crop(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_place_has_a_name_or_is_a_point() {
        let point = |x, y| Ok(Gravity::Point { x, y });
        assert_eq!(gravity("0.3,0.7"), point(0.3, 0.7));
        assert_eq!(gravity("0, 1"), point(0.0, 1.0));
        assert_eq!(gravity("Smart"), Ok(Gravity::Smart));
        for name in ["north-east", "NorthEast", "north_east"] {
            assert_eq!(gravity(name), point(1.0, 0.0), "{name}");
        }
        assert_eq!(gravity("centre"), Ok(Gravity::default()));
        for text in ["", "up", "0.3", "1.1,0", "0,-1", "0.1,0.2,0.3", "nan,0"] {
            assert!(gravity(text).is_err(), "{text}");
        }
    }

    #[test]
    fn strengths_have_limits() {
        assert_eq!((blur("0.3"), blur("100")), (Ok(0.3), Ok(100.0)));
        assert!(["0", "0.29", "100.1", "-1", ""].iter().all(|text| blur(text).is_err()));
        assert_eq!((sharpen("0"), sharpen("10")), (Ok(None), Ok(Some(10.0))));
        assert!(["10.1", "-1", "x"].iter().all(|text| sharpen(text).is_err()));
    }
}
