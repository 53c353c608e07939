// Shows the OpenAPI document: each endpoint with its parameters, its answers and a line that works as copied.

import { byId, button, copy, element } from './dom.js';
import { sample } from './samples.js';

/** Headers that every request may have, which would only repeat themselves. */
const SHARED = ['X-Request-Id'];

/** How the paths begin that take or give pictures, in the order in which people meet them. */
const FIRST = ['/compress', '/variants', '/batches', '/fit', '/results'];

let api;

/** The object that a reference of the document names, or the object itself. */
function resolved(value) {
  const path = value?.$ref?.slice(2).split('/');
  return path ? path.reduce((node, key) => node[key], api) : value;
}

async function start() {
  api = await (await fetch('openapi.json')).json();
  byId('version').textContent = `version ${api.info.version}`;
  byId('about').textContent = `${api.info.summary}. ${api.info.description}`;
  for (const { method, path, operation } of endpoints()) {
    byId('index').append(element('a', { href: `#${operation.operationId}` }, verb(method), breakable(path)));
    byId('endpoints').append(endpoint(method, path, operation));
  }
  // The browser looked for the part that the address names before it was there.
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

/** Every endpoint; first those that take or give pictures. */
function endpoints() {
  const all = Object.entries(api.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({ method, path, operation })),
  );
  const place = ({ path }) => {
    const found = FIRST.findIndex((start) => path.startsWith(start));
    return found < 0 ? FIRST.length : found;
  };
  return all.sort((one, other) => place(one) - place(other));
}

function verb(method) {
  return element('span', { class: `method ${method}` }, method.toUpperCase());
}

/** A path that may be broken before its slashes. */
function breakable(path) {
  const [, ...segments] = path.split('/');
  return element('span', {}, ...segments.flatMap((segment) => [element('wbr'), `/${segment}`]));
}

function endpoint(method, path, operation) {
  const parameters = (operation.parameters ?? []).map(resolved).filter(({ name }) => !SHARED.includes(name));
  return element(
    'section',
    { class: 'endpoint', id: operation.operationId, 'aria-label': `${method.toUpperCase()} ${path}` },
    element('h2', {}, verb(method), path),
    element('p', {}, operation.summary),
    operation.description && element('p', { class: 'dim' }, withCode(operation.description)),
    command(sample(method, path)),
    ...table('Parameters', ['Name', 'Value', 'Meaning'], parameters.map(parameterRow)),
    ...table('Body', ['Type', 'Contents'], Object.entries(operation.requestBody?.content ?? {}).map(bodyRow)),
    ...answers(operation.responses),
  );
}

function command(line) {
  const code = element('code', {}, line);
  return element(
    'div',
    { class: 'line' },
    element('pre', { tabindex: 0, 'aria-label': 'Example' }, code),
    button('Copy', () => copy(line, 'Command')),
  );
}

function parameterRow({ name, in: place, required, description, schema }) {
  const facts = resolved(schema) ?? {};
  const value = facts.enum?.join(', ') ?? facts.type ?? 'text';
  const preset = facts.default === undefined ? '' : `. Without it: ${facts.default}`;
  const where = place === 'query' ? '' : ` (${place})`;
  return [
    element('code', {}, name),
    `${value}${where}${required ? ', required' : ''}`,
    `${description ?? ''}${preset}`,
  ];
}

function bodyRow([type, { schema }]) {
  const { properties, required = [] } = resolved(schema) ?? {};
  if (!properties) return [element('code', {}, type), 'the bytes of the picture'];
  const names = Object.keys(properties);
  const shown = names.length > 8 ? [...required, 'and the parameters above'] : names;
  return [element('code', {}, type), `parts: ${shown.join(', ')}`];
}

function answers(responses) {
  const entries = Object.entries(responses).map(([status, response]) => [status, resolved(response)]);
  const good = entries.filter(([status]) => Number(status) < 400);
  const bad = entries.filter(([status]) => Number(status) >= 400);
  return [
    ...table('Answers', ['Status', 'Meaning', 'Types'], good.map(answerRow)),
    element(
      'details',
      {},
      element('summary', {}, 'Errors'),
      ...table(
        '',
        ['Status', 'Code and meaning'],
        bad.map(([status, { description }]) => [status, withCode(description)]),
      ),
    ),
  ];
}

function answerRow([status, { description, content = {} }]) {
  return [status, description, element('code', {}, Object.keys(content).join(', '))];
}

/** Text in which `words` between backticks are code. */
function withCode(text) {
  const pieces = text.split('`').map((piece, index) => (index % 2 ? element('code', {}, piece) : piece));
  return element('span', {}, ...pieces);
}

function table(title, heads, rows) {
  if (rows.length === 0) return [];
  const head = element('thead', {}, element('tr', {}, ...heads.map((text) => element('th', { scope: 'col' }, text))));
  const body = rows.map((cells) => element('tr', {}, ...cells.map((cell) => element('td', {}, cell))));
  const scroll = element(
    'div',
    { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': title || 'Errors' },
    element('table', {}, head, element('tbody', {}, ...body)),
  );
  return title ? [element('h3', {}, title), scroll] : [scroll];
}

start();
