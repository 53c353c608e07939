// The page to try the service: puts its parts together.

import { Compare } from './compare.js';
import { byId, download, say } from './dom.js';
import { facts } from './facts.js';
import { drawRow, drawSum, removeRow } from './files.js';
import * as intake from './intake.js';
import { samplePicture } from './sample.js';
import * as settings from './settings.js';
import * as tabs from './tabs.js';
import { answerName, bytes, formatName } from './text.js';
import { panel } from './variants.js';
import { Work } from './work.js';
import { zip } from './zip.js';

const compare = new Compare(byId('compare'));
const work = new Work(draw);
const variants = panel(() => selected);
let selected;

function take(files) {
  const [first] = work.add(files);
  select(first);
}

function select(entry) {
  const last = selected;
  if (entry !== last) variants.clear();
  selected = entry;
  if (last && last !== entry && work.entries.includes(last)) draw(last);
  if (entry) draw(entry);
}

function remove(entry) {
  work.remove(entry);
  removeRow(entry);
  if (selected === entry) select(work.entries[0]);
  drawAll();
}

/** Draws what has changed with `entry`. */
function draw(entry) {
  drawRow(entry, { selected: entry === selected, select, remove, work });
  drawAll();
  if (entry === selected) drawStage(entry);
}

function drawAll() {
  const { entries } = work;
  byId('stage').hidden = entries.length === 0;
  byId('files').hidden = entries.length === 0;
  byId('drop').classList.toggle('first', entries.length === 0);
  byId('zip').disabled = !entries.some((entry) => entry.state === 'done');
  drawSum(entries);
}

function drawStage(entry) {
  byId('facts').replaceChildren(...facts(entry, work));
  if (entry.state !== 'done' && entry.report) return compare.busy();
  const { report } = entry;
  compare.show({
    before: entry.url,
    after: report && entry.answerUrl,
    width: report?.output.width,
    height: report?.output.height,
    resize: entry.parameters.resize,
    beforeText: `${bytes(entry.file.size)} ${formatName(report?.input.type ?? entry.file.type)}`,
    afterText: report && `${bytes(report.output.bytes)} ${formatName(report.output.type)}`,
  });
}

async function downloadAll() {
  const done = work.entries.filter((entry) => entry.state === 'done');
  const files = done.map(({ name, blob, report }) => ({ name: answerName(name, report.output.type), blob }));
  download(await zip(files), 'bytefit.zip');
  say(`${done.length} pictures in the archive`);
}

settings.start(() => {
  variants.clear();
  work.refit();
});
byId('key').addEventListener('change', () => work.retryWithKey());
intake.start(take);
tabs.start(document.querySelector('[role=tablist]'), () => {});
byId('panel-variants').append(variants.content);
byId('sample').addEventListener('click', async () => take([await samplePicture()]));
byId('zip').addEventListener('click', downloadAll);
byId('clear').addEventListener('click', () => [...work.entries].forEach(remove));
drawAll();
