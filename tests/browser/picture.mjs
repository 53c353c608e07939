// Pictures as PNG files, drawn from numbers.

import { crc32 } from './archive.mjs';
import { deflateSync } from 'node:zlib';

/** A soft gradient under noise, as from a camera; each seed gives another. */
export function photo(width, height, seed = 1) {
  const rows = Buffer.alloc(height * (width * 3 + 1));
  let noise = seed;
  let at = 0;
  for (let y = 0; y < height; y += 1) {
    rows[at++] = 0;
    for (let x = 0; x < width; x += 1) {
      noise = (noise * 1103515245 + 12345) & 0x7fffffff;
      const grain = ((noise >> 16) % 24) - 12;
      const soft = Math.sin(x / 61 + seed) * Math.cos(y / 83) * 50;
      rows[at++] = 120 + soft + grain;
      rows[at++] = 110 + soft * 0.6 + grain + (y * 40) / height;
      rows[at++] = 100 - soft * 0.4 + grain + (x * 60) / width;
    }
  }
  return png(width, height, rows);
}

function png(width, height, rows) {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows, { level: 1 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, check]);
}

/** The format of a file, by its first bytes. */
export function formatOf(bytes) {
  if (bytes.subarray(0, 3).equals(Buffer.from([0xff, 0xd8, 0xff]))) return 'jpeg';
  if (bytes.subarray(8, 12).toString('latin1') === 'WEBP') return 'webp';
  return bytes.subarray(1, 4).toString('latin1') === 'PNG' ? 'png' : 'unknown';
}
