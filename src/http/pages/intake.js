// Files that are dropped, pasted or chosen.

import { byId } from './dom.js';

/** Calls `take` with the files. */
export function start(take) {
  const input = byId('file');
  byId('choose').addEventListener('click', () => input.click());
  input.addEventListener('change', () => {
    take([...input.files]);
    input.value = '';
  });
  addEventListener('paste', (event) => takeSome(event.clipboardData.files, event, take));
  addEventListener('drop', (event) => {
    document.body.classList.remove('dragging');
    takeSome(event.dataTransfer.files, event, take);
  });
  addEventListener('dragover', (event) => {
    if (!event.dataTransfer.types.includes('Files')) return;
    event.preventDefault();
    document.body.classList.add('dragging');
  });
  addEventListener('dragleave', (event) => {
    if (!event.relatedTarget) document.body.classList.remove('dragging');
  });
}

function takeSome(files, event, take) {
  if (files.length === 0) return;
  event.preventDefault();
  take([...files]);
}
