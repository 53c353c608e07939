// sharp under a byte target: the best whole quality by bisection. node sharp.mjs FORMAT BYTES INPUT OUTPUT
//
// Prints the number of encodes and the seconds of CPU; writes nothing where no quality fits.

import { createRequire } from "node:module";
import { writeFileSync } from "node:fs";

// From the working directory, where `npm install sharp` has put it.
const sharp = createRequire(`${process.cwd()}/`)("sharp");
sharp.concurrency(1);

const options = {
  jpeg: { mozjpeg: true },
  webp: { effort: 4 },
  avif: {},
};

const [name, target, source, destination] = process.argv.slice(2);
const before = process.cpuUsage();
const upright = sharp(source).rotate();
// JPEG has no alpha: on white.
const pixels = name === "jpeg" ? upright.flatten({ background: "#fff" }) : upright;
const { data, info } = await pixels.raw().toBuffer({ resolveWithObject: true });
const { width, height, channels } = info;
let [low, high, encodes, best] = [1, 100, 0, null];
while (low <= high) {
  const quality = (low + high) >> 1;
  const picture = sharp(data, { raw: { width, height, channels } });
  const file = await picture.toFormat(name, { quality, ...options[name] }).toBuffer();
  encodes += 1;
  if (file.length <= Number(target)) {
    best = file;
    low = quality + 1;
  } else {
    high = quality - 1;
  }
}
const { user, system } = process.cpuUsage(before);
console.log(encodes, (user + system) / 1e6);
if (best) writeFileSync(destination, best);
