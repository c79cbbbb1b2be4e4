// The controls: what they say follows the viewer, whoever changed it.

import { hasHeadset } from './headset.js';

const SMALL = '(max-width: 40rem), (max-height: 43rem)'; // a phone, or a frame in a page, which has 42rem at most
const $ = (id) => document.getElementById(id);

/** @param viewer see main.js. */
export class Panel {
  constructor(viewer, headset) {
    this.viewer = viewer;
    $('panel').hidden = false;
    $('panel').open = !window.matchMedia(SMALL).matches; // there the picture comes first
    $('fill-row').hidden = !viewer.hasHidden;
    $('amount').addEventListener('input', () => viewer.setAmount(Number($('amount').value)));
    $('cut').addEventListener('change', () => viewer.setCut($('cut').checked));
    $('fill').addEventListener('change', () => viewer.setFill($('fill').checked));
    $('mode').addEventListener('change', () => viewer.setMode($('mode').value));
    $('motion').addEventListener('change', () => viewer.setMotion($('motion').value));
    $('home').addEventListener('click', () => viewer.home());
    $('full').hidden = !document.fullscreenEnabled; // not on an iPhone
    $('full').addEventListener('click', () => this.#toggleFull());
    this.#offerHeadset(headset);
    this.update();
  }

  update() {
    const { amount, cut, fill, mode, motion } = this.viewer.state();
    $('amount').value = amount;
    $('amount-value').textContent = `${Math.round(amount * 100)} %`;
    $('cut').checked = cut;
    $('fill').checked = fill;
    $('fill').disabled = !cut;
    $('mode').value = mode;
    $('motion').value = motion;
  }

  async #toggleFull() {
    try {
      if (document.fullscreenElement) await document.exitFullscreen();
      else await document.documentElement.requestFullscreen();
    } catch {
      $('message').textContent = 'This browser does not allow the full screen here.';
    }
  }

  async #offerHeadset(headset) {
    $('headset').hidden = !(await hasHeadset());
    $('headset').addEventListener('click', async () => {
      try {
        await headset.toggle();
      } catch (error) {
        $('message').textContent = `The headset cannot be entered: ${error.message}`;
      }
    });
  }
}
