// From where one looks, and whereto. Lengths are in metres, angles in degrees; yaw is to the right of the middle of
// the picture, pitch upwards.

const EASY = 0.85; // of the box: beyond it the picture fades, and the eye is led back
const OVER = 1.3; // of the box: how far one may push
const DARKEST = 0.25;
const WIDEST = 110;
const NARROWEST = 20;

/** The eye that looks at a world: it turns in a panorama, and moves before a flat picture. */
export function eyeBefore(world) {
  return world.projection.isFlat ? new WindowEye(world) : new Eye(world);
}

export class Eye {
  yaw = 0;
  pitch = 0;
  fov = 75; // vertical
  wanted = [0, 0, 0];
  sway = [0, 0, 0]; // added by a motion
  window = Infinity; // how far away a plane is that stays in its place in the view when the eye moves

  constructor({ reach }) {
    this.reach = reach;
    if (window.innerHeight > window.innerWidth) this.fov = 90; // upright, a phone sees too little otherwise
  }

  /** Where the eye is: never outside its box. */
  get position() {
    return inBox(this.wanted.map((along, axis) => along + this.sway[axis]), this.reach);
  }

  get light() {
    return lightAt(this.wanted, this.reach);
  }

  look(right, up) {
    this.yaw = ((((this.yaw + right + 180) % 360) + 360) % 360) - 180;
    this.pitch = Math.min(90, Math.max(-90, this.pitch + up));
  }

  /** The vertical angle of a view, which may depend on its shape. */
  fovIn() {
    return this.fov;
  }

  zoom(factor) {
    this.fov = Math.min(WIDEST, Math.max(NARROWEST, this.fov * factor));
  }

  /** Go some metres to where it looks; it can be pushed a little beyond its box, but does not get there. */
  go(right, up, ahead) {
    const yaw = (this.yaw / 180) * Math.PI;
    const step = [right * Math.cos(yaw) + ahead * Math.sin(yaw), up, right * Math.sin(yaw) - ahead * Math.cos(yaw)];
    this.place(this.wanted.map((along, axis) => along + step[axis]));
  }

  place(position) {
    this.wanted = inBox(position, this.reach * OVER);
  }

  /** Lead it back from the edge of its box; returns whether it moved. */
  settle(seconds) {
    const easy = inBox(this.wanted, this.reach * EASY);
    const share = 1 - Math.exp(-6 * seconds);
    const off = Math.max(...this.wanted.map((along, axis) => Math.abs(along - easy[axis])));
    if (off === 0) return false;
    const isThere = off < this.reach / 1000;
    this.wanted = this.wanted.map((along, axis) => (isThere ? easy[axis] : along + (easy[axis] - along) * share));
    return true;
  }
}

/** Before a flat picture, which is seen as through a window: whatever turns the gaze moves the eye instead. */
class WindowEye extends Eye {
  #whole; // the vertical angle of the picture
  #shape; // how many times as wide as high it is

  constructor(world) {
    super(world);
    const { fov, extent } = world.projection;
    this.window = world.window;
    this.fov = this.#whole = fov;
    this.#shape = extent[0] / extent[1];
  }

  look(right, up) {
    const metres = (2 * this.reach) / this.#whole; // for each degree: across the whole picture, across the box
    this.go(right * metres, up * metres, 0);
  }

  /** All of the picture is seen, unless one has zoomed in, in a view that is so many times as wide as high. */
  fovIn(aspect) {
    const tall = Math.tan((this.fov / 360) * Math.PI) * Math.max(1, this.#shape / aspect);
    return (Math.atan(tall) / Math.PI) * 360;
  }

  zoom(factor) {
    this.fov = Math.min(this.#whole, Math.max(this.#whole / 4, this.fov * factor));
  }
}

export function inBox(position, reach) {
  return position.map((along) => Math.min(reach, Math.max(-reach, along)));
}

/** How bright a place is: 1 well inside the box, less towards its edge. */
export function lightAt(position, reach) {
  const share = Math.max(...position.map(Math.abs)) / reach;
  const over = Math.min(1, Math.max(0, (share - EASY) / (OVER - EASY)));
  return 1 - (1 - DARKEST) * over * over * (3 - 2 * over);
}
