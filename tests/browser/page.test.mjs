// The page to try the service, as people use it.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { files } from './archive.mjs';
import { formatOf, photo } from './picture.mjs';
import { accessible, DESKTOP, downloaded, drop, fits, onPage, PHONE } from './setup.mjs';

const PHOTO = { name: 'garden.png', data: photo(1600, 1250) };
const SMALL = (seed) => ({ name: `small ${seed}.png`, data: photo(300, 200, seed) });

const answered = (page) => page.waitForSelector('#facts .go[download]');
const allDone = (page, count) =>
  page.waitForFunction((wanted) => document.querySelectorAll('.file .doing a').length === wanted, count);
const setTarget = (page, text) => page.fill('#amount', text);
const divider = (page) => page.getAttribute('.handle', 'aria-valuenow');

test('a dropped picture of 2 megapixels is shown and comes back within its target', async () => {
  await onPage('/', DESKTOP, async (page) => {
    await page.evaluate(() =>
      addEventListener('drop', () => {
        window.dropped = performance.now();
      }),
    );
    await drop(page, [PHOTO]);
    await answered(page);
    const { took, isAnswer } = await page.evaluate(async () => {
      const image = document.querySelector('.side.after img');
      await image.decode();
      return {
        took: performance.now() - window.dropped,
        isAnswer: image.src === document.querySelector('#facts .go').href,
      };
    });
    console.log(`from drop to picture: ${Math.round(took)} ms`);
    assert.ok(isAnswer && took < 10_000, `${took} ms`);
    const file = await downloaded(page, () => page.click('#facts .go'));
    assert.ok(file.data.length <= 80_000 && file.data.length > 70_000, `${file.data.length} bytes`);
    assert.ok(['jpeg', 'webp'].includes(formatOf(file.data)), file.name);
    assert.match(file.name, /^garden\.(jpg|webp)$/);
    assert.match(await page.textContent('#facts .bytes'), new RegExp(file.data.length.toLocaleString('en')));
    await accessible(page);
  });
});

test('presets, format and size are what the service is asked for', async () => {
  await onPage('/', DESKTOP, async (page) => {
    await page.click('text=20–50 KB portal');
    assert.equal(await page.getAttribute('text=20–50 KB portal', 'aria-pressed'), 'true');
    await page.fill('#width', '200');
    await drop(page, [PHOTO]);
    await answered(page);
    const file = await downloaded(page, () => page.click('#facts .go'));
    assert.equal(formatOf(file.data), 'jpeg');
    assert.ok(file.data.length >= 20_000 && file.data.length <= 50_000, `${file.data.length} bytes`);
    await page.selectOption('#mode', 'exact');
    await setTarget(page, '40');
    await page.waitForSelector('.bytes:has-text("40,000 bytes")');
  });
});

test('errors say what to change, and one click changes it', async () => {
  await onPage('/', DESKTOP, async (page) => {
    await drop(page, [{ name: 'notes.png', data: Buffer.from('no picture at all') }]);
    await page.waitForSelector('#facts :text("no picture that can be read")');
    await page.click('[aria-label="Remove notes.png"]');
    await page.click('#more summary');
    await page.check('#keep_pixels');
    await setTarget(page, '2');
    await drop(page, [PHOTO]);
    await page.waitForSelector('#facts :text("go below")');
    await accessible(page);
    await page.click('#facts >> text=Allow fewer pixels');
    await answered(page);
    await setTarget(page, 'many');
    await page.waitForSelector('#refusal:has-text("number above zero")');
    assert.equal(await page.getAttribute('#amount', 'aria-invalid'), 'true');
  });
});

test('a service that asks for a key gets the one that is entered', async () => {
  await onPage('/', DESKTOP, async (page, context) => {
    const keys = [];
    await context.route('**/compress?*', async (route) => {
      const key = route.request().headers()['x-api-key'];
      keys.push(key);
      if (key === 'secret') return route.continue();
      const problem = { status: 401, code: 'missing_key', title: 'A key is missing', detail: 'no key' };
      return route.fulfill({ status: 401, contentType: 'application/problem+json', body: JSON.stringify(problem) });
    });
    await drop(page, [SMALL(1)]);
    await page.click('#facts >> text=Enter the key');
    await page.keyboard.type('secret');
    await page.keyboard.press('Enter');
    await answered(page);
    // An empty key keeps the browser from asking for one itself.
    assert.equal(keys[0], '');
    await accessible(page);
  });
});

test('many pictures come back in one archive, and a total is kept', async () => {
  await onPage('/', DESKTOP, async (page) => {
    await page.click('text=Mail, 10 MB in all');
    await setTarget(page, '100');
    await page.selectOption('#unit', 'KB');
    await page.setInputFiles(
      '#file',
      [PHOTO, SMALL(1), SMALL(2), { ...SMALL(3), name: PHOTO.name }].map(({ name, data }) => ({
        name,
        mimeType: 'image/png',
        buffer: data,
      })),
    );
    await allDone(page, 4);
    await accessible(page);
    const archive = await downloaded(page, () => page.click('#zip'));
    const all = files(archive.data);
    assert.equal(all.length, 4);
    assert.equal(new Set(all.map(({ name }) => name)).size, 4);
    assert.ok(all.every(({ data }) => formatOf(data) !== 'unknown'));
    const sum = all.reduce((total, { data }) => total + data.length, 0);
    assert.ok(sum <= 100_000 && sum > 60_000, `${sum} bytes`);
    assert.match(await page.textContent('#sum'), /4 of 4 pictures: .* saved/);
  });
});

