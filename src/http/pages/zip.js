// ZIP archives (PKWARE APPNOTE 6.3.10) whose files are stored: pictures do not get any smaller.

/** Names are in UTF-8 (APPNOTE 4.4.4, bit 11). */
const UTF8 = 0x0800;
const VERSION = 20;
/** 1 January 1980, the earliest date there is (APPNOTE 4.4.6): the page has no better one. */
const DATE = 0x0021;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let crc = index;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  return crc;
});

/** The CRC-32 of bytes. */
export function crc32(data) {
  let crc = 0xffffffff;
  for (const byte of data) crc = CRC_TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** An archive of `files`, each with a name and a blob. A name that is there already gets a number. */
export async function zip(files) {
  const parts = [];
  const directory = [];
  const names = new Set();
  let offset = 0;
  for (const { name, blob } of files) {
    const data = new Uint8Array(await blob.arrayBuffer());
    const entry = { name: new TextEncoder().encode(unique(name, names)), crc: crc32(data), size: data.length, offset };
    const header = localHeader(entry);
    parts.push(header, data);
    directory.push(centralHeader(entry));
    offset += header.length + data.length;
  }
  return new Blob([...parts, ...directory, endOfDirectory(directory, offset)], { type: 'application/zip' });
}

function unique(name, names) {
  const [stem, extension] = name.split(/(\.[^.]*$)/);
  let found = name;
  for (let number = 2; names.has(found); number += 1) found = `${stem} (${number})${extension ?? ''}`;
  names.add(found);
  return found;
}

function localHeader(entry) {
  return joined([u32(0x04034b50), u16(VERSION), ...shared(entry), u16(0), entry.name]);
}

function centralHeader(entry) {
  const noCommentDiskOrAttributes = [u16(0), u16(0), u16(0), u16(0), u32(0)];
  return joined([
    u32(0x02014b50),
    u16(VERSION),
    u16(VERSION),
    ...shared(entry),
    ...noCommentDiskOrAttributes,
    u32(entry.offset),
    entry.name,
  ]);
}

/** The fields that both headers of a file have, from the flags to the length of the name. */
function shared({ name, crc, size }) {
  const stored = u16(0);
  const time = u16(0);
  return [u16(UTF8), stored, time, u16(DATE), u32(crc), u32(size), u32(size), u16(name.length)];
}

function endOfDirectory(directory, offset) {
  const size = directory.reduce((sum, header) => sum + header.length, 0);
  const count = u16(directory.length);
  return joined([u32(0x06054b50), u16(0), u16(0), count, count, u32(size), u32(offset), u16(0)]);
}

function u16(value) {
  return Uint8Array.of(value & 0xff, (value >>> 8) & 0xff);
}

function u32(value) {
  return Uint8Array.of(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24);
}

function joined(pieces) {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
