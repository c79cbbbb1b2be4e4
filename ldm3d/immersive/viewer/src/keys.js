// The keyboard: arrows look, W A S D (or Shift and arrows) move, R and F rise and sink, + and - zoom, 0 goes home.

const LOOK = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const GO = { KeyW: [0, 0, 1], KeyS: [0, 0, -1], KeyA: [-1, 0, 0], KeyD: [1, 0, 0], KeyR: [0, 1, 0], KeyF: [0, -1, 0] };
const GO_SHIFTED = { ArrowUp: GO.KeyW, ArrowDown: GO.KeyS, ArrowLeft: GO.KeyA, ArrowRight: GO.KeyD };
const ZOOM = { '+': 0.97, '=': 0.97, '-': 1.03 };
const TURN = 60; // degrees in a second
const WALK = 1.5; // head boxes' halves in a second

export class Keys {
  #held = new Map(); // by place on the keyboard, whatever letter is there
  #fresh = new Set(); // pressed since the last step: even a short press counts

  constructor(home) {
    window.addEventListener('keydown', (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.('input, select, button, summary')) return;
      if (event.key === '0' || event.key === 'Home') home();
      else if (!(event.code in LOOK || event.code in GO || event.key in ZOOM)) return;
      event.preventDefault();
      this.#held.set(event.code, event);
      if (!event.repeat) this.#fresh.add(event.code);
    });
    window.addEventListener('keyup', (event) => this.#held.delete(event.code));
    window.addEventListener('blur', () => this.#held.clear());
  }

  /** Whether the eye is being moved, not only turned. */
  isMoving = false;

  /** Move the eye by what is held; returns whether anything is. */
  step(eye, seconds) {
    const pressed = new Map(this.#held);
    for (const code of this.#fresh) if (!pressed.has(code)) pressed.set(code, { code, key: '', shiftKey: false });
    const time = this.#fresh.size ? Math.max(seconds, 1 / 30) : seconds;
    this.#fresh.clear();
    this.isMoving = false;
    for (const event of pressed.values()) this.#apply(event, eye, time);
    return pressed.size > 0;
  }

  #apply({ code, key, shiftKey }, eye, seconds) {
    const way = GO[code] ?? (shiftKey ? GO_SHIFTED[code] : undefined);
    if (way) {
      eye.go(...way.map((along) => along * WALK * eye.reach * seconds));
      this.isMoving = true;
    } else if (code in LOOK) {
      eye.look(...LOOK[code].map((along) => along * TURN * seconds));
    } else if (key in ZOOM) {
      eye.zoom(ZOOM[key] ** (seconds * 60));
    }
  }
}
