// Several sizes and formats of one picture, and the HTML that offers them to browsers.

import { advise } from './advice.js';
import { address, quoted } from './curl.js';
import { button, copy, download, element } from './dom.js';
import { Refused, variants } from './service.js';
import { parameters, read, targetText } from './settings.js';
import { answerName, bytes, formatName, whole } from './text.js';

const FORMATS = ['avif', 'webp', 'jpeg', 'png'];
const CHECKED = ['webp', 'jpeg'];
/** Settings that a set decides itself, for each of its outputs. */
const OF_EACH_OUTPUT = ['format', 'width', 'height', 'target'];

/** The panel and what clears its answer; `chosen` returns the entry that it is about. */
export function panel(chosen) {
  const widths = element('input', { id: 'widths', value: '320, 640, 1280', inputmode: 'numeric', autocomplete: 'off' });
  const boxes = FORMATS.map((name) =>
    element('input', { type: 'checkbox', value: name, checked: CHECKED.includes(name) }),
  );
  const result = element('div', { class: 'variants', 'aria-live': 'polite' });
  const spec = () =>
    describe(
      widths.value,
      boxes.filter((box) => box.checked).map((box) => box.value),
    );
  let controller;
  /** What was made is of another picture, or with other settings. */
  const clear = () => {
    controller?.abort();
    result.replaceChildren();
  };
  const make = () => {
    clear();
    controller = new AbortController();
    show(result, chosen(), spec(), controller.signal);
  };
  const content = element(
    'div',
    { class: 'variants' },
    element(
      'div',
      { class: 'fields' },
      element('label', {}, 'Widths, px', widths),
      element(
        'fieldset',
        {},
        element('legend', { class: 'unseen' }, 'Formats'),
        ...boxes.map((box) => element('label', { class: 'check' }, box, formatName(`image/${box.value}`))),
      ),
      button('Make them', make),
    ),
    element('p', { class: 'dim' }, 'Each of them meets the target above. Widths above that of the picture become one.'),
    result,
  );
  return { content, clear };
}

function describe(widths, formats) {
  const defaults = Object.fromEntries(
    Object.entries(parameters(targetText())).filter(([name]) => !OF_EACH_OUTPUT.includes(name)),
  );
  return {
    widths: widths
      .split(/[\s,;]+/)
      .filter(Boolean)
      .map(Number),
    ...(formats.length > 0 && { formats }),
    defaults: { ...defaults, target: targetText() },
  };
}

async function show(result, entry, spec, signal) {
  result.replaceChildren(element('p', {}, 'Fitting…'));
  try {
    const report = JSON.parse(await (await variants(entry.file, spec, 'application/json', signal)).text());
    result.replaceChildren(...answer(report, entry, spec));
  } catch (error) {
    if (error.name === 'AbortError') return;
    const text = error instanceof Refused ? advise(error.problem, read()).text : error.message;
    result.replaceChildren(element('p', { class: 'no' }, text));
  }
}

function answer(report, entry, spec) {
  const archive = async () =>
    download(
      await variants(entry.file, spec, 'application/zip', new AbortController().signal),
      answerName(entry.name, 'image/zip'),
    );
  const srcset = Object.entries(report.srcset)
    .map(([type, value]) => `${type}: ${value}`)
    .join('\n');
  return [
    element(
      'div',
      { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': 'Variants' },
      element(
        'table',
        { class: 'outputs' },
        element(
          'thead',
          {},
          element(
            'tr',
            {},
            ...['Name', 'Size', 'Bytes', 'Quality', 'Outcome'].map((text) => element('th', { scope: 'col' }, text)),
          ),
        ),
        element('tbody', {}, ...report.outputs.map(outputRow)),
      ),
    ),
    element('p', {}, `${bytes(report.total.bytes)} in all.`),
    element('pre', { tabindex: 0 }, report.html),
    element(
      'div',
      { class: 'chips' },
      button('Copy HTML', () => copy(report.html, 'HTML')),
      button('Copy srcset', () => copy(srcset, 'srcset')),
      button('Copy as curl', () => copy(line(entry.name, spec), 'Command')),
      button('Download as ZIP', archive),
    ),
  ];
}

function outputRow({ name, output, outcome, problem }) {
  const cells = output
    ? [
        output.url ? element('a', { href: output.url.replace(/^\//, ''), download: '' }, name) : name,
        `${whole(output.width)} × ${whole(output.height)}`,
        whole(output.bytes),
        String(output.quality ?? '—'),
        outcome,
      ]
    : [name, '—', '—', '—', element('span', { class: 'no' }, advise(problem, read()).text)];
  return element('tr', {}, ...cells.map((cell) => element('td', {}, cell)));
}

function line(name, spec) {
  const form = `-F ${quoted(`file=@"${name}"`)} -F ${quoted(`spec=${JSON.stringify(spec)}`)}`;
  return `curl --fail-with-body ${quoted(address('variants'))} ${form}`;
}
