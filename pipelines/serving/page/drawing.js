// One drawing: from what is asked to the picture with its depth, as numbers.

import { cancel, draw, file, Refusal } from './service.js';

export class Drawing {
  #leave = new AbortController();
  #id = '';
  isCancelled = false;

  /**
   * @param body see the service's POST /v1/rgbd.
   * @param onStep is called with each step: `{step, steps, image?, depth?}`, pictures as ImageBitmaps or depth.
   */
  constructor(body, onStep) {
    this.body = body;
    this.onStep = onStep;
  }

  /** Resolves to a result, or to null if it was cancelled. */
  async run() {
    try {
      for await (const event of draw({ ...this.body, previews: 8 }, this.#leave.signal)) {
        if (event.type === 'accepted') this.#id = event.id;
        if (event.type === 'step' && !this.isCancelled) this.onStep({ ...event, ...(await preview(event)) });
        if (event.type === 'done' && !this.isCancelled) return await this.#result(event);
      }
    } catch (error) {
      if (!this.isCancelled) throw error;
    }
    return null;
  }

  /** Ask the service to stop, and leave. */
  async cancel() {
    if (this.isCancelled) return;
    this.isCancelled = true;
    if (this.#id) await cancel(this.#id).catch(() => {}); // it may have ended by itself: it is left in any case
    this.#leave.abort();
  }

  async #result({ id, seed, width, height, seconds, urls }) {
    const { signal } = this.#leave;
    const [image, depth] = await Promise.all([
      file(urls.image, signal).then((answer) => answer.blob()),
      urls.depth_raw ? file(urls.depth_raw, signal).then((answer) => answer.arrayBuffer()) : null,
    ]);
    const values = depth && shorts(depth);
    if (values && values.length !== width * height) throw new Refusal('The depth that came is not of the size told.');
    return { id, body: { ...this.body, seed, width, height }, seconds, urls, image, values, width, height };
  }
}

/** Unsigned 16-bit numbers, of which the low byte comes first, whatever this machine does. */
function shorts(buffer) {
  const view = new DataView(buffer);
  return Uint16Array.from({ length: buffer.byteLength / 2 }, (_, i) => view.getUint16(2 * i, true));
}

async function preview({ image, depth }) {
  if (!image) return {};
  return { image: await bitmap(image), depth: depth ? await greys(await bitmap(depth)) : null };
}

function bitmap(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return createImageBitmap(new Blob([bytes], { type: 'image/png' }));
}

/** Depth of a grey picture of 8 bits. */
async function greys(picture) {
  const { width, height } = picture;
  const context = new OffscreenCanvas(width, height).getContext('2d');
  context.drawImage(picture, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  return { values: Uint16Array.from({ length: width * height }, (_, i) => 257 * data[4 * i]), width, height };
}