test('the keyboard alone is enough', async () => {
  await onPage('/', DESKTOP, async (page) => {
    const chosen = page.waitForEvent('filechooser');
    await page.focus('#choose');
    await page.keyboard.press('Enter');
    await (await chosen).setFiles({ name: PHOTO.name, mimeType: 'image/png', buffer: PHOTO.data });
    await answered(page);
    await page.focus('.handle');
    await page.keyboard.press('ArrowRight');
    assert.equal(await divider(page), '52');
    await page.keyboard.press('End');
    assert.equal(await divider(page), '100');
    await page.keyboard.press('+');
    assert.match(await page.textContent('.zoom'), /2\.0×/);
    await page.keyboard.press('0');
    assert.match(await page.textContent('.zoom'), /Fit/);
    await page.focus('#tab-one');
    await page.keyboard.press('ArrowRight');
    assert.equal(await page.getAttribute('#tab-variants', 'aria-selected'), 'true');
    assert.ok(await page.isVisible('#panel-variants'));
    await page.focus('[aria-label="Remove garden.png"]');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate('document.activeElement.id'), 'choose');
  });
});

test('everything that can be focused shows that it is', async () => {
  await onPage('/', DESKTOP, async (page) => {
    await drop(page, [SMALL(1)]);
    await answered(page);
    const seen = new Set();
    for (let step = 0; step < 40; step += 1) {
      await page.keyboard.press('Tab');
      const { name, outline } = await page.evaluate(() => {
        const node = document.activeElement;
        const style = [getComputedStyle(node), getComputedStyle(node, '::after')];
        return { name: node.outerHTML.slice(0, 60), outline: style.some((part) => part.outlineStyle !== 'none') };
      });
      if (name.startsWith('<body')) break;
      assert.ok(outline, `${name} has no outline`);
      seen.add(name);
    }
    assert.ok(seen.size > 20, `${seen.size} places`);
  });
});

test('a phone has room for it, and fingers move the divider', async () => {
  await onPage('/', PHONE, async (page, context) => {
    await fits(page);
    await drop(page, [PHOTO]);
    await answered(page);
    await fits(page);
    await page.locator('.compare').scrollIntoViewIfNeeded();
    const box = await page.locator('.compare').boundingBox();
    const session = await context.newCDPSession(page);
    const touch = (type, share) =>
      session.send('Input.dispatchTouchEvent', {
        type,
        touchPoints: type === 'touchEnd' ? [] : [{ x: box.x + box.width * share, y: box.y + box.height * 0.5 }],
      });
    await touch('touchStart', 0.5);
    await touch('touchMove', 0.6);
    await touch('touchMove', 0.8);
    await touch('touchEnd');
    assert.ok(Number(await divider(page)) > 65, `divider at ${await divider(page)}`);
    await accessible(page);
  });
});

test('the dark page is dark and its contrasts are enough', async () => {
  await onPage('/', { ...DESKTOP, colorScheme: 'dark' }, async (page) => {
    await accessible(page);
    await drop(page, [SMALL(1), { name: 'notes.png', data: Buffer.from('no picture') }]);
    await page.waitForSelector('.file .no');
    assert.equal(await page.evaluate('getComputedStyle(document.body).backgroundColor'), 'rgb(20, 23, 28)');
    await accessible(page);
  });
});

test('variants come with the HTML for them', async () => {
  await onPage('/', DESKTOP, async (page) => {
    await drop(page, [PHOTO]);
    await page.click('#tab-variants');
    await page.click('text=Make them');
    await page.waitForSelector('.outputs');
    assert.equal(await page.locator('.outputs tbody tr').count(), 6);
    assert.match(
      await page.textContent('#panel-variants pre'),
      /<picture><source type="image\/webp" srcset=".* 320w, /,
    );
    await accessible(page);
    const archive = await downloaded(page, () => page.click('text=Download as ZIP'));
    assert.ok(files(archive.data).filter(({ data }) => formatOf(data) !== 'unknown').length === 6);
    await setTarget(page, '60');
    await page.waitForSelector('.outputs', { state: 'detached' });
  });
});

test('the copied command gives the same file', async () => {
  await onPage('/', DESKTOP, async (page, context) => {
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await drop(page, [{ ...PHOTO, name: "it's a garden.png" }]);
    await answered(page);
    const shown = await downloaded(page, () => page.click('#facts .go'));
    await page.click('text=Copy as curl');
    await page.waitForSelector('#said:has-text("copied")');
    const line = await page.evaluate('navigator.clipboard.readText()');
    const folder = mkdtempSync(join(tmpdir(), 'bytefit-'));
    writeFileSync(join(folder, "it's a garden.png"), PHOTO.data);
    execFileSync('bash', ['-c', `${line} && cmp <(cat ${shown.name.endsWith('webp') ? '*.webp' : '*.jpg'}) -`], {
      cwd: folder,
      input: shown.data,
    });
  });
});
