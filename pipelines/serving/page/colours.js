// Colours of depth: far is blue, near is red.

// Turbo (Anton Mikhailov, Google, 2019) and ColorBrewer's Spectral (Cynthia Brewer), reversed, as colours at even
// distances, between which they go in straight lines. The first is within 3 of 255 of the whole table of 256.
const STOPS = {
  turbo:
    '30123b 392a73 4040a2 4456c7 466be3 4680f6 4294ff 37a8fa 28bceb 1ccdd8 18ddc2 1fe9af 32f298 4ef97d 6dfe62 8bff4b ' +
    'a4fc3c b7f735 cbed34 dde037 ecd13a f7c13a fdae35 fe992c fb8122 f56918 ec530f e14109 d23105 c12302 ac1701 950d01 ' +
    '7a0403',
  spectral: '5e4fa2 3288bd 66c2a5 abdda4 e6f598 ffffbf fee08b fdae61 f46d43 d53e4f 9e0142',
};
const COUNT = 256;

/** (COUNT * 3) bytes of RGB, far to near. */
export function table(name) {
  const stops = STOPS[name].split(' ').map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));
  const colours = new Uint8ClampedArray(COUNT * 3);
  for (let i = 0; i < COUNT; i++) {
    const at = (i / (COUNT - 1)) * (stops.length - 1);
    const below = Math.min(Math.floor(at), stops.length - 2);
    for (let c = 0; c < 3; c++) {
      colours[3 * i + c] = stops[below][c] + (at - below) * (stops[below + 1][c] - stops[below][c]);
    }
  }
  return colours;
}

/** Draw depth into a canvas of its size, its farthest in the first colour and its nearest in the last. */
export function paint(canvas, { values, width, height }, name) {
  const { far, near } = range(values);
  const colours = table(name);
  const picture = new ImageData(width, height);
  const scale = near > far ? (COUNT - 1) / (near - far) : 0;
  for (let i = 0; i < values.length; i++) {
    const colour = 3 * Math.round((values[i] - far) * scale);
    for (let c = 0; c < 3; c++) picture.data[4 * i + c] = colours[colour + c];
    picture.data[4 * i + 3] = 255;
  }
  canvas.width = width;
  canvas.height = height;
  canvas.getContext('2d').putImageData(picture, 0, 0);
}

/** The smallest and the largest value: what is farthest and nearest. */
export function range(values) {
  let far = Infinity;
  let near = -Infinity;
  for (const value of values) {
    if (value < far) far = value;
    if (value > near) near = value;
  }
  return { far, near };
}
