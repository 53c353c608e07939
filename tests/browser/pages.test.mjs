// The dashboard and the documents.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { photo } from './picture.mjs';
import { accessible, DESKTOP, drop, fits, onPage, origin, PHONE } from './setup.mjs';

const post = (query, body) => fetch(`${origin}/compress?${query}`, { method: 'POST', body });

test('the dashboard draws what the service did', async () => {
  const picture = photo(600, 400);
  for (const target of ['20KB', '20KB', '30KB', 'nonsense']) await post(`target=${target}`, picture);
  await onPage('/dashboard', DESKTOP, async (page) => {
    await page.waitForSelector('.chart');
    assert.match(await page.textContent('#state'), /^live · up .* · version /);
    assert.equal(await page.locator('.card').count(), 13);
    assert.match(await page.getAttribute('.chart', 'aria-label'), /^Requests a second: /);
    await page.waitForSelector('#statuses :text("400")');
    assert.equal(await page.textContent('#statuses tr:has-text("200") td:last-child'), '3');
    await page.focus('.grade:nth-child(2)');
    assert.ok(await page.isVisible('#meaning-errors'));
    assert.match(await page.textContent('#meaning-errors'), /A\+: at most 0\.01 %/);
    await page.keyboard.press('Escape');
    assert.ok(!(await page.isVisible('#meaning-errors')));
    await accessible(page);
  });
});

test('the dashboard goes on by itself and says when there is no answer', async () => {
  await onPage('/dashboard', DESKTOP, async (page, context) => {
    await page.waitForSelector('.chart');
    const asked = await page.waitForRequest('**/status');
    assert.ok(asked);
    await context.route('**/status', (route) => route.abort());
    await page.waitForSelector('#state:has-text("no answer")');
  });
});

for (const [name, options] of [
  ['a phone', PHONE],
  ['the dark', { ...DESKTOP, colorScheme: 'dark' }],
]) {
  test(`dashboard and documents are fit for ${name}`, async () => {
    await onPage('/dashboard', options, async (page) => {
      await page.waitForSelector('.chart');
      await fits(page);
      await accessible(page);
    });
    await onPage('/docs', options, async (page) => {
      await page.waitForSelector('.endpoint');
      await fits(page);
      await accessible(page);
    });
  });
}

test('the documents show every endpoint, with a line that works as copied', async () => {
  const { paths } = await (await fetch(`${origin}/openapi.json`)).json();
  const folder = mkdtempSync(join(tmpdir(), 'bytefit-'));
  writeFileSync(join(folder, 'photo.jpg'), photo(900, 600));
  await onPage('/docs', DESKTOP, async (page) => {
    await page.waitForSelector('.endpoint');
    await accessible(page);
    const lines = await page.locator('.line code').allTextContents();
    assert.equal(
      lines.length,
      Object.values(paths).reduce((sum, operations) => sum + Object.keys(operations).length, 0),
    );
    for (const line of lines)
      execFileSync('bash', ['-euo', 'pipefail', '-c', line], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
    assert.match(await page.textContent('#compress'), /target_unreachable/);
  });
});

test('the pages are drawn for the README', { skip: !process.env.PICTURES }, async () => {
  const at = (name) => join(process.env.PICTURES, name);
  await onPage('/', DESKTOP, async (page) => {
    await page.click('#sample');
    await page.waitForSelector('#facts .go[download]');
    await drop(page, [
      { name: 'portrait.png', data: photo(1200, 1600, 5) },
      { name: 'notes.png', data: Buffer.from('no picture') },
    ]);
    await page.waitForSelector('.file .no');
    await page.waitForFunction(() => document.querySelectorAll('.file .doing a').length === 2);
    await page.click('.file .name >> nth=0');
    await page.mouse.move(5, 5);
    await page.screenshot({ path: at('page.png'), fullPage: true });
  });
  await submitBatch();
  await load(Number(process.env.LOAD_SECONDS ?? 20));
  await onPage('/dashboard', DESKTOP, async (page) => {
    await page.waitForSelector('.chart');
    await page.screenshot({ path: at('dashboard.png'), fullPage: true });
  });
});

/** A batch, one of whose files is no picture. */
async function submitBatch() {
  const form = new FormData();
  form.append('spec', JSON.stringify({ defaults: { target: '20KB', format: 'webp' } }));
  for (let seed = 1; seed <= 40; seed += 1) form.append('file', new Blob([photo(500, 400, seed)]), `${seed}.png`);
  form.append('file', new Blob(['no picture']), 'notes.png');
  const { status } = await fetch(`${origin}/batches`, { method: 'POST', body: form });
  assert.equal(status, 202);
}

/** Requests that come in waves, some of them again and some that are refused. */
async function load(seconds) {
  const pictures = [1, 2, 3].map((seed) => photo(400, 300, seed));
  const end = Date.now() + seconds * 1000;
  for (let step = 0; Date.now() < end; step += 1) {
    const busy = 1 + Math.round(2 * Math.sin(step / 9) ** 2);
    const targets = Array.from({ length: busy }, (_, index) =>
      step % 11 === 0 ? '1' : `${10 + ((step * 7 + index * 3) % 23)}KB`,
    );
    await Promise.all(
      targets.map((target, index) =>
        post(`target=${target}`, pictures[(step + index) % 3]).then((answer) => answer.arrayBuffer()),
      ),
    );
    await new Promise((resolve) => {
      setTimeout(resolve, 60);
    });
  }
}
