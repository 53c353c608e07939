// What each card of the dashboard shows: its series, the figure of now, and a line of words.

import { bytes, duration, percent, whole } from './text.js';

const rate = (value) => (value >= 100 ? whole(Math.round(value)) : value.toFixed(value >= 10 ? 0 : 1));
const count = (value) => whole(Math.ceil(value));
/** The length of an interval of the history. */
const INTERVAL_S = 5;
/** An item has its deadline: after this long without an end something is wrong. */
const STILL_S = 120;
const ratio = (part, of) => (of > 0 ? part / of : null);
const mebibytes = (size) => whole(Math.round(size / (1 << 20)));

/**
 * Each card has a title; `series`, functions of a point; `figure`, the large figure of a point; `scale`, which writes a
 * value of the series; and `words` about the status. `names` are those of the lines, where there are two.
 */
export const CARDS = [
  {
    title: 'Requests a second',
    scale: rate,
    series: [(point) => point.requests_per_s, (point) => point.shed / INTERVAL_S],
    names: ['all', 'turned away'],
    figure: (point) => rate(point.requests_per_s),
    words: ({ hour }) => `${whole(hour.requests)} in the last hour`,
  },
  {
    title: 'Latency',
    scale: duration,
    series: [(point) => point.p95_ms || null, (point) => point.p50_ms || null],
    names: ['95 of 100', 'half'],
    figure: (point) => (point.p95_ms ? duration(point.p95_ms) : '—'),
    words: ({ hour }) => `this hour: half in ${duration(hour.p50_ms)}, 99 of 100 in ${duration(hour.p99_ms)}`,
  },
  {
    title: 'Queue and jobs',
    scale: count,
    series: [(point) => point.queued, (point) => point.in_flight],
    names: ['waiting', 'running'],
    figure: (point) => `${point.queued} + ${point.in_flight}`,
    words: ({ queue, pool }) => `room for ${queue.slots} in the queue, threads: ${pool.threads}`,
  },
  {
    title: 'Workers',
    scale: count,
    worst: true,
    series: [(point) => point.workers, (point) => point.worker_deaths],
    names: ['running', 'died'],
    figure: (point) => whole(point.workers),
    words: ({ workers, hour }) =>
      workers.mode === 'threads'
        ? 'none: jobs run on threads'
        : `${whole(hour.worker_deaths)} died this hour, ${whole(workers.deaths)} since the start`,
  },
  {
    title: 'Memory, MiB',
    scale: mebibytes,
    series: [(point) => point.memory_bytes, (point) => point.rss_bytes],
    names: ['reserved', 'resident'],
    figure: (point) => `${mebibytes(point.memory_bytes)} · ${mebibytes(point.rss_bytes)}`,
    words: ({ pool }) => `of ${mebibytes(pool.memory_limit_bytes)} that may be reserved`,
  },
  {
    title: 'Cache hits',
    scale: percent,
    series: [(point) => point.hit_ratio],
    figure: (point) => (point.hit_ratio === null ? '—' : percent(point.hit_ratio)),
    words: ({ hour, cache }) =>
      `${hour.hit_ratio === null ? 'none asked' : percent(hour.hit_ratio)} this hour · ${tiersInWords(cache)}`,
  },
  {
    title: 'Encodes a picture',
    scale: rate,
    series: [(point) => ratio(point.encodes, point.jobs)],
    figure: (point) => ratio(point.encodes, point.jobs)?.toFixed(1) ?? '—',
    words: ({ hour }) =>
      hour.jobs > 0
        ? `${(hour.encodes / hour.jobs).toFixed(2)} this hour, ${whole(hour.jobs)} pictures`
        : 'no pictures this hour',
  },
  {
    title: 'Bytes saved',
    scale: bytes,
    series: [(point) => point.saved_bytes],
    figure: (point) => bytes(point.saved_bytes),
    words: ({ hour }) =>
      `${bytes(hour.saved_bytes)} this hour${hour.input_bytes > 0 ? `, ${percent(hour.saved_bytes / hour.input_bytes)} of what came` : ''}`,
  },
  {
    title: 'Errors and refusals',
    scale: count,
    bad: true,
    series: [(point) => point.errors + point.shed, (point) => point.client_errors],
    names: ['of the service', 'of clients'],
    figure: (point) => whole(point.errors + point.shed),
    words: ({ hour }) => `this hour: errors ${whole(hour.errors)}, turned away ${whole(hour.shed)}`,
  },
  {
    title: 'Batches: items to do',
    isBelow: true,
    scale: count,
    series: [(point) => point.batch_items],
    figure: (point) => whole(point.batch_items),
    words: ({ batches }) => batchesInWords(batches),
  },
];

/** What memory holds, and which tiers are left alone because they failed. */
function tiersInWords({ memory, ...others }) {
  const off = Object.keys(others).filter((tier) => others[tier].off);
  if (off.length > 0) return `not answering: ${off.map((tier) => TIERS[tier]).join(', ')}`;
  return `${bytes(memory.bytes)} of ${bytes(memory.capacity_bytes)}`;
}

const TIERS = { disk: 'disk', redis: 'Redis' };

const HELD_BACK_BY = { memory: 'slower: memory is short', queue: 'slower: requests wait' };

/** How many batches there are, and how their items ended; that they are held back, or that nothing moves. */
function batchesInWords({ states, items, idle_s: idle, pace }) {
  const open = states.queued + states.running;
  const ended = `${whole(items.done)} done${items.failed > 0 ? `, ${whole(items.failed)} failed` : ''}`;
  if (open === 0) return items.done + items.failed > 0 ? `none open · ${ended}` : 'none';
  const still = idle >= STILL_S ? ` · none ended for ${Math.round(idle / 60)} min` : '';
  const slow = pace.held_back_by ? ` · ${HELD_BACK_BY[pace.held_back_by]}` : '';
  return `${open === 1 ? '1 batch' : `${whole(open)} batches`} open · ${ended}${still || slow}`;
}

/** What statuses mean here. */
export const STATUSES = {
  200: 'answered',
  304: 'known already',
  202: 'taken',
  400: 'a parameter can’t be used',
  401: 'no key, or none of ours',
  403: 'link or host not allowed',
  404: 'no such path or picture',
  405: 'no such method',
  406: 'no format accepted',
  408: 'upload too slow',
  410: 'link expired',
  413: 'body too large',
  415: 'no known format',
  422: 'can’t be read, or target out of reach',
  429: 'too many from one client',
  500: 'mistake of the service',
  502: 'the picture’s host failed',
  503: 'busy or going down',
  504: 'no answer before the deadline',
  other: 'gone before the answer, and others',
};
