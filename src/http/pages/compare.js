// Before and after in one frame: a divider to drag, and a zoom that both share.

import { element } from './dom.js';

const MAX_ZOOM = 16;
const STEP = 2;
/** The frame has the picture's proportions, between these: what is longer gets margins. */
const [NARROWEST, WIDEST] = [0.45, 3];

/** Builds the frame in `root`; show() puts pictures into it. */
export class Compare {
  constructor(root) {
    this.root = root;
    this.pointers = new Map();
    this.before = element('img', { alt: 'Before', draggable: 'false' });
    this.after = element('img', { alt: 'After', draggable: 'false' });
    this.tags = { before: element('span', { class: 'tag before' }), after: element('span', { class: 'tag after' }) };
    this.handle = this.#handle();
    this.level = element('button', { type: 'button', click: () => this.#zoomTo(1) });
    root.className = 'compare';
    root.append(
      element('div', { class: 'side before' }, this.before),
      element('div', { class: 'side after' }, this.after),
      this.tags.before,
      this.tags.after,
      this.handle,
      this.#zoomButtons(),
    );
    this.#listen();
    this.#reset();
  }

  /**
   * Shows two pictures; `resize` says how the answer meets the frame, so that the original meets it in the same way. Where
   * the browser can't show the original, only the answer is seen.
   */
  show({ before, after, width, height, resize, beforeText, afterText }) {
    const isOther = this.before.src !== before;
    this.before.onerror = () => this.root.classList.add('alone');
    this.root.classList.remove('alone', 'busy', 'cover', 'fill');
    if (resize) this.root.classList.add(resize);
    this.before.src = before;
    this.after.src = after ?? before;
    this.tags.before.textContent = beforeText;
    this.tags.after.textContent = afterText ?? '';
    this.tags.after.hidden = !after;
    this.handle.hidden = !after;
    if (width) this.root.style.setProperty('--ratio', Math.min(WIDEST, Math.max(width / height, NARROWEST)));
    if (isOther) this.#reset();
  }

  /** Marks the answer as one that is being replaced. */
  busy() {
    this.root.classList.add('busy');
  }

  #reset() {
    Object.assign(this, { divider: 0.5, zoom: 1, x: 0, y: 0 });
    this.#draw();
  }

  #handle() {
    return element('div', {
      class: 'handle',
      role: 'slider',
      tabindex: 0,
      'aria-label': 'Divider between before and after; plus and minus zoom',
      'aria-valuemin': 0,
      'aria-valuemax': 100,
      keydown: (event) => this.#key(event),
    });
  }

  #zoomButtons() {
    return element(
      'div',
      { class: 'zoom', role: 'group', 'aria-label': 'Zoom' },
      element('button', { type: 'button', 'aria-label': 'Zoom out', click: () => this.#zoomTo(this.zoom / STEP) }, '−'),
      this.level,
      element('button', { type: 'button', 'aria-label': 'Zoom in', click: () => this.#zoomTo(this.zoom * STEP) }, '+'),
    );
  }

  #draw() {
    const style = this.root.style;
    style.setProperty('--divider', `${this.divider * 100}%`);
    style.setProperty('--zoom', this.zoom);
    style.setProperty('--x', `${this.x}px`);
    style.setProperty('--y', `${this.y}px`);
    this.root.classList.toggle('zoomed', this.zoom > 1);
    this.handle.setAttribute('aria-valuenow', Math.round(this.divider * 100));
    this.level.textContent = this.zoom === 1 ? 'Fit' : `${this.zoom.toFixed(this.zoom < 10 ? 1 : 0)}×`;
    this.level.setAttribute('aria-label', this.zoom === 1 ? 'Fit the frame' : `${this.level.textContent}, back to fit`);
  }

  /** Zooms about a point of the frame, measured from its middle, which stays where it is. */
  #zoomTo(wanted, px = 0, py = 0) {
    const zoom = Math.min(MAX_ZOOM, Math.max(1, wanted));
    const ratio = zoom / this.zoom;
    this.x = px - (px - this.x) * ratio;
    this.y = py - (py - this.y) * ratio;
    this.zoom = zoom;
    this.#pan(0, 0);
  }

  /** Moves the picture, as far as it covers the frame. */
  #pan(dx, dy) {
    const limit = (side) => (side * (this.zoom - 1)) / 2;
    const within = (value, most) => Math.min(most, Math.max(-most, value));
    this.x = within(this.x + dx, limit(this.root.clientWidth));
    this.y = within(this.y + dy, limit(this.root.clientHeight));
    this.#draw();
  }

  #divide(share) {
    this.divider = Math.min(1, Math.max(0, share));
    this.#draw();
  }

  #key(event) {
    const step = event.shiftKey ? 0.1 : 0.02;
    const actions = {
      ArrowLeft: () => this.#divide(this.divider - step),
      ArrowRight: () => this.#divide(this.divider + step),
      ArrowUp: () => this.#pan(0, 40),
      ArrowDown: () => this.#pan(0, -40),
      Home: () => this.#divide(0),
      End: () => this.#divide(1),
      '+': () => this.#zoomTo(this.zoom * STEP),
      '=': () => this.#zoomTo(this.zoom * STEP),
      '-': () => this.#zoomTo(this.zoom / STEP),
      0: () => this.#zoomTo(1),
    };
    const action = actions[event.key];
    if (!action || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    action();
  }

  #listen() {
    this.root.addEventListener('pointerdown', (event) => this.#down(event));
    this.root.addEventListener('pointermove', (event) => this.#move(event));
    for (const end of ['pointerup', 'pointercancel']) {
      this.root.addEventListener(end, (event) => this.pointers.delete(event.pointerId));
    }
    this.root.addEventListener('wheel', (event) => this.#wheel(event), { passive: false });
    this.root.addEventListener('dblclick', (event) => {
      if (!event.target.closest('.zoom')) this.#zoomTo(this.zoom > 1 ? 1 : 4, ...this.#fromMiddle(event));
    });
  }

  #down(event) {
    if (event.target.closest('.zoom')) return;
    this.root.setPointerCapture(event.pointerId);
    const divides = this.zoom === 1 || event.target === this.handle;
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, divides });
    if (divides && this.pointers.size === 1) this.#divideAt(event);
  }

  #move(event) {
    const last = this.pointers.get(event.pointerId);
    if (!last) return;
    const spread = this.#spread();
    const [dx, dy] = [event.clientX - last.x, event.clientY - last.y];
    Object.assign(last, { x: event.clientX, y: event.clientY });
    if (this.pointers.size === 2) this.#zoomTo((this.zoom * this.#spread()) / spread, ...this.#fromMiddle(event));
    else if (last.divides) this.#divideAt(event);
    else this.#pan(dx, dy);
  }

  #wheel(event) {
    // A pinch on a touchpad comes as a wheel with Ctrl; the wheel alone scrolls the page.
    if (!event.ctrlKey && this.zoom === 1) return;
    event.preventDefault();
    this.#zoomTo(this.zoom * Math.exp(-event.deltaY / 200), ...this.#fromMiddle(event));
  }

  #divideAt(event) {
    const box = this.root.getBoundingClientRect();
    this.#divide((event.clientX - box.left) / box.width);
  }

  /** Pixels between two fingers. */
  #spread() {
    const [one, other] = [...this.pointers.values()];
    return other ? Math.max(1, Math.hypot(one.x - other.x, one.y - other.y)) : 1;
  }

  #fromMiddle(event) {
    const box = this.root.getBoundingClientRect();
    return [event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2];
  }
}
