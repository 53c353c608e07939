// The dashboard: asks /status every few seconds, and draws it.

import { CARDS, STATUSES } from './cards.js';
import { columns, lineChart, nearest, thinned, timeSpan } from './chart.js';
import { byId, drawn, element } from './dom.js';
import { drawGrades } from './grades.js';
import { whole } from './text.js';

const EVERY_MS = 5000;

let status;
/** The point that the pointer or the keyboard is at. */
let cursor;

const cards = CARDS.map((card) => {
  const parts = {
    heading: element('h2', {}, card.title),
    now: element('div', { class: 'now' }),
    line: element('p'),
    chart: element('div'),
    axis: element('div', { class: 'axis' }),
  };
  const section = element('section', { class: 'card', 'aria-label': card.title }, ...Object.values(parts));
  if (card.isBelow) byId('fills').parentElement.after(section);
  else byId('cards').append(section);
  parts.chart.addEventListener('pointermove', (event) => point(event, parts.chart));
  parts.chart.addEventListener('pointerleave', () => moveTo(undefined));
  return { ...card, ...parts };
});

async function ask() {
  try {
    const answer = await fetch('status', { cache: 'no-store' });
    if (!answer.ok) return say(`no status: ${answer.status} ${STATUSES[answer.status] ?? ''}`, true);
    status = await answer.json();
  } catch {
    say('no answer', true);
    return;
  }
  drawAll();
}

function drawAll() {
  say(
    `${status.status === 'ok' ? 'live' : status.status} · up ${age(status.uptime_s)} · version ${status.version}`,
    status.status !== 'ok',
  );
  drawGrades(byId('grades'), status);
  drawCards();
  drawFills();
  byId('outcomes').replaceChildren(table(Object.entries(status.outcomes).map(([name, count]) => [name, whole(count)])));
  const answered = Object.entries(status.hour.statuses);
  byId('statuses').replaceChildren(
    answered.length > 0
      ? table(answered.map(([code, count]) => [code, STATUSES[code] ?? '', whole(count)]))
      : element('p', {}, 'none yet'),
  );
}

function say(text, isBad) {
  byId('state').textContent = text;
  byId('state').classList.toggle('no', isBad);
  document.body.classList.toggle('stale', text === 'no answer');
}

function drawCards() {
  const points = status.history;
  const at = points[Math.min(cursor ?? Infinity, points.length - 1)];
  if (!at) return;
  for (const card of cards) drawCard(card, points, at);
}

function drawCard(card, points, at) {
  const lines = thinned(
    points,
    card.series.map((value) => points.map(value)),
    card.bad || card.worst,
  );
  const most = Math.max(...lines.series.flat().map((value) => value ?? 0), 1e-9);
  const highest = most > 1e-9 ? `up to ${card.scale(most)}` : '';
  const label = `${card.title}: ${card.figure(at)}. ${highest} in the last hour`;
  card.now.textContent = card.figure(at);
  card.line.replaceChildren(card.words(status), ...keys(card));
  card.chart.replaceChildren(
    lineChart(lines, { label, bad: card.bad, most, at: cursor === undefined ? undefined : at.at }),
  );
  card.axis.replaceChildren(...axis(points, at, highest));
}

function keys({ names = [], bad }) {
  return names.flatMap((name, index) => [
    index === 0 ? element('br') : ' ',
    drawn(
      'svg',
      { class: bad ? 'key bad' : 'key', viewBox: '0 0 16 8', 'aria-hidden': 'true' },
      drawn('path', { class: `series-${index}`, d: 'M0 4H16' }),
    ),
    `${name} `,
  ]);
}

function axis(points, at, highest) {
  const { end, length } = timeSpan(points.map((one) => one.at));
  const ago = (seconds) =>
    seconds === 0 ? 'now' : `${seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`} ago`;
  const shown = cursor === undefined ? 'now' : ago(end - at.at);
  return [ago(length), highest, shown].map((text) => element('span', {}, text));
}

function point(event, chart) {
  const box = chart.getBoundingClientRect();
  moveTo(nearest(status.history, (event.clientX - box.left) / box.width));
}

function moveTo(index) {
  if (index === cursor || !status) return;
  cursor = index;
  drawCards();
}

function drawFills() {
  const { fills } = status;
  const label = `Answers by share of the target: ${fills.map(({ up_to: bound, count }) => `${count} up to ${bound}`).join(', ')}`;
  const bounds = fills.map(({ up_to: bound }) => element('span', {}, String(bound)));
  byId('fills').replaceChildren(
    columns(
      fills.map(({ count }) => count),
      label,
    ),
    element('div', { class: 'axis even' }, ...bounds),
  );
}

function table(rows) {
  const cells = ([first, ...others]) => [
    element('th', { scope: 'row' }, first),
    ...others.map((text) => element('td', {}, text)),
  ];
  return element('table', {}, element('tbody', {}, ...rows.map((row) => element('tr', {}, ...cells(row)))));
}

function age(seconds) {
  const [days, hours, minutes] = [
    Math.floor(seconds / 86400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
  ];
  if (days > 0) return `${days} d ${hours} h`;
  return hours > 0 ? `${hours} h ${minutes} min` : `${minutes} min ${seconds % 60} s`;
}

addEventListener('keydown', (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step && status)
    moveTo(Math.max(0, Math.min(status.history.length - 1, (cursor ?? status.history.length) + step)));
  if (event.key === 'Escape') moveTo(undefined);
});
setInterval(() => document.hidden || ask(), EVERY_MS);
document.addEventListener('visibilitychange', () => document.hidden || ask());
ask();
