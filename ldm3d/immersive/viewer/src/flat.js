// The picture without depth, where the browser cannot draw in space: a panorama is dragged, or moved by arrow keys,
// endlessly round; a picture that is flat itself stays as it is.

import { readDescription } from './payload.js';

export function showFlat(reason) {
  const picture = document.getElementById('picture');
  if (readDescription().fov) {
    picture.hidden = false;
    document.getElementById('view').hidden = true;
    document.getElementById('message').textContent = `${reason} This is the flat picture.`;
    return;
  }
  const flat = document.getElementById('flat');
  flat.style.backgroundImage = `url("${picture.src}")`;
  picture.hidden = true;
  flat.hidden = false;
  document.body.classList.add('is-flat');
  document.getElementById('message').textContent = `${reason} This is the flat picture: drag it to look around.`;
  let offset = 0;
  let last = null;
  const move = (pixels) => {
    offset += pixels;
    flat.style.backgroundPositionX = `calc(50% + ${offset}px)`;
  };
  flat.addEventListener('pointerdown', (event) => {
    flat.setPointerCapture(event.pointerId);
    last = event.clientX;
  });
  flat.addEventListener('pointermove', (event) => {
    if (last === null) return;
    move(event.clientX - last);
    last = event.clientX;
  });
  for (const name of ['pointerup', 'pointercancel']) flat.addEventListener(name, () => (last = null));
  flat.addEventListener('keydown', ({ key }) => {
    if (key === 'ArrowLeft') move(40);
    if (key === 'ArrowRight') move(-40);
  });
}
