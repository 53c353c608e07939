// The list of pictures: one row each, updated in place, so that the keyboard's focus stays where it is.

import { byId, element } from './dom.js';
import { advice, sizes } from './facts.js';
import { answerName, bytes, percent } from './text.js';

const rows = new Map();

/** Draws the row of an entry, which `select` and `remove` are called with. */
export function drawRow(entry, { selected, select, remove, work }) {
  const row = rows.get(entry) ?? addRow(entry, select);
  row.item.setAttribute('aria-current', String(selected));
  row.sizes.replaceChildren(...state(entry, work));
  row.share.textContent =
    entry.state === 'done' ? `${percent(entry.report.output.bytes / entry.report.target)} of target` : '';
  if (row.drawn !== entry.state + entry.answerUrl) {
    row.doing.replaceChildren(...actions(entry, remove));
    row.drawn = entry.state + entry.answerUrl;
  }
}

/** Takes the row away, and puts the focus where it makes sense. */
export function removeRow(entry) {
  const { item } = rows.get(entry);
  const neighbour = item.nextElementSibling ?? item.previousElementSibling;
  item.remove();
  rows.delete(entry);
  (neighbour?.querySelector('.name') ?? byId('choose')).focus();
}

/** Says what all pictures save together. */
export function drawSum(entries) {
  const done = entries.filter((entry) => entry.state === 'done');
  const total = (size) => done.reduce((sum, entry) => sum + size(entry), 0);
  const [before, after] = [total((entry) => entry.file.size), total((entry) => entry.report.output.bytes)];
  const saved = before > after ? `, ${percent(1 - after / before)} saved` : '';
  const what = entries.length === 1 ? '1 picture' : `${done.length} of ${entries.length} pictures`;
  byId('sum').textContent = done.length > 0 ? `${what}: ${bytes(before)} → ${bytes(after)}${saved}` : what;
}

function addRow(entry, select) {
  const row = {
    sizes: element('span'),
    share: element('span', { class: 'share' }),
    doing: element('span', { class: 'doing' }),
  };
  const name = element('button', { type: 'button', class: 'name', click: () => select(entry) }, entry.name);
  const thumb = element('img', { class: 'thumb', src: entry.url, alt: '', error: leaveEmpty });
  row.item = element(
    'li',
    { class: 'file' },
    thumb,
    element('div', {}, name, element('br'), row.sizes),
    row.share,
    row.doing,
  );
  rows.set(entry, row);
  byId('rows').append(row.item);
  return row;
}

/** Browsers can't show every format that the service reads. */
function leaveEmpty(event) {
  event.target.replaceWith(element('span', { class: 'thumb' }));
}

function state(entry, work) {
  if (entry.state === 'done') return [sizes(entry)];
  if (entry.state === 'failed') return failure(entry, work);
  const text = { waiting: 'waiting', sending: entry.sent < 1 ? 'sending' : 'fitting' }[entry.state];
  const value = entry.state === 'sending' && entry.sent < 1 ? entry.sent * 0.9 : undefined;
  const bar = element('progress', {
    max: 1,
    value: entry.state === 'waiting' ? 0 : (value ?? 0.9),
    'aria-label': `${entry.name}: ${text}`,
  });
  return [`${sizes(entry)}, ${text}`, bar];
}

function failure(entry, work) {
  const { text, button } = advice(entry, work);
  return [element('span', { class: 'no' }, text), ' ', button && button({ class: 'link' })].filter(Boolean);
}

function actions(entry, remove) {
  const type = entry.report?.output.type;
  const link =
    type &&
    element(
      'a',
      { href: entry.answerUrl, download: answerName(entry.name, type), 'aria-label': `Download ${entry.name}` },
      'Download',
    );
  const away = element(
    'button',
    { type: 'button', class: 'link', click: () => remove(entry), 'aria-label': `Remove ${entry.name}` },
    'Remove',
  );
  return [link, away].filter(Boolean);
}
