//! The drawn pictures: what people send beside photographs.

use bytefit::picture::{Layout, Picture};
use testkit::drawing::{self, Content};
use testkit::random::Random;

/// Class, name and pixels of each.
pub(crate) fn all() -> Vec<(&'static str, &'static str, Picture)> {
    vec![
        ("text", "drawn page 1240x1754", drawing::page(1240, 1754)),
        ("text", "drawn page 2480x3508", drawing::page(2480, 3508)),
        ("text", "drawn strokes", drawing::picture(Content::Text, 1600, 1200)),
        ("scan", "grey paper", scan(1240, 1754, [1.0; 3], 6.0)),
        ("scan", "yellow paper", scan(1240, 1754, [1.0, 0.95, 0.82], 6.0)),
        ("scan", "strong noise", scan(1240, 1754, [0.97; 3], 20.0)),
        ("scan", "two levels", two_levels(&scan(1240, 1754, [1.0; 3], 60.0))),
        ("scan", "large", scan(2480, 3508, [1.0; 3], 6.0)),
        ("screen", "windows 1280x800", windows(1280, 800)),
        ("screen", "windows 1920x1080", windows(1920, 1080)),
        ("screen", "windows 390x844", windows(390, 844)),
        ("flat", "areas", drawing::picture(Content::Flat, 1600, 1200)),
        ("flat", "bars", bars(1200, 800)),
        ("flat", "map", map(1400, 1000)),
        ("gradient", "down", each(1600, 1200, |_, y| [40.0 + y * 150.0, 80.0 + y * 120.0, 160.0 + y * 60.0])),
        ("gradient", "across dark", each(1600, 1200, |x, _| [x * 30.0, x * 20.0, 20.0 + x * 40.0])),
        (
            "gradient",
            "round",
            each(1200, 1200, |x, y| [250.0 - (x - 0.5).hypot(y - 0.5) * 300.0, 120.0, 60.0 + x * 90.0]),
        ),
        (
            "gradient",
            "waves",
            each(1600, 1000, |x, y| [128.0 + (x * 9.0 + y * 4.0).sin() * 90.0, y * 255.0, x * 255.0]),
        ),
        ("alpha", "fading photo", drawing::picture(Content::Alpha, 800, 600)),
        ("alpha", "round avatar", avatar(600)),
        ("grey", "drawn grey photo", drawing::picture(Content::Grey, 1024, 768)),
        ("line art", "curves 1200x1200", curves(1200, 1200, 1.2)),
        ("line art", "curves 2400x1600", curves(2400, 1600, 2.0)),
        ("line art", "sprites", sprites(1024, 1024, 16)),
        ("line art", "small sprites", sprites(1024, 768, 4)),
        ("photo", "drawn photo", drawing::picture(Content::Photo, 1024, 768)),
    ]
}

/// `picture` without its colours.
pub(crate) fn grey(picture: &Picture) -> Picture {
    let pixels = picture.pixels().chunks_exact(3).flat_map(|rgb| [rgb[1]; 3]).collect();
    Picture::new(picture.width(), picture.height(), Layout::Rgb, pixels)
}

/// A picture of the colour at each point, whose coordinates are 0 to 1.
fn each(width: u32, height: u32, colour: impl Fn(f64, f64) -> [f64; 3]) -> Picture {
    let at = |side: u32, whole: u32| f64::from(side) / f64::from(whole);
    let points = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let pixels =
        points.flat_map(|(x, y)| colour(at(x, width), at(y, height)).map(|level| level.round() as u8)).collect();
    Picture::new(width, height, Layout::Rgb, pixels)
}

/// A page of text as a scanner sees it: on paper of a colour, unevenly lit, with noise of so many levels.
fn scan(width: u32, height: u32, paper: [f64; 3], noise: f64) -> Picture {
    let page = drawing::page(width, height);
    let mut random = Random::new(7);
    let pixels = page.pixels().chunks_exact(3).enumerate().flat_map(|(index, rgb)| {
        let (x, y) = (index as f64 % f64::from(width), index as f64 / f64::from(width));
        let light = 0.97 - 0.06 * (x / f64::from(width)) * (y / f64::from(height));
        let grain = (random.unit() + random.unit() - 1.0) * noise;
        std::array::from_fn::<u8, 3, _>(|channel| (f64::from(rgb[channel]) * light * paper[channel] + grain) as u8)
    });
    Picture::new(width, height, Layout::Rgb, pixels.collect())
}

fn two_levels(picture: &Picture) -> Picture {
    let pixels = picture.pixels().iter().map(|level| if *level < 140 { 0 } else { 255 }).collect();
    Picture::new(picture.width(), picture.height(), Layout::Rgb, pixels)
}

/// Pixels that are painted on, with coordinates in pixels.
struct Canvas {
    width: u32,
    pixels: Vec<[u8; 3]>,
}

impl Canvas {
    fn new(width: u32, height: u32, colour: [u8; 3]) -> Canvas {
        Canvas { width, pixels: vec![colour; (width * height) as usize] }
    }

    fn area(&mut self, left: u32, top: u32, width: u32, height: u32, colour: [u8; 3]) {
        self.paint(left, top, width, height, |_, _| colour);
    }

    /// Paints the part of an area that lies inside.
    fn paint(&mut self, left: u32, top: u32, width: u32, height: u32, colour: impl Fn(u32, u32) -> [u8; 3]) {
        let bottom = (top + height).min(self.pixels.len() as u32 / self.width);
        for y in top..bottom {
            for x in left..(left + width).min(self.width) {
                self.pixels[(y * self.width + x) as usize] = colour(x - left, y - top);
            }
        }
    }

