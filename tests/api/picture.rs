//! Pictures and forms that the tests send.

/// An RGB PNG.
pub(crate) fn png(width: u32, height: u32) -> Vec<u8> {
    testkit::drawing::noisy_png(width, height, 1)
}

/// A PNG of 256x256 pixels, about 150 KB.
pub(crate) fn small() -> Vec<u8> {
    png(256, 256)
}

/// A PNG of 1024x768 pixels, about 1.8 MB.
pub(crate) fn large() -> Vec<u8> {
    png(1024, 768)
}

/// A multipart form of parts (name, file name, content). Returns the content type and the body.
pub(crate) fn form(parts: &[(&str, Option<&str>, &[u8])]) -> (String, Vec<u8>) {
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
