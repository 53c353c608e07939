// A service of its own and a browser for the tests of a file.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before } from 'node:test';

import { chromium } from 'playwright-core';

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** For a machine that is busy with other things too. */
const PATIENCE_MS = 90_000;

export const DESKTOP = { viewport: { width: 1200, height: 900 } };
export const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };

let browser;
let service;
/** Where the service is: `http://127.0.0.1:PORT`. */
export let origin;

before(async () => {
  ({ service, origin } = await startService());
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: FLAGS });
});

after(async () => {
  await browser?.close();
  service?.kill();
});

/** Starts the binary on a free port, which its log names. */
async function startService() {
  const child = spawn(process.env.BYTEFIT, ['serve', '--listen', '127.0.0.1:0'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const address = await new Promise((resolve, reject) => {
    let text = '';
    child.stderr.on('data', (data) => {
      text += data;
      const found = text.match(/http:\/\/127\.0\.0\.1:\d+/);
      if (found) resolve(found[0]);
    });
    child.on('exit', (code) => reject(new Error(`the service ended with ${code}`)));
  });
  return { service: child, origin: address };
}

/**
 * Opens a page, gives it to `use`, and then asserts what holds for all pages: nothing was loaded from another host, the
 * policy was not broken, and no script failed.
 */
export async function onPage(path, options, use) {
  const context = await browser.newContext({ acceptDownloads: true, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const wrong = [];
  context.on('request', (request) => {
    if (![`${origin}/`, `blob:${origin}/`].some((start) => request.url().startsWith(start)))
      wrong.push(`asked ${request.url()}`);
  });
  page.on('pageerror', (error) => wrong.push(error.stack));
  page.on('console', (message) => {
    // The browser itself notes answers with an error status, which some tests provoke.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) wrong.push(message.text());
  });
  await page.goto(origin + path);
  await use(page, context);
  await context.close();
  assert.deepEqual(wrong, []);
}

/** Asserts that axe finds no violation. It runs beside the page, whose policy would not let it in. */
export async function accessible(page) {
  const session = await page.context().newCDPSession(page);
  const { frameTree } = await session.send('Page.getFrameTree');
  const { executionContextId: contextId } = await session.send('Page.createIsolatedWorld', {
    frameId: frameTree.frame.id,
  });
  await session.send('Runtime.evaluate', { expression: AXE, contextId });
  const expression =
    'axe.run().then((result) => result.violations.map(({ id, nodes }) => [id, ...nodes.map((node) => node.html)]))';
  const { result } = await session.send('Runtime.evaluate', {
    expression,
    contextId,
    awaitPromise: true,
    returnByValue: true,
  });
  assert.deepEqual(result.value, []);
}

/** Asserts that nothing is wider than the window. */
export async function fits(page) {
  assert.equal(await page.evaluate('document.documentElement.scrollWidth - innerWidth'), 0);
}

/** Drops files on the page. */
export async function drop(page, files) {
  const coded = files.map(({ name, data }) => ({ name, data: data.toString('base64') }));
  const transfer = await page.evaluateHandle((all) => {
    const made = new DataTransfer();
    for (const { name, data } of all) {
      made.items.add(
        new File([Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0))], name, { type: 'image/png' }),
      );
    }
    return made;
  }, coded);
  await page.dispatchEvent('body', 'dragover', { dataTransfer: transfer });
  await page.dispatchEvent('body', 'drop', { dataTransfer: transfer });
}

/** What a click downloads, as bytes, with its name. */
export async function downloaded(page, click) {
  const [download] = await Promise.all([page.waitForEvent('download'), click()]);
  return { name: download.suggestedFilename(), data: readFileSync(await download.path()) };
}
