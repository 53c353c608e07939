// What is known of an answer, beside the picture.

import { advise } from './advice.js';
import { compressLine } from './curl.js';
import { button, copy, drawn, element } from './dom.js';
import { askForKey, change, key, read } from './settings.js';
import { answerName, bytes, duration, formatName, percent, smaller, whole } from './text.js';
import { tracePlot } from './trace.js';

const OUTCOMES = {
  passthrough: 'as it came',
  lossless: 'lossless',
  quality: 'by quality',
  downscaled: 'made smaller',
  missed: 'missed the target',
  deadline: 'stopped by the deadline',
};
/** What SSIMULACRA2 scores mean, by its authors' scale. */
const LOOKS = [
  [90, 'as the original'],
  [70, 'high'],
  [50, 'medium'],
  [30, 'low'],
  [-Infinity, 'poor'],
];

/** The contents of the panel for an entry. */
export function facts(entry, work) {
  if (entry.state === 'failed') return failed(entry, work);
  if (entry.state !== 'done') return [working(entry)];
  return done(entry);
}

/** Words and an action for an entry that was refused. */
export function advice(entry, work) {
  const { text, action } = advise(entry.refused.problem, read());
  const act = () => perform(action, entry, work);
  return { text, button: action && ((attributes) => button(action.text, act, attributes)) };
}

function perform(action, entry, work) {
  if (action.key) askForKey();
  else if (action.retry) work.retry(entry);
  else change(action.change);
}

function working(entry) {
  const text = entry.state === 'waiting' ? 'Waiting for others' : entry.sent < 1 ? 'Sending' : 'Fitting';
  return element('div', { class: 'bytes' }, '…', element('small', {}, text));
}

function failed(entry, work) {
  const { text, button: act } = advice(entry, work);
  return [
    element('div', { class: 'bytes no' }, 'No answer', element('small', {}, entry.refused.problem.title)),
    element('p', {}, text),
    act && act({ class: 'go' }),
  ].filter(Boolean);
}

function done(entry) {
  const { report } = entry;
  const { input, output, target } = report;
  return [
    element(
      'div',
      { class: 'bytes' },
      `${whole(output.bytes)} bytes`,
      element('small', {}, `of ${whole(target)} · ${smaller(input.bytes, output.bytes)}`),
    ),
    bar(output.bytes / target),
    element('dl', {}, ...rows(entry).flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)])),
    tracePlot(report.trace, target),
    element('a', { class: 'go', href: entry.answerUrl, download: answerName(entry.name, output.type) }, 'Download'),
    element(
      'div',
      { class: 'row' },
      button('Copy as curl', () => copy(compressLine(entry.name, entry.parameters, output.type, key()), 'Command')),
    ),
  ].filter(Boolean);
}

function rows({ report, took }) {
  const { input, output, timings_ms: timings } = report;
  const found = [
    ['Format', `${formatName(output.type)} ${whole(output.width)} × ${whole(output.height)}`],
    ['Fill', percent(output.bytes / report.target)],
    ['Saved', input.bytes > output.bytes ? percent(1 - output.bytes / input.bytes) : 'nothing'],
    ['Outcome', (OUTCOMES[report.outcome] ?? report.outcome) + (report.padded ? ', padded' : '')],
    ['Quality', output.quality === null ? null : String(output.quality)],
    ['Score', output.score === null ? measure() : look(output.score)],
    ['Encodes', String(report.encodes)],
    ['Time', report.cache === 'hit' ? 'from the cache' : duration(timings.total)],
    ['With transfer', duration(took)],
    ['Damaged', report.damaged ? 'in part' : null],
  ];
  return found.filter(([, value]) => value !== null);
}

function measure() {
  return element('button', { type: 'button', class: 'link', click: () => change({ measure: true }) }, 'measure it');
}

function look(score) {
  const [, word] = LOOKS.find(([least]) => score >= least);
  return `${Math.round(score)} · ${word}`;
}

function bar(share) {
  const width = Math.min(100, share * 100);
  return drawn(
    'svg',
    { class: 'fill', viewBox: '0 0 100 1', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    drawn('rect', { width, height: 1 }),
  );
}

/** An entry's sizes in one line. */
export function sizes(entry) {
  if (entry.state !== 'done') return bytes(entry.file.size);
  return `${bytes(entry.file.size)} → ${bytes(entry.report.output.bytes)}`;
}
