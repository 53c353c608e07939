// Requests to the service.

import { key } from './settings.js';

/** An answer that is a problem (RFC 9457), or a failure to get any. */
export class Refused extends Error {
  constructor(problem, retryAfter) {
    super(problem.detail);
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}

const UNREACHABLE = { code: 'unreachable', title: 'No answer', detail: 'the service did not answer' };

/**
 * Fits a file. Resolves to the report and the picture. `sent` is called with the share of the file that is sent.
 */
export async function compress(file, parameters, signal, sent) {
  const path = `compress?${new URLSearchParams(parameters)}`;
  const report = JSON.parse(await (await send(path, file, 'application/json', signal, sent)).text());
  const kept = report.output.url && (await picture(report.output.url, signal));
  return { report, blob: kept || (await send(path, file, 'image/*', signal, () => {})) };
}

/** Asks for several sizes and formats of a file; `accept` says in which form they come. */
export function variants(file, spec, accept, signal) {
  const form = new FormData();
  form.append('file', file);
  form.append('spec', JSON.stringify(spec));
  return send('variants', form, accept, signal, () => {});
}

/** The picture at a path of a report. Undefined when the service does not keep it any more. */
export async function picture(path, signal) {
  try {
    const answer = await fetch(path.replace(/^\//, ''), { signal, headers: keyHeader() });
    return answer.ok ? await answer.blob() : undefined;
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    return undefined;
  }
}

/** Posts `body`. XMLHttpRequest, because fetch does not say how much is sent. */
function send(path, body, accept, signal, sent) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const stop = () => request.abort();
    request.open('POST', path);
    request.responseType = 'blob';
    for (const [name, value] of Object.entries({ Accept: accept, ...keyHeader() }))
      request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => event.lengthComputable && sent(event.loaded / event.total);
    request.onload = () => (request.status < 400 ? resolve(request.response) : refusal(request).then(reject));
    request.onerror = () => reject(new Refused(UNREACHABLE));
    request.onabort = () => reject(new DOMException('superseded', 'AbortError'));
    request.onloadend = () => signal.removeEventListener('abort', stop);
    signal.addEventListener('abort', stop);
    if (signal.aborted) reject(new DOMException('superseded', 'AbortError'));
    else request.send(body);
  });
}

/** Sent even when it is empty: a browser then leaves it to this page to ask for a key. */
function keyHeader() {
  return { 'X-Api-Key': key() };
}

async function refusal(request) {
  const text = await request.response.text();
  try {
    const body = JSON.parse(text);
    // A set in which every output failed has a problem for each.
    const problem = body.code ? body : body.outputs.find((output) => output.problem).problem;
    return new Refused(problem, Number(request.getResponseHeader('Retry-After')) || undefined);
  } catch {
    return new Refused({ code: 'internal', title: `Status ${request.status}`, detail: text.slice(0, 200) });
  }
}
