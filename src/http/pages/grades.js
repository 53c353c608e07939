// The grades, and what each means.

import { element } from './dom.js';
import { duration, percent } from './text.js';

const LETTERS = ['A+', 'A', 'B', 'C'];
const GOOD = ['A+', 'A'];
const OVERALL =
  'The worst grade of errors, latency and shedding in the last hour. The cache does not count: it follows from what clients send.';

/** Draws the grades of a status into `root`, and leaves the focus and what is open as they are. */
export function drawGrades(root, status) {
  const cards = [
    { name: 'overall', text: 'overall, the last hour', meaning: OVERALL },
    ...status.grading.map((entry) => ({ name: entry.name, text: caption(entry), meaning: meaning(entry) })),
  ];
  if (root.children.length === 0) root.append(...cards.map(card));
  cards.forEach((entry, index) => update(root.children[index], entry, status.grades[entry.name]));
}

function card({ name }) {
  const meaningId = `meaning-${name}`;
  const node = element(
    'button',
    { type: 'button', class: 'grade', 'aria-describedby': meaningId },
    element('b'),
    element('span'),
    element('span', { class: 'meaning', role: 'tooltip', id: meaningId }),
  );
  node.addEventListener('keydown', (event) => node.classList.toggle('closed', event.key === 'Escape'));
  node.addEventListener('blur', () => node.classList.remove('closed'));
  node.addEventListener('pointerenter', () => node.classList.remove('closed'));
  return node;
}

function update(node, { name, text, meaning: words }, grade) {
  node.classList.toggle('overall', name === 'overall');
  node.classList.toggle('low', !GOOD.includes(grade));
  node.classList.toggle('middling', grade === 'B');
  const [letter, caption, tooltip] = node.children;
  letter.textContent = grade;
  caption.textContent = text;
  tooltip.textContent = words;
}

function caption({ name, value }) {
  if (value === null) return `${name}: nothing yet`;
  return name === 'latency'
    ? `95 of 100 in ${duration(value)}`
    : `${{ errors: 'errors', cache: 'from the cache', shedding: 'turned away' }[name] ?? name} ${percent(value)}`;
}

function meaning({ name, meaning: words, bounds }) {
  const more = bounds[0] > bounds.at(-1);
  const shown = (bound) => (name === 'latency' ? duration(bound) : percent(bound));
  const each = bounds.map((bound, index) => `${LETTERS[index]}: ${more ? 'at least' : 'at most'} ${shown(bound)}`);
  return [`${words.charAt(0).toUpperCase()}${words.slice(1)}.`, ...each, `D: ${more ? 'less' : 'more'} than that`].join(
    '\n',
  );
}
