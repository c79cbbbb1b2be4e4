// Copying text: by the clipboard, or, where a browser keeps that from pages without https, by selecting it.

import { say } from './said.js';

export function offerCopies() {
  for (const button of document.querySelectorAll('[data-copy]')) {
    button.addEventListener('click', async () => {
      const isCopied = await copy(document.getElementById(button.dataset.copy));
      flash(button, isCopied ? 'Copied' : 'Selected: copy it by keys');
    });
  }
}

async function copy(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(element);
    return document.execCommand('copy');
  }
}

function flash(button, text) {
  say(text);
  const before = button.dataset.text ?? (button.dataset.text = button.textContent);
  button.textContent = text;
  setTimeout(() => (button.textContent = before), 2000);
}
