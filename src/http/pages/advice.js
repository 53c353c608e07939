// What a problem means for the person, and what would help.

import { bytes, formatName, whole } from './text.js';

const TRY_AGAIN = { text: 'Try again', retry: true };
const ENTER_KEY = { text: 'Enter the key', key: true };

/** A sentence about `problem`, and where something helps, an action: settings to change, a key to enter, or another try. */
export function advise(problem, settings) {
  const known = KNOWN[problem.code];
  return known ? known(problem, settings) : { text: `${sentence(problem.detail || problem.title)}`, action: undefined };
}

const KNOWN = {
  target_unreachable: unreachable,
  score_unreachable: (problem) => ({ text: sentence(problem.detail) }),
  unsupported_format: ({ formats = [] }) => ({
    text: `This is no picture that can be read. Those that can: ${formats.map((name) => formatName(`image/${name}`)).join(', ')}.`,
  }),
  undecodable: (problem) => ({ text: `The picture is damaged: ${problem.detail}.` }),
  empty_body: () => ({ text: 'The file is empty.' }),
  body_too_large: ({ limit_bytes: limit }) => ({ text: `The file is too large: the service takes ${bytes(limit)}.` }),
  too_many_pixels: ({ width, height, limit }) => ({
    text: width
      ? `The picture has ${whole(width)} × ${whole(height)} pixels, and the service takes ${whole(limit)} in all.`
      : 'The picture has too many pixels.',
  }),
  invalid_parameter: ({ parameter, given, allowed }) => ({
    text: `${parameter}: “${given ?? ''}” can't be used. Allowed: ${allowed}.`,
  }),
  overloaded: () => ({ text: 'The service is busy.', action: TRY_AGAIN }),
  rate_limited: () => ({ text: 'Too many pictures in a short time.', action: TRY_AGAIN }),
  missing_key: () => ({ text: 'The service takes a key.', action: ENTER_KEY }),
  invalid_key: () => ({ text: 'The service does not know this key.', action: ENTER_KEY }),
  shutting_down: () => ({ text: 'The service is going down.', action: TRY_AGAIN }),
  unreachable: () => ({ text: 'The service did not answer.', action: TRY_AGAIN }),
  upload_too_slow: () => ({ text: 'The upload took too long.', action: TRY_AGAIN }),
  deadline_exceeded: () => ({
    text: 'There was no answer in time.',
    action: { text: 'Use less effort', change: { effort: 'fast' } },
  }),
  internal: (problem) => ({
    text: `The service made a mistake (${problem.request_id ?? problem.title}).`,
    action: TRY_AGAIN,
  }),
};

function unreachable({ smallest_bytes: smallest, smallest_settings: at }, settings) {
  const width = at?.width ? ` at ${whole(at.width)} px wide` : '';
  const text = `Can't go below ${whole(smallest)} bytes${width}.`;
  if (settings.keep_pixels) return { text, action: { text: 'Allow fewer pixels', change: { keep_pixels: false } } };
  const kilobytes = Math.ceil(smallest / 100) / 10;
  return {
    text,
    action: { text: `Use ${kilobytes} KB`, change: { amount: String(kilobytes), unit: 'KB', total: false } },
  };
}

function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
