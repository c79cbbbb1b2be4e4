// What moves by itself: a gentle sway, which shows depth, or a slow turn.

const PERIOD = 8; // seconds
const WIDTH = 0.45; // of the head box, to each side
const TURN = 5; // degrees in a second

export class Motion {
  #seconds = 0;
  kind = 'still';

  /** Move the eye; returns whether it moved. */
  step(eye, seconds) {
    if (this.kind === 'still') {
      const hadMoved = eye.sway.some((along) => along !== 0);
      eye.sway = [0, 0, 0];
      this.#seconds = 0;
      return hadMoved;
    }
    if (this.kind === 'turn') {
      eye.sway = [0, 0, 0];
      eye.look(TURN * seconds, 0);
      return true;
    }
    this.#seconds += seconds;
    const phase = (this.#seconds / PERIOD) * 2 * Math.PI;
    const yaw = (eye.yaw / 180) * Math.PI;
    const right = WIDTH * eye.reach * Math.sin(phase);
    const up = 0.25 * WIDTH * eye.reach * Math.sin(2 * phase);
    eye.sway = [right * Math.cos(yaw), up, right * Math.sin(yaw)];
    return true;
  }
}

/** Which there are: the gaze does not turn away from a flat picture. */
export function motionsBefore({ projection }) {
  return projection.isFlat ? ['still', 'sway'] : ['still', 'sway', 'turn'];
}

/** Nothing moves for those who asked their system for that. */
export function firstMotion() {
  return window.matchMedia('(prefers-reduced-motion: reduce)').matches ? 'still' : 'sway';
}
