// The form: what the pictures must meet.

import { byId, button } from './dom.js';
import { PRESETS } from './presets.js';

const TEXTS = ['mode', 'amount', 'unit', 'format', 'width', 'height', 'min_bytes', 'resize', 'effort', 'metadata'];
const SWITCHES = ['keep_pixels', 'enlarge', 'measure'];
const DEFAULTS = {
  mode: 'fit',
  amount: '80',
  unit: 'KB',
  format: '',
  width: '',
  height: '',
  min_bytes: '',
  resize: '',
  effort: '',
  metadata: '',
  keep_pixels: false,
  enlarge: false,
  measure: false,
  total: false,
};
/** Fields whose name is a parameter of the service; an empty one is left out. */
const PARAMETERS = ['format', 'width', 'height', 'min_bytes', 'resize', 'effort', 'metadata'];
/** Pause after the last key before the pictures are fitted again. */
const TYPING_MS = 400;

/** Whether the target is for all pictures together. It has no field: a preset sets it. */
let total = false;
let listener = () => {};

/** Starts the form; `changed` is called when a setting has another value. */
export function start(changed) {
  listener = changed;
  byId('presets').append(...PRESETS.map(chip));
  let typing;
  byId('settings').addEventListener('input', () => {
    fitAmount();
    clearTimeout(typing);
    typing = setTimeout(update, TYPING_MS);
  });
  byId('settings').addEventListener('submit', (event) => event.preventDefault());
  update();
}

/** Sets some fields and leaves the others. */
export function change(some) {
  for (const name of TEXTS) if (name in some) byId(name).value = some[name];
  for (const name of SWITCHES) if (name in some) byId(name).checked = some[name];
  if ('total' in some) total = some.total;
  if (['min_bytes', 'resize', 'effort', 'metadata', ...SWITCHES].some((name) => some[name])) byId('more').open = true;
  update();
}

/** The values of all fields. */
export function read() {
  const texts = TEXTS.map((name) => [name, byId(name).value.trim()]);
  const switches = SWITCHES.map((name) => [name, byId(name).checked]);
  return { ...Object.fromEntries([...texts, ...switches]), total };
}

/** The key that the service asked for; empty without one. It is kept as long as the page is open. */
export function key() {
  return byId('key').value.trim();
}

/** Shows the field for the key. */
export function askForKey() {
  byId('key-field').hidden = false;
  byId('key').focus();
}

/** The target in bytes. NaN when the text is no size. */
export function targetBytes() {
  const { amount, unit } = read();
  if (!/^\d+([.,]\d+)?$/.test(amount)) return NaN;
  return Math.floor(Number(amount.replace(',', '.')) * { KB: 1000, MB: 1e6, '': 1 }[unit]);
}

/** The parameters of a request whose target is `target`, in the words of the service. */
export function parameters(target) {
  const settings = read();
  const given = PARAMETERS.filter((name) => settings[name]).map((name) => [name, settings[name]]);
  const result = { target, ...Object.fromEntries(given) };
  if (settings.mode !== 'fit') {
    result.mode = settings.mode;
    delete result.min_bytes;
  }
  if (settings.mode === 'close') result.tolerance = '5%';
  if (settings.keep_pixels) result.downscale = 'never';
  if (settings.enlarge) result.enlarge = 'true';
  if (settings.measure) result.min_score = '0';
  return result;
}

/** The target as the form has it: "80KB". */
export function targetText() {
  const { amount, unit } = read();
  return amount.replace(',', '.') + unit;
}

function chip(preset) {
  return button(preset.name, () => change({ ...DEFAULTS, measure: read().measure, ...preset.settings }), {
    'aria-pressed': 'false',
  });
}

/** Makes the field of the target as wide as what stands in it. */
function fitAmount() {
  byId('amount').style.width = `${Math.max(2, byId('amount').value.length) + 0.2}ch`;
}

function update() {
  fitAmount();
  const bytes = targetBytes();
  const usable = bytes >= 1;
  byId('amount').setAttribute('aria-invalid', String(!usable));
  byId('refusal').textContent = usable ? '' : 'The target is a number above zero, such as 80 or 1.5.';
  byId('in-all').hidden = !total;
  pressChips();
  if (usable) listener();
}

function pressChips() {
  const now = { ...read(), measure: false };
  PRESETS.forEach((preset, index) => {
    const wanted = { ...DEFAULTS, ...preset.settings };
    const is = Object.keys(wanted).every((name) => wanted[name] === now[name]);
    byId('presets').children[index].setAttribute('aria-pressed', String(is));
  });
}
