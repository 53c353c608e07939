// Requests as lines for a shell.

import { answerName } from './text.js';

/** The address of `path` at this service. */
export function address(path) {
  return new URL(path, document.baseURI).href;
}

/** The line that fits `name` as this page does. */
export function compressLine(name, parameters, type, key) {
  const query = new URLSearchParams(parameters).toString().replaceAll('%2C', ',');
  const output = answerName(name, type);
  const header = key ? `-H ${quoted(`X-Api-Key: ${key}`)} ` : '';
  return `curl --fail-with-body ${header}--data-binary ${quoted(`@${name}`)} ${quoted(address(`compress?${query}`))} -o ${quoted(output)}`;
}

/** Text in single quotes, as shells read it. */
export function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
