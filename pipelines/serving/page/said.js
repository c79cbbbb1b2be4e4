// What is said aloud to those who do not see the page: one place, so that nothing is said twice.

export function say(text) {
  document.getElementById('said').textContent = text;
}
