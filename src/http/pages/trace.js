// The search as a small plot: what each attempt took, in order, and the target.

import { drawn } from './dom.js';
import { whole } from './text.js';

const WIDTH = 270;
const HEIGHT = 92;
/** The target's line, and how far above and below it the farthest attempt may lie. */
const MIDDLE = 45;
const REACH = 22;
const MARGIN = 26;

/** The plot of a report's trace. Null when nothing was encoded. */
export function tracePlot(steps, target) {
  if (steps.length === 0) return null;
  const points = steps.map((step, index) => ({
    ...step,
    x: across(index, steps.length),
    y: height(step.bytes, target, steps),
  }));
  const way = points.map(({ x, y }) => `${x},${y}`).join(' ');
  return drawn(
    'svg',
    { class: 'trace', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': inWords(steps, target) },
    drawn('line', { class: 'target', x1: 0, x2: WIDTH, y1: MIDDLE, y2: MIDDLE }),
    drawn('text', { x: 0, y: points[0].y < MIDDLE ? MIDDLE + 14 : MIDDLE - 6 }, `${whole(target)} bytes`),
    drawn('polyline', { class: 'way', points: way }),
    ...points.flatMap((point) => marks(point, target, points.length)),
  );
}

function across(index, count) {
  return count === 1 ? WIDTH / 2 : MARGIN + (index * (WIDTH - 2 * MARGIN)) / (count - 1);
}

/** Sizes far from the target are compressed, so that small differences near it are still seen. */
function height(bytes, target, steps) {
  const far = Math.max(0.02, ...steps.map((step) => Math.abs(Math.log(step.bytes / target))));
  const share = Math.log(bytes / target) / far;
  return MIDDLE - Math.sign(share) * Math.sqrt(Math.abs(share)) * REACH;
}

function marks({ x, y, kind, bytes }, target, count) {
  const over = bytes > target && kind !== 'probe' ? ' over' : '';
  const label = count <= 4 ? [drawn('text', { x, y: HEIGHT - 6, 'text-anchor': 'middle' }, kind)] : [];
  return [
    drawn('circle', {
      class: `${kind === 'probe' ? 'probe' : 'encode'}${over}`,
      cx: x,
      cy: y,
      r: kind === 'probe' ? 5 : 6,
    }),
    ...label,
  ];
}

function inWords(steps, target) {
  const each = steps.map((step) => `${step.kind} in ${step.format}: ${whole(step.bytes)} bytes`);
  return `Search for ${whole(target)} bytes. ${each.join(', ')}.`;
}
