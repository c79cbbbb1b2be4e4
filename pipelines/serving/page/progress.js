// How far a drawing is. Every step is shown, but only quarters are said aloud.

import { say } from './said.js';

const $ = (id) => document.getElementById(id);
const TITLE = document.title;

export class Progress {
  #quarter = 0;

  /** It is asked for, and has no step yet. */
  start() {
    this.#quarter = 0;
    $('progress').removeAttribute('value');
    $('progress-row').hidden = false;
    $('step').textContent = 'Waiting for its turn';
    say('Waiting for its turn');
  }

  step(step, steps) {
    $('progress').max = steps;
    $('progress').value = step;
    $('step').textContent = `Step ${step} of ${steps}`;
    document.title = `${step}/${steps} ${TITLE}`;
    const quarter = Math.floor((4 * step) / steps);
    if (quarter > this.#quarter) say($('step').textContent);
    this.#quarter = quarter;
  }

  /** @param text says how it ended. */
  end(text) {
    $('progress-row').hidden = true;
    document.title = TITLE;
    say(text);
  }
}
