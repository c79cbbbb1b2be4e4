// What was drawn before, as small pictures: a click shows one again, with its settings.

import { say } from './said.js';
import { Store } from './store.js';

const $ = (id) => document.getElementById(id);
const HIGH = 144; // pixels, twice of what is shown

export class History {
  #store = new Store();
  #urls = [];

  /** @param restore is called with the result that is chosen. */
  constructor(restore) {
    this.restore = restore;
    $('clear').addEventListener('click', () => this.#clear());
    this.#show();
  }

  /** @param picture an ImageBitmap of the result's image. */
  async add(result, picture) {
    await this.#store.add({ ...result, thumb: await thumb(picture), when: Date.now() });
    await this.#show();
  }

  async #clear() {
    await this.#store.clear();
    await this.#show();
    say('All that was drawn before is forgotten');
    $('prompt').focus();
  }

  async #show() {
    const results = await this.#store.all();
    for (const url of this.#urls) URL.revokeObjectURL(url);
    this.#urls = results.map(({ thumb }) => URL.createObjectURL(thumb));
    $('thumbs').replaceChildren(...results.map((result, i) => this.#item(result, this.#urls[i])));
    $('history').hidden = !results.length;
  }

  #item(result, url) {
    const { prompt, seed } = result.body;
    const picture = new Image();
    picture.src = url;
    picture.alt = `${prompt}, seed ${seed}`;
    const button = document.createElement('button');
    button.type = 'button';
    button.title = picture.alt;
    button.append(picture);
    button.addEventListener('click', () => this.restore(result));
    const item = document.createElement('li');
    item.append(button);
    return item;
  }
}

function thumb(picture) {
  const width = Math.max(1, Math.round((HIGH * picture.width) / picture.height));
  const canvas = new OffscreenCanvas(width, HIGH);
  canvas.getContext('2d').drawImage(picture, 0, 0, width, HIGH);
  return canvas.convertToBlob({ type: 'image/jpeg', quality: 0.85 });
}
