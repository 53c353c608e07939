//! Building blocks of files.

/// So many zero bytes, deflated (zlib): a thousand to one.
pub(crate) fn deflated_zeros(count: usize) -> Vec<u8> {
    fdeflate::compress_to_vec(&vec![0; count])
}

/// A PNG chunk with its checksum.
pub(crate) fn png_chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let checked = [kind, body].concat();
    [&(body.len() as u32).to_be_bytes()[..], &checked, &crc32fast::hash(&checked).to_be_bytes()].concat()
}

/// A JPEG segment: marker, length, body.
pub(crate) fn jpeg_segment(marker: u8, body: &[u8]) -> Vec<u8> {
    [&[0xFF, marker][..], &(body.len() as u16 + 2).to_be_bytes(), body].concat()
}

/// A RIFF chunk, padded to an even length.
pub(crate) fn riff_chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut chunk = [&kind[..], &(body.len() as u32).to_le_bytes(), body].concat();
    chunk.resize(chunk.len().next_multiple_of(2), 0);
    chunk
}

/// A WebP file of these chunks.
pub(crate) fn webp(chunks: &[Vec<u8>]) -> Vec<u8> {
    riff_chunk(b"RIFF", &[b"WEBP".to_vec(), chunks.concat()].concat())
}

/// A box of an ISO base media file.
pub(crate) fn iso_box(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat()
}

/// An AVIF or HEIC (`brand`, and the kind of its tiles) that is a grid of 1,024 tiles. All are the same item, whose
/// bytes are the file, in two pieces.
pub(crate) fn grid_of_pieces(brand: &[u8; 4], kind: &[u8; 4]) -> Vec<u8> {
    const FILE_BYTES: u32 = 400_000;
    let full = |kind: &[u8; 4], version: u8, body: &[u8]| iso_box(kind, &[&[version, 0, 0, 0], body].concat());
    let entry = |id: u8, kind: &[u8; 4]| full(b"infe", 2, &[&[0, id, 0, 0], &kind[..], &[0]].concat());
    let size = |side: u32| full(b"ispe", 0, &[side.to_be_bytes(), side.to_be_bytes()].concat());
    let half = (FILE_BYTES / 2).to_be_bytes();
    let pieces = [&[0, 2, 0, 0, 0, 0, 0, 2][..], &[0; 4], &half, &half, &half].concat();
    let grid = [&[0, 1, 0, 1, 0, 0, 0, 1][..], &[0; 4], &8u32.to_be_bytes()].concat();
    let associations = [0, 0, 0, 2, 0, 1, 1, 1, 0, 2, 1, 2];
    let properties = [iso_box(b"ipco", &[size(2048), size(64)].concat()), full(b"ipma", 0, &associations)].concat();
    let references = [&[0, 1, 4, 0][..], &[0, 2].repeat(1024)].concat();
    let meta = [
        full(b"pitm", 0, &[0, 1]),
        full(b"iinf", 0, &[&[0, 2][..], &entry(1, b"grid"), &entry(2, kind)].concat()),
        full(b"iloc", 1, &[&[0x44, 0, 0, 2][..], &grid, &pieces].concat()),
        full(b"iref", 0, &iso_box(b"dimg", &references)),
        iso_box(b"iprp", &properties),
        iso_box(b"idat", &[0, 0, 31, 31, 8, 0, 8, 0]),
    ];
    let file_type = iso_box(b"ftyp", &[&brand[..], &[0; 4], b"mif1"].concat());
    let mut file = [file_type, full(b"meta", 0, &meta.concat())].concat();
    file.resize(FILE_BYTES as usize, 0);
    file
}
