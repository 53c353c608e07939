// Small line charts that share a time axis and a cursor.

import { drawn } from './dom.js';

const WIDTH = 300;
const HEIGHT = 72;
/** Room above the highest point. */
const TOP = 4;
/** The axis is at least this long, so that a service that has just started is not drawn as one jump. */
const SHORTEST_S = 300;

/** Points that are drawn: half a minute of an hour each. */
const DRAWN = 120;

/**
 * Thins out points and their values to as many as are drawn, the mean of neighbours each; `worst` takes the greatest of them
 * instead, so that a single error is still seen.
 */
export function thinned(points, series, worst) {
  const each = Math.ceil(points.length / DRAWN);
  const join = worst ? greatest : mean;
  const groups = (values) => chunks(values, each);
  return {
    times: groups(points).map((group) => group.at(-1).at),
    series: series.map((values) => groups(values).map((group) => join(group.filter((value) => value !== null)))),
  };
}

/** Groups of `each`, counted from the end, so that only the oldest is smaller. */
function chunks(values, each) {
  const groups = [];
  for (let end = values.length; end > 0; end -= each) groups.unshift(values.slice(Math.max(0, end - each), end));
  return groups;
}

function mean(values) {
  return values.length > 0 ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
}

function greatest(values) {
  return values.length > 0 ? Math.max(...values) : null;
}

/** Draws series of numbers over their times, the topmost at `most`. A gap stands where a value is null. */
export function lineChart({ times, series }, { label, bad, at, most }) {
  const span = timeSpan(times);
  const x = (at) => WIDTH - ((span.end - at) / span.length) * WIDTH;
  const y = (value) => HEIGHT - (value / most) * (HEIGHT - TOP);
  return drawn(
    'svg',
    {
      class: bad ? 'chart bad' : 'chart',
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: 'none',
      role: 'img',
      'aria-label': label,
    },
    drawn('line', { class: 'base', x1: 0, x2: WIDTH, y1: HEIGHT, y2: HEIGHT }),
    ...series.map((values, index) => drawn('path', { class: `series-${index}`, d: line(times.map(x), values, y) })),
    at === undefined ? null : drawn('line', { class: 'cursor', x1: x(at), x2: x(at), y1: 0, y2: HEIGHT }),
  );
}

/** The end of the time axis and its length, in seconds. */
export function timeSpan(times) {
  const end = times.at(-1) ?? 0;
  return { end, length: Math.max(SHORTEST_S, end - (times[0] ?? end)) };
}

/** The index of the point that is nearest to a share of the axis. */
export function nearest(points, share) {
  const times = points.map((point) => point.at);
  const { end, length } = timeSpan(times);
  const at = end - (1 - share) * length;
  let best = 0;
  times.forEach((time, index) => {
    if (Math.abs(time - at) < Math.abs(times[best] - at)) best = index;
  });
  return best;
}

/** Columns for counts. */
export function columns(counts, label) {
  const most = Math.max(...counts, 1);
  const width = WIDTH / counts.length;
  const bars = counts.map((count, index) => {
    const height = count === 0 ? 0 : Math.max(1.5, (count / most) * 100);
    return drawn('rect', { x: index * width + width * 0.04, y: 100 - height, width: width * 0.92, height });
  });
  return drawn(
    'svg',
    { class: 'bars', viewBox: `0 0 ${WIDTH} 100`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label },
    ...bars,
  );
}

function line(xs, values, y) {
  let pen = 'M';
  const steps = values.map((value, index) => {
    if (value === null || value === undefined) {
      pen = 'M';
      return '';
    }
    const step = `${pen}${xs[index].toFixed(1)} ${y(value).toFixed(1)}`;
    pen = 'L';
    return step;
  });
  return steps.join('');
}
