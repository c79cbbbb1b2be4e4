// The picture beside its depth: a slider says how much is seen of which, and a pointer or arrow keys read the depth.

import { paint, range } from './colours.js';
import { Reading } from './reading.js';

const $ = (id) => document.getElementById(id);
const COARSE = 128; // pixels: what is smaller is shown as squares
const CHIP = 20; // per cent of the width: what is narrower has no room for its name

export class Picture {
  #depth = null; // { values, width, height }
  #reading = new Reading();

  constructor() {
    $('compare').addEventListener('input', () => this.#split());
    $('colours').addEventListener('change', () => this.#paint());
  }

  /** Show what is not yet done: nothing can be read from it. */
  preview(image, depth, { width, height } = image) {
    this.#show(image, depth, width / height);
    this.#reading.of(null);
    $('frame').classList.add('preview');
    $('frame').setAttribute('aria-label', 'Picture, being drawn');
  }

  /**
   * @param image an ImageBitmap.
   * @param depth `{values, width, height}`, row by row, 0 (far) to 65,535 (near); null if the model draws none.
   * @param prompt says what it shows.
   */
  show(image, depth, prompt) {
    this.#show(image, depth, image.width / image.height);
    this.#reading.of(depth);
    $('frame').classList.remove('preview');
    $('frame').classList.toggle('coarse', image.width < COARSE);
    $('frame').setAttribute('aria-label', prompt);
  }

  hide() {
    $('picture').hidden = true;
    $('empty').hidden = false;
  }

  #show(image, depth, aspect) {
    $('empty').hidden = true;
    $('picture').hidden = false;
    $('picture').style.setProperty('--aspect', aspect);
    const { width, height } = image;
    Object.assign($('image'), { width, height });
    $('image').getContext('2d').drawImage(image, 0, 0);
    this.#depth = depth;
    $('depth-rows').hidden = $('depth').hidden = !depth;
    this.#paint();
    this.#split();
  }

  #paint() {
    if (!this.#depth) return;
    const name = $('colours').value;
    paint($('depth'), this.#depth, name);
    const { far, near } = range(this.#depth.values);
    $('far').textContent = `far ${far.toLocaleString('en')}`;
    $('near').textContent = `${near.toLocaleString('en')} near`;
    paint($('legend'), { values: Uint16Array.from({ length: 256 }, (_, i) => i), width: 256, height: 1 }, name);
  }

  #split() {
    const share = Number($('compare').value);
    $('compare').setAttribute('aria-valuetext', `${share} % picture, ${100 - share} % depth`);
    $('frame').style.setProperty('--split', `${share}%`);
    $('split').hidden = !this.#depth || share === 0 || share === 100;
    $('left').hidden = !this.#depth || share < CHIP;
    $('right').hidden = !this.#depth || share > 100 - CHIP;
  }
}
