// The depth at one pixel, read by a pointer, a finger or the arrow keys.

import { range } from './colours.js';
import { say } from './said.js';

const $ = (id) => document.getElementById(id);
const LARGEST = 65535;
const HINT = 'Point at the picture to read its depth.';
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Reading {
  #depth = null;
  #at = null; // [column, row]

  constructor() {
    const frame = $('frame');
    for (const kind of ['pointermove', 'pointerdown']) frame.addEventListener(kind, (event) => this.#point(event));
    frame.addEventListener('keydown', (event) => this.#key(event));
  }

  /** Read from another depth, or from none. */
  of(depth) {
    this.#depth = depth;
    this.#at = null;
    $('cross').hidden = $('mark').hidden = true;
    $('reading').textContent = depth ? HINT : '';
  }

  #point({ clientX, clientY }) {
    const { left, top, width, height } = $('frame').getBoundingClientRect();
    this.#read(((clientX - left) / width) * (this.#depth?.width ?? 0), ((clientY - top) / height) * (this.#depth?.height ?? 0));
  }

  #key(event) {
    const way = ARROWS[event.key];
    if (!way || !this.#depth || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const { width, height } = this.#depth;
    const far = event.shiftKey ? Math.max(1, Math.round(Math.max(width, height) / 16)) : 1;
    const [column, row] = this.#at ?? [Math.floor(width / 2) - way[0], Math.floor(height / 2) - way[1]];
    this.#read(column + far * way[0], row + far * way[1]);
    say($('reading').textContent);
  }

  #read(x, y) {
    if (!this.#depth) return;
    const { values, width, height } = this.#depth;
    const column = Math.min(Math.max(Math.floor(x), 0), width - 1);
    const row = Math.min(Math.max(Math.floor(y), 0), height - 1);
    const value = values[row * width + column];
    const percent = ((100 * value) / LARGEST).toFixed(1);
    this.#at = [column, row];
    $('reading').textContent = `Depth ${value.toLocaleString('en')} of 65,535 (${percent} %) at ${column}, ${row}`;
    place($('cross'), (column + 0.5) / width, (row + 0.5) / height);
    const { far, near } = range(values);
    place($('mark'), near > far ? (value - far) / (near - far) : 0.5, 0.5);
  }
}

function place(element, x, y) {
  element.hidden = false;
  element.style.setProperty('left', `${100 * x}%`);
  element.style.setProperty('top', `${100 * y}%`);
}
