// Draws what the eye, or each of two eyes, sees.

import { PerspectiveCamera, Scene, WebGLRenderer } from 'three';
import { inBox } from './eye.js';

export const MODES = ['mono', 'side-by-side', 'anaglyph'];
export const IPD = 0.064; // metres between the pupils of most adults

export class Stage {
  mode = 'mono';

  constructor(canvas, context) {
    this.canvas = canvas;
    this.renderer = new WebGLRenderer({ canvas, context });
    this.renderer.autoClear = false;
    this.scene = new Scene();
    this.camera = new PerspectiveCamera();
    this.camera.rotation.order = 'YXZ';
    this.scene.add(this.camera);
  }

  /** Take the size of the window. */
  resize() {
    if (this.renderer.xr.isPresenting) return; // the size is the headset's
    this.renderer.setPixelRatio(Math.min(window.devicePixelRatio, 2)); // more is slow, and not seen
    this.renderer.setSize(window.innerWidth, window.innerHeight);
  }

  draw(eye, world) {
    [this.camera.near, this.camera.far] = world.clip;
    const { width, height } = this.#size();
    const apart = Math.min(IPD / 2, eye.reach / 2);
    this.#clear();
    if (this.mode === 'mono') {
      this.#render(eye, 0, [0, 0, width, height]);
    } else if (this.mode === 'side-by-side') {
      const half = Math.floor(width / 2);
      this.#render(eye, -apart, [0, 0, half, height]);
      this.#render(eye, apart, [half, 0, half, height]);
    } else {
      this.#drawAnaglyph(eye, apart, [0, 0, width, height]);
    }
  }

  /** What a headset's eyes see: three has their cameras. */
  drawInHeadset(world) {
    [this.camera.near, this.camera.far] = world.clip;
    this.#clear();
    this.renderer.render(this.scene, this.camera);
  }

  /** Draw, and read it back before the browser may drop it: RGBA, the upper row first. */
  screenshot(eye, world) {
    this.draw(eye, world);
    const gl = this.renderer.getContext();
    const { drawingBufferWidth: width, drawingBufferHeight: height } = gl;
    const upwards = new Uint8Array(width * height * 4);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, upwards);
    const data = new Uint8ClampedArray(upwards.length);
    for (let row = 0; row < height; row++) {
      data.set(upwards.subarray(row * width * 4, (row + 1) * width * 4), (height - 1 - row) * width * 4);
    }
    return { width, height, data };
  }

  /** Red for the left eye, the rest for the right one. */
  #drawAnaglyph(eye, apart, view) {
    const gl = this.renderer.getContext();
    // Past three, which believes that all channels are written, as its materials say, and so leaves this alone.
    gl.colorMask(true, false, false, true);
    this.#render(eye, -apart, view);
    gl.colorMask(false, true, true, true);
    this.renderer.clearDepth();
    this.#render(eye, apart, view);
    gl.colorMask(true, true, true, true);
  }

  /** @param right metres of this eye beside the middle; the eyes look in parallel, and both stay in the box. */
  #render(eye, right, view) {
    const yaw = (eye.yaw / 180) * Math.PI;
    const [x, y, z] = eye.position;
    this.camera.position.set(...inBox([x + right * Math.cos(yaw), y, z + right * Math.sin(yaw)], eye.reach));
    this.camera.rotation.set((eye.pitch / 180) * Math.PI, -yaw, 0);
    this.camera.aspect = view[2] / view[3];
    this.camera.fov = eye.fovIn(this.camera.aspect);
    this.camera.updateProjectionMatrix();
    shift(this.camera, eye.window);
    this.renderer.setViewport(...view);
    this.renderer.render(this.scene, this.camera);
  }

  #clear() {
    const { width, height } = this.#size();
    if (!this.renderer.xr.isPresenting) this.renderer.setViewport(0, 0, width, height);
    this.renderer.clear();
  }

  /** In CSS pixels, as three wants viewports. */
  #size() {
    return { width: this.canvas.clientWidth, height: this.canvas.clientHeight };
  }
}

/** Shift what a camera sees, so that the plane at a distance along its axis stays where it is seen from the origin. */
function shift(camera, distance) {
  const { elements } = camera.projectionMatrix; // column by column
  elements[8] -= (elements[0] * camera.position.x) / distance;
  elements[9] -= (elements[5] * camera.position.y) / distance;
  camera.projectionMatrixInverse.copy(camera.projectionMatrix).invert();
}