    fn paste(&mut self, left: u32, top: u32, picture: &Picture) {
        let pixels = picture.pixels();
        self.paint(left, top, picture.width(), picture.height(), |x, y| {
            let index = ((y * picture.width() + x) * 3) as usize;
            [pixels[index], pixels[index + 1], pixels[index + 2]]
        });
    }

    fn picture(self) -> Picture {
        let height = self.pixels.len() as u32 / self.width;
        Picture::new(self.width, height, Layout::Rgb, self.pixels.into_flattened())
    }
}

/// A desktop with a window of text, a bar and a photograph.
fn windows(width: u32, height: u32) -> Picture {
    let mut canvas = Canvas::new(width, height, [236, 239, 244]);
    canvas.area(0, 0, width, 40, [46, 52, 64]);
    canvas.area(0, 40, width / 5, height, [216, 222, 233]);
    for row in 0..height / 36 {
        canvas.area(
            12,
            56 + row * 36,
            width / 6,
            20,
            [[129, 161, 193], [163, 190, 140], [191, 97, 106]][row as usize % 3],
        );
    }
    let left = width / 5 + 20;
    canvas.paste(left, 60, &drawing::page(width * 2 / 5, height - 120));
    canvas.paste(left + width * 2 / 5 + 20, 60, &drawing::photo(width / 3, height / 3, 3));
    canvas.area(left + width * 2 / 5 + 20, 80 + height / 3, width / 3, 2, [94, 129, 172]);
    canvas.picture()
}

/// A chart of bars with a grid.
fn bars(width: u32, height: u32) -> Picture {
    let mut canvas = Canvas::new(width, height, [255; 3]);
    (1..10).for_each(|line| canvas.area(60, line * height / 10, width, 1, [210; 3]));
    let mut random = Random::new(11);
    for bar in 0..24 {
        let tall = (random.unit() * f64::from(height) * 0.8) as u32;
        let colour = [[31, 119, 180], [255, 127, 14], [44, 160, 44]][bar as usize % 3];
        canvas.area(80 + bar * 44, height - 40 - tall, 30, tall, colour);
    }
    canvas.paste(60, 0, &drawing::page(400, 36));
    canvas.picture()
}

/// Regions of a colour each, with curved borders, and roads.
fn map(width: u32, height: u32) -> Picture {
    let colours = [[242, 239, 233], [173, 209, 158], [170, 211, 223], [224, 223, 223], [247, 230, 190]];
    each(width, height, |x, y| {
        let field = (x * 7.0).sin() + (y * 5.0 + x * 3.0).cos() + (x * y * 9.0).sin();
        let is_road = ((x * 13.0 + (y * 6.0).sin()).fract() - 0.5).abs() < 0.02;
        if is_road { [250.0, 178.0, 120.0] } else { colours[((field + 3.0) / 1.3) as usize % 5].map(f64::from) }
    })
}

/// A photograph in a circle with a soft edge.
fn avatar(side: u32) -> Picture {
    let photo = drawing::photo(side, side, 5);
    let half = f64::from(side) / 2.0;
    let pixels = photo.pixels().chunks_exact(3).enumerate().flat_map(|(index, rgb)| {
        let (x, y) = (index as f64 % f64::from(side), (index as f64 / f64::from(side)).floor());
        let alpha = (half - (x - half).hypot(y - half)).clamp(0.0, 2.0) * 127.5;
        [rgb[0], rgb[1], rgb[2], alpha as u8]
    });
    Picture::new(side, side, Layout::Rgba, pixels.collect())
}

/// Thin dark curves with soft edges on white.
fn curves(width: u32, height: u32, thick: f64) -> Picture {
    let wide = f64::from(width);
    each(width, height, |x, y| {
        let nearest = (1..=12).map(|curve| {
            let curve = f64::from(curve);
            let middle = 0.5 + 0.45 * (x * curve * 1.7 + curve).sin() * (x * 2.0 + curve).cos();
            (y - middle).abs() * wide / (1.0 + curve)
        });
        let ink = (thick - nearest.fold(f64::INFINITY, f64::min)).clamp(0.0, 1.0);
        [255.0 - ink * 235.0; 3]
    })
}

/// Squares of sixteen colours, `pixel` pixels wide each.
fn sprites(width: u32, height: u32, pixel: u32) -> Picture {
    let mut random = Random::new(3);
    let palette: Vec<[u8; 3]> = (0..16).map(|_| std::array::from_fn(|_| random.below(256) as u8)).collect();
    let (columns, rows) = (width / pixel, height / pixel);
    // A colour often goes on into the next square.
    let mut colours: Vec<usize> = Vec::new();
    for square in 0..(columns * rows) as usize {
        let above = square.checked_sub(columns as usize).map(|above| colours[above]);
        let colour = match (random.below(10), above, colours.last()) {
            (0..=4, _, Some(before)) => *before,
            (5..=8, Some(above), _) => above,
            _ => random.below(16),
        };
        colours.push(colour);
    }
    let mut canvas = Canvas::new(width, height, [0; 3]);
    for (square, colour) in colours.iter().enumerate() {
        let (column, row) = (square as u32 % columns, square as u32 / columns);
        canvas.area(column * pixel, row * pixel, pixel, pixel, palette[*colour]);
    }
    canvas.picture()
}
