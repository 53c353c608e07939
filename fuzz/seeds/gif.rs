//! GIF: global and local palettes, transparency, interlace, frames beside their canvas.

use gif::{Encoder, Frame};

use super::Seed;
use super::drawn::{self, HEIGHT, WIDTH};

pub fn files() -> Vec<Seed> {
    let still = frame();
    let interlaced = Frame { interlaced: true, ..frame() };
    let transparent = Frame { transparent: Some(0), ..frame() };
    let own_palette = Frame { palette: Some(drawn::palette()), ..frame() };
    let beside = Frame { left: 9, top: 5, ..frame() };
    let mut files = vec![
        ("still.gif".to_owned(), file(&[still])),
        ("interlaced.gif".to_owned(), file(&[interlaced])),
        ("own-palette.gif".to_owned(), file(&[own_palette])),
        ("animated.gif".to_owned(), file(&[transparent, beside])),
    ];
    let old = [b"GIF87a", &files[0].1[6..]].concat();
    files.push(("old.gif".to_owned(), old));
    files
}

fn frame() -> Frame<'static> {
    let indexes = drawn::samples(WIDTH, HEIGHT, 1);
    Frame { width: WIDTH as u16, height: HEIGHT as u16, buffer: indexes.into(), ..Frame::default() }
}

fn file(frames: &[Frame<'_>]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, WIDTH as u16, HEIGHT as u16, &drawn::palette()).expect("encodes");
    encoder.set_repeat(gif::Repeat::Infinite).expect("encodes");
    frames.iter().for_each(|frame| encoder.write_frame(frame).expect("encodes"));
    drop(encoder);
    file
}
