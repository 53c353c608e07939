// One total among several files.

/**
 * The target of each file: files that are smaller than an even share keep their size, and the others share what is left
 * evenly. The sum is at most `total`.
 */
export function shares(sizes, total) {
  const targets = new Array(sizes.length).fill(0);
  const ascending = sizes.map((size, index) => ({ size, index })).sort((one, other) => one.size - other.size);
  let left = total;
  ascending.forEach(({ size, index }, done) => {
    targets[index] = Math.max(1, Math.min(size, Math.floor(left / (sizes.length - done))));
    left -= targets[index];
  });
  return targets;
}
