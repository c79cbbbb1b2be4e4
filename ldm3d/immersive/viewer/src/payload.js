// What the page carries: inverse distances as deflated 16-bit numbers, and what they mean.

/**
 * The description beside the pictures: width, height, near, far, grid, depth and, maybe, hidden; of a
 * flat picture also fov, its vertical angle in degrees.
 */
export function readDescription() {
  return JSON.parse(document.getElementById('panorama').textContent);
}

/**
 * Inverse distances in 1 / metres, row by row; NaN where there is no surface.
 *
 * Each 16-bit number is 0 for no surface, or 1 (far) to 65,535 (near), evenly in inverse distance. A row holds the
 * differences of neighbours, which deflate better, the low bytes of all rows before the high ones.
 */
export async function readInverses(packed, { width, height, near, far }) {
  const bytes = await inflate(packed);
  const count = width * height;
  const inverses = new Float32Array(count);
  const start = 1 / far;
  const step = (1 / near - start) / 65534;
  for (let i = 0, code = 0; i < count; i++) {
    if (i % width === 0) code = 0;
    code = (code + bytes[i] + 256 * bytes[count + i]) & 65535;
    inverses[i] = code === 0 ? NaN : start + (code - 1) * step;
  }
  return inverses;
}

async function inflate(packed) {
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
