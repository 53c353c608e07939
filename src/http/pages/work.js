// The pictures of the page and the requests for them, a few at a time.

import { compress, Refused } from './service.js';
import { parameters, read, targetBytes, targetText } from './settings.js';
import { shares } from './share.js';

/** Requests at once: enough to keep an upload and a computation going. */
const AT_ONCE = 2;

export class Work {
  /** `changed` is called with each picture that has changed. */
  constructor(changed) {
    this.entries = [];
    this.changed = changed;
    this.running = 0;
  }

  /** Adds files and starts on them. Returns their entries. */
  add(files) {
    const added = [...files].map((file) => ({
      file,
      name: file.name,
      url: URL.createObjectURL(file),
      state: 'waiting',
      sent: 0,
    }));
    this.entries.push(...added);
    this.refit();
    return added;
  }

  remove(entry) {
    entry.controller?.abort();
    for (const url of [entry.url, entry.answerUrl]) if (url) URL.revokeObjectURL(url);
    this.entries = this.entries.filter((other) => other !== entry);
    this.refit();
  }

  /** Fits those pictures again whose parameters are others than before. */
  refit() {
    const targets = this.#targets();
    this.entries.forEach((entry, index) => {
      const wanted = parameters(targets[index]);
      if (JSON.stringify(wanted) !== JSON.stringify(entry.parameters)) this.#restart(entry, wanted);
    });
    this.#startMore();
  }

  retry(entry) {
    this.#restart(entry, entry.parameters);
    this.#startMore();
  }

  /** Tries those again that were refused for want of a key. */
  retryWithKey() {
    const refused = this.entries.filter((entry) => entry.refused?.problem.status === 401);
    refused.forEach((entry) => this.#restart(entry, entry.parameters));
    this.#startMore();
  }

  #targets() {
    if (!read().total) return this.entries.map(targetText);
    return shares(
      this.entries.map((entry) => entry.file.size),
      targetBytes(),
    );
  }

  #restart(entry, wanted) {
    entry.controller?.abort();
    Object.assign(entry, { parameters: wanted, state: 'waiting', sent: 0, refused: undefined });
    this.changed(entry);
  }

  #startMore() {
    while (this.running < AT_ONCE) {
      const next = this.entries.find((entry) => entry.state === 'waiting');
      if (!next) return;
      this.#run(next);
    }
  }

  async #run(entry) {
    this.running += 1;
    entry.controller = new AbortController();
    entry.state = 'sending';
    this.changed(entry);
    try {
      await this.#fit(entry, entry.controller.signal);
    } catch (error) {
      this.#failed(entry, error);
    }
    this.running -= 1;
    this.#startMore();
  }

  async #fit(entry, signal) {
    const started = performance.now();
    const { report, blob } = await compress(entry.file, entry.parameters, signal, (share) => {
      entry.sent = share;
      this.changed(entry);
    });
    if (entry.answerUrl) URL.revokeObjectURL(entry.answerUrl);
    const took = performance.now() - started;
    Object.assign(entry, { state: 'done', report, blob, answerUrl: URL.createObjectURL(blob), took });
    this.changed(entry);
  }

  #failed(entry, error) {
    if (error.name === 'AbortError') return;
    const refused =
      error instanceof Refused
        ? error
        : new Refused({ code: 'page', title: 'A mistake of this page', detail: error.message });
    Object.assign(entry, { state: 'failed', refused, report: undefined, blob: undefined });
    this.changed(entry);
  }
}
