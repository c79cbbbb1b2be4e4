// The picture as a place: the service's page of it, in a frame that can run its script and do nothing else here.

import { save } from './saving.js';
import { file, isOpen, ownUrl, Refusal } from './service.js';
import { token } from './token.js';

const $ = (id) => document.getElementById(id);

/** @throws Refusal where the service has the result no more, or wants a token: a frame can neither say nor send it. */
export async function openPlace(result) {
  const { urls, body } = result;
  await isKept(urls.image);
  if (token() && !(await isOpen(urls.viewer))) {
    await save(result, 'viewer');
    throw new Refusal('A frame cannot send the token. The 3D view is downloaded instead: open that file.');
  }
  const frame = document.createElement('iframe');
  frame.setAttribute('sandbox', 'allow-scripts');
  frame.allow = 'fullscreen';
  frame.title = `3D view: ${body.prompt}`;
  frame.src = ownUrl(urls.viewer);
  $('place').replaceChildren(frame);
  show(true);
}

export function closePlace() {
  $('place').replaceChildren();
  show(false);
}

function show(isOpen) {
  $('place').hidden = !isOpen;
  $('stage').classList.toggle('in-place', isOpen);
  $('view').setAttribute('aria-pressed', String(isOpen));
  $('view').textContent = isOpen ? 'Back to the picture' : '3D view';
}

async function isKept(url) {
  const enough = new AbortController();
  await file(url, enough.signal);
  enough.abort(); // it answers, and the picture itself is here
}
