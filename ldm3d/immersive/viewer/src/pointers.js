// Mouse, pen and fingers: one looks around, two (or the wheel) zoom and move.

export class Pointers {
  #down = new Map();

  /** @param changed called after each change of the eye. */
  constructor(canvas, eye, changed) {
    const change = (action) => (event) => {
      action(event);
      changed();
    };
    canvas.addEventListener('pointerdown', (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.#down.set(event.pointerId, [event.clientX, event.clientY]);
    });
    for (const name of ['pointerup', 'pointercancel', 'lostpointercapture']) {
      canvas.addEventListener(name, change((event) => this.#down.delete(event.pointerId)));
    }
    canvas.addEventListener('pointermove', (event) => {
      if (!this.#down.has(event.pointerId)) return;
      this.#move(event, eye, canvas.clientHeight);
      changed();
    });
    canvas.addEventListener(
      'wheel',
      (event) => {
        event.preventDefault();
        const notches = Math.sign(event.deltaY || event.deltaX) * Math.min(1, Math.abs(event.deltaY || event.deltaX) / 100);
        if (event.shiftKey) eye.go(0, 0, -0.15 * eye.reach * notches);
        else eye.zoom(1.1 ** notches);
        changed();
      },
      { passive: false },
    );
  }

  /** Whether the eye is being moved, not only turned. */
  get isMoving() {
    return this.#down.size > 1;
  }

  #move(event, eye, height) {
    const before = [...this.#down.values()];
    const [x, y] = this.#down.get(event.pointerId);
    this.#down.set(event.pointerId, [event.clientX, event.clientY]);
    const dx = event.clientX - x;
    const dy = event.clientY - y;
    if (before.length === 1) {
      const degrees = eye.fov / height; // what is under the pointer stays there, in the middle of the picture
      eye.look(-dx * degrees, dy * degrees);
      return;
    }
    const after = [...this.#down.values()];
    eye.zoom(spread(before) / spread(after));
    const metres = (2 * eye.reach) / height;
    eye.go((-dx / 2) * metres, (dy / 2) * metres, 0);
  }
}

function spread([[x, y], [otherX, otherY]]) {
  return Math.max(1, Math.hypot(x - otherX, y - otherY));
}
