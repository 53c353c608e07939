//! Writes the seeds of every target: `seeds DIRECTORY` makes `DIRECTORY/TARGET/NAME`. All are made here, none copied.

mod avif;
mod bmp;
mod drawn;
mod gif;
mod heic;
mod ico;
mod jpeg;
mod jxl;
mod metadata;
mod params;
mod png;
mod spec;
mod tiff;
mod webp;

use std::path::Path;
use std::{env, fs, io};

use bytefit::codec::decode;
use bytefit_fuzz::{JOB_BYTES, LIMITS};

/// A seed and its name.
pub type Seed = (String, Vec<u8>);

fn main() -> io::Result<()> {
    let directory = env::args_os().nth(1).expect("usage: seeds DIRECTORY");
    let directory = Path::new(&directory);
    let files = files();
    for target in ["probe", "decode"] {
        write(&directory.join(target), &files)?;
    }
    write(&directory.join("job"), &jobs(&files))?;
    write(&directory.join("metadata"), &metadata::seeds())?;
    write(&directory.join("params"), &params::seeds())?;
    write(&directory.join("spec"), &spec::seeds())
}

fn write(directory: &Path, seeds: &[Seed]) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    seeds.iter().try_for_each(|(name, bytes)| fs::write(directory.join(name), bytes))
}

/// Files of every format that is read; each decodes, so that what the fuzzer changes is sound to begin with.
fn files() -> Vec<Seed> {
    let formats = [
        jpeg::files(),
        png::files(),
        webp::files(),
        avif::files(),
        jxl::files(),
        heic::files(),
        gif::files(),
        bmp::files(),
        tiff::files(),
        ico::files(),
    ];
    let files = formats.concat();
    let broken: Vec<_> = files.iter().filter_map(|(name, file)| Some((name, decode(file, &LIMITS).err()?))).collect();
    assert!(broken.is_empty(), "{broken:#?}");
    files
}

/// Each file with a few things asked of it.
fn jobs(files: &[Seed]) -> Vec<Seed> {
    let asked: [(&str, [u8; JOB_BYTES]); 9] = [
        ("fit-jpeg", *b"\x00\x02\x00\x00\x01\x00\x00\x00\x00\x5E"),
        ("fit-webp", *b"\x00\x02\x00\x00\x02\x01\x00\x00\x00\x5E"),
        ("fit-any", *b"\x00\x10\x00\x00\x0F\x00\x00\x00\x00\x5E"),
        ("fit-padded-keep", *b"\x00\x40\x01\xF0\x00\x02\x00\x00\x00\x5E"),
        ("exact-strip", *b"\x00\x20\x02\x00\x0F\x00\x00\x00\x00\x5E"),
        ("exact-avif", *b"\x00\x08\x02\x00\x04\x02\x00\x00\x00\x40"),
        ("close-cover", *b"\x00\x04\x03\x80\x03\x20\xC1\x18\x10\x5E"),
        ("scored-png", *b"\x80\x01\x00\x00\x08\x10\x80\x08\x00\x5E"),
        ("fit-jxl", *b"\x00\x02\x00\x00\x10\x00\x00\x00\x00\x5E"),
    ];
    let each = files.iter().enumerate().map(|(index, (name, bytes))| {
        let (what, asked) = &asked[index % asked.len()];
        (format!("{name}.{what}"), [&asked[..], bytes].concat())
    });
    each.collect()
}
