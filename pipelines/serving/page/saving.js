// Downloads of a result: asked for with the token, which a link cannot send, and named after the prompt.

import { file } from './service.js';

const ENDINGS = { image: '.png', depth: '-depth.png', glb: '.glb', splats: '.ply', viewer: '.html' };

/** @param kind a key of the result's urls. @throws Refusal where the service has it no more. */
export async function save({ body, urls, image }, kind) {
  const content = kind === 'image' ? image : await (await file(urls[kind])).blob();
  const link = document.createElement('a');
  link.href = URL.createObjectURL(content);
  link.download = fileName(body, kind);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // a download may begin late
}

function fileName({ prompt, seed }, kind) {
  const words = prompt.toLowerCase().match(/[\p{Letter}\p{Number}]+/gu) ?? ['picture'];
  return `${words.join('-').slice(0, 60)}-${seed}${ENDINGS[kind]}`;
}
