// A line for a shell for every endpoint. Each works as it is copied, beside a picture called photo.jpg.

import { address, quoted } from './curl.js';

const PICTURE = '--data-binary @photo.jpg';
const CURL = 'curl -sS --fail-with-body';
const SET = { widths: [320, 640], formats: ['webp', 'jpeg'], defaults: { target: '80KB' } };

const SAMPLES = {
  'post /compress': () => `${CURL} ${PICTURE} ${quoted(address('compress?target=80KB'))} -o photo.webp`,
  'post /variants': () =>
    `${CURL} -F file=@photo.jpg -F ${quoted(`spec=${JSON.stringify(SET)}`)} ${quoted(address('variants'))}`,
  'post /batches': () => submit(),
  'get /batches/{id}': () => `${batch()}; ${CURL} "${batches()}/$id"`,
  'delete /batches/{id}': () => `${batch()}; ${CURL} -X DELETE "${batches()}/$id"`,
  'get /batches/{id}/events': () => `${batch()}; ${CURL} -N "${batches()}/$id/events"`,
  'get /batches/{id}/items/{index}': () => `${batch()}; ${ended()}; ${CURL} "${batches()}/$id/items/0" -o photo.webp`,
  'get /batches/{id}/zip': () => `${batch()}; ${ended()}; ${CURL} "${batches()}/$id/zip" -o photos.zip`,
  'get /results/{id}': result,
  'get /fit/{signature}/{link}': link,
  'get /assets/{file}': () => `${CURL} ${quoted(address('assets/icon.svg'))}`,
  'get /': () => `${CURL} ${quoted(address('.'))}`,
};

/** The line for an endpoint. */
export function sample(method, path) {
  const known = SAMPLES[`${method} ${path}`];
  if (known) return known();
  const verb = method === 'get' ? '' : ` -X ${method.toUpperCase()}`;
  return `${CURL}${verb} ${quoted(address(path.slice(1)))}`;
}

/** Links are off unless the configuration allows them: it says 200, or 403 (401) with the reason in the file. */
function link() {
  const path = 'fit/unsigned/target:80KB/plain/https%3A%2F%2Fexample.com%2Fphoto.jpg';
  return `curl -sS ${quoted(address(path))} -o photo.webp -w '%{http_code}\\n'`;
}

function batches() {
  return address('batches');
}

function submit() {
  const spec = { defaults: { target: '80KB', format: 'webp' } };
  return `${CURL} -F ${quoted(`spec=${JSON.stringify(spec)}`)} -F file=@photo.jpg ${quoted(batches())}`;
}

/** Submits a batch, and keeps its id. */
function batch() {
  return `id=$(${submit()} | sed -E 's/.*"id":"([^"]*)".*/\\1/')`;
}

/** The events of a batch go on until it has ended. */
function ended() {
  return `${CURL} "${batches()}/$id/events" -o events.txt`;
}

/** The report of /compress says where the picture is. */
function result() {
  const report = `${CURL} -H 'Accept: application/json' ${PICTURE} ${quoted(address('compress?target=80KB'))}`;
  const path = `${report} | sed -E 's/.*"url":"([^"]*)".*/\\1/'`;
  return `${CURL} "${address('.').replace(/\/$/, '')}$(${path})" -o photo.webp`;
}
