// A headset (WebXR). The head is free, the picture is not: it is right near its own eye only.

import { inBox, lightAt } from './eye.js';
import { IPD } from './stage.js';

/** Whether there is one to enter. */
export async function hasHeadset() {
  try {
    return Boolean(await navigator.xr?.isSessionSupported('immersive-vr'));
  } catch {
    return false; // a policy forbids it
  }
}

export class Headset {
  /** @param ended called when it is taken off. */
  constructor(renderer, ended) {
    this.xr = renderer.xr;
    this.xr.setReferenceSpaceType('local'); // the origin is at the head, not at the feet
    this.xr.addEventListener('sessionend', () => {
      this.xr.enabled = false;
      ended();
    });
  }

  get isOn() {
    return this.xr.isPresenting;
  }

  async toggle() {
    if (this.isOn) return this.xr.getSession().end();
    const session = await navigator.xr.requestSession('immersive-vr');
    this.xr.enabled = true;
    return this.xr.setSession(session);
  }

  /** Let the picture come along when the head leaves the box, and fade: there, it would fall apart. */
  follow(frame, world) {
    const pose = frame?.getViewerPose(this.xr.getReferenceSpace());
    if (!pose) return;
    const { x, y, z } = pose.transform.position;
    const head = [x, y, z];
    const inside = inBox(head, Math.max(0, world.reach - IPD / 2)); // both eyes stay in the box
    world.group.position.set(...head.map((along, axis) => along - inside[axis]));
    world.light = lightAt(head, world.reach);
  }
}
