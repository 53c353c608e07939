// Reads ZIP archives with stored files, and checks what they say of themselves.

import assert from 'node:assert/strict';

/** The CRC-32 of bytes, bit by bit. */
export function crc32(data) {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/** The files of an archive, by its directory. */
export function files(archive) {
  const end = archive.length - 22;
  assert.equal(archive.readUInt32LE(end), 0x06054b50);
  const found = [];
  let at = archive.readUInt32LE(end + 16);
  for (let count = archive.readUInt16LE(end + 10); count > 0; count -= 1) {
    assert.equal(archive.readUInt32LE(at), 0x02014b50);
    const nameLength = archive.readUInt16LE(at + 28);
    const name = archive.subarray(at + 46, at + 46 + nameLength).toString();
    const data = stored(archive, archive.readUInt32LE(at + 42), archive.readUInt32LE(at + 20));
    assert.equal(crc32(data), archive.readUInt32LE(at + 16), name);
    found.push({ name, data });
    at += 46 + nameLength;
  }
  assert.equal(at, end);
  return found;
}

function stored(archive, at, size) {
  assert.equal(archive.readUInt32LE(at), 0x04034b50);
  const start = at + 30 + archive.readUInt16LE(at + 26) + archive.readUInt16LE(at + 28);
  return archive.subarray(start, start + size);
}
