//! Draws pictures: smooth with some noise, so that more bytes give a better picture.

/// An RGB PNG.
pub fn png(width: u32, height: u32) -> Vec<u8> {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut noise = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 59) as u32
    };
    let mut pixels = Vec::with_capacity((width * height * 3) as usize);
    for y in 0..height {
        for x in 0..width {
            let smooth = [x * 220 / width, y * 220 / height, (x + y) * 220 / (width + height)];
            pixels.extend(smooth.map(|value| (value + noise()) as u8));
        }
    }
    encode(width, height, &pixels)
}

/// A PNG of 256x256 pixels, about 150 KB.
pub fn small() -> Vec<u8> {
    png(256, 256)
}

/// A PNG of 1024x768 pixels, about 1.8 MB.
pub fn large() -> Vec<u8> {
    png(1024, 768)
}

fn encode(width: u32, height: u32, pixels: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header().unwrap().write_image_data(pixels).unwrap();
    file
}

/// A multipart form of parts (name, file name, content). Returns the content type and the body.
pub fn form(parts: &[(&str, Option<&str>, &[u8])]) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (name, filename, content) in parts {
        let filename = filename.map(|filename| format!("; filename=\"{filename}\"")).unwrap_or_default();
        let head = format!("--seam\r\nContent-Disposition: form-data; name=\"{name}\"{filename}\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--seam--\r\n");
    ("multipart/form-data; boundary=seam".to_owned(), body)
}
