// Numbers as people read them.

const UNITS = ['bytes', 'KB', 'MB', 'GB', 'TB'];

/** 78864 as "78.9 KB". */
export function bytes(count) {
  let unit = 0;
  let value = count;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit > 0 && value < 100 ? 1 : 0;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** 78864 as "78,864". */
export function whole(number) {
  return number.toLocaleString('en');
}

/** 0.986 as "98.6 %". */
export function percent(share) {
  const value = share * 100;
  return `${Number(value.toFixed(value < 1 ? 2 : 1))} %`;
}

/** Milliseconds as "240 ms" or "1.24 s". */
export function duration(ms) {
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(2)} s`;
}

/** How much smaller `after` is, in words. */
export function smaller(before, after) {
  const times = before / after;
  if (times >= 2) return `${times < 10 ? times.toFixed(1) : Math.round(times)} times smaller`;
  if (times > 1.005) return `${percent(1 - after / before)} smaller`;
  return times < 0.995 ? `${percent(after / before - 1)} larger` : 'the same size';
}

const NAMES = {
  'image/jpeg': 'JPEG',
  'image/webp': 'WebP',
  'image/avif': 'AVIF',
  'image/png': 'PNG',
  'image/gif': 'GIF',
  'image/tiff': 'TIFF',
  'image/bmp': 'BMP',
  'image/jxl': 'JPEG XL',
  'image/heic': 'HEIC',
  'image/vnd.microsoft.icon': 'ICO',
};

/** A media type as people call it. */
export function formatName(type) {
  return NAMES[type] ?? type.replace('image/', '').toUpperCase();
}

/** The name of an answer: that of the file with the extension of its new type. */
export function answerName(name, type) {
  const extension = type === 'image/jpeg' ? 'jpg' : type.replace('image/', '');
  const stem = name.replace(/\.[^./\\]*$/, '');
  return `${stem || 'picture'}.${extension}`;
}
