// The viewer of a page. `window.viewer` drives it, for tests and other scripts:
//
//   ready                 a promise: true when it is drawn, false when only the flat picture is shown
//   state()               yaw, pitch, fov, position, reach, light, amount, cut, fill, mode, motion
//   setPose({position: [x, y, z], yaw, pitch, fov})   any of these; metres and degrees; stops motion. Before a flat
//                         picture the gaze does not turn
//   setAmount(0 to 1)     0: a sphere of the mean radius, or a plane; 1: distances as given
//   setCut(bool)          whether the surface is cut at edges
//   setFill(bool)         whether what is behind is drawn there
//   setMode('mono' | 'side-by-side' | 'anaglyph')
//   setMotion('still' | 'sway' | 'turn')                 turn: not before a flat picture
//   home()                look ahead from the middle
//   screenshot()          {width, height, data}: RGBA bytes, the upper row first

import { eyeBefore } from './eye.js';
import { showFlat } from './flat.js';
import { Headset } from './headset.js';
import { Keys } from './keys.js';
import { Motion, firstMotion, motionsBefore } from './motion.js';
import { Panel } from './panel.js';
import { readDescription } from './payload.js';
import { Pointers } from './pointers.js';
import { MODES, Stage } from './stage.js';
import { World } from './world.js';

const LONGEST_STEP = 0.1; // seconds: after a pause nothing jumps

async function start(viewer) {
  const canvas = document.getElementById('view');
  const context = canvas.getContext('webgl2', { antialias: true, alpha: false, powerPreference: 'high-performance' });
  if (!context) {
    showFlat('This browser or device has no WebGL 2, which drawing in space needs.');
    return false;
  }
  const stage = new Stage(canvas, context);
  const world = await World.load(readDescription(), stage.renderer.capabilities);
  stage.scene.add(world.group);
  run(viewer, stage, world, canvas);
  return true;
}

function run(viewer, stage, world, canvas) {
  const eye = eyeBefore(world);
  const motion = new Motion();
  let isStale = true;
  let last = null;
  const changed = () => {
    isStale = true;
  };
  const home = () => {
    Object.assign(eye, eyeBefore(world));
    changed();
  };
  const resize = () => {
    stage.resize();
    changed();
  };
  const headset = new Headset(stage.renderer, () => {
    world.group.position.set(0, 0, 0);
    resize();
  });
  Object.assign(viewer, controlsOf({ eye, motion, stage, world, home, changed, update: () => panel.update() }));
  motion.kind = firstMotion();
  const keys = new Keys(home);
  const pointers = new Pointers(canvas, eye, changed);
  const panel = new Panel(viewer, headset);
  home();

  const frame = (milliseconds, xrFrame) => {
    const seconds = Math.min(LONGEST_STEP, (milliseconds - (last ?? milliseconds)) / 1000);
    last = milliseconds;
    if (headset.isOn) {
      headset.follow(xrFrame, world);
      stage.drawInHeadset(world);
      return;
    }
    if (keys.step(eye, seconds)) changed();
    if (motion.step(eye, seconds)) changed();
    if (!keys.isMoving && !pointers.isMoving && eye.settle(seconds)) changed();
    if (!isStale) return;
    isStale = false;
    world.light = eye.light;
    stage.draw(eye, world);
  };
  document.getElementById('picture').hidden = true;
  canvas.hidden = false;
  window.addEventListener('resize', resize);
  canvas.addEventListener('webglcontextrestored', changed);
  resize();
  frame(performance.now());
  stage.renderer.setAnimationLoop(frame);
}

function controlsOf({ eye, motion, stage, world, home, changed, update }) {
  const setter = (set) => (value) => {
    set(value);
    eye.reach = world.reach;
    changed();
    update();
  };
  const oneOf = (names, value) => {
    if (!names.includes(value)) throw new RangeError(`got ${value}, wanted one of ${names.join(', ')}`);
    return value;
  };
  return {
    hasHidden: Boolean(world.hidden),
    home,
    state: () => ({
      yaw: eye.yaw,
      pitch: eye.pitch,
      fov: eye.fov,
      position: eye.position,
      reach: eye.reach,
      light: eye.light,
      amount: world.amount,
      cut: world.isCut,
      fill: world.isFilled,
      mode: stage.mode,
      motion: motion.kind,
    }),
    setAmount: setter((value) => (world.amount = value)),
    setCut: setter((value) => world.setCut(value)),
    setFill: setter((value) => world.setFill(value)),
    setMode: setter((value) => (stage.mode = oneOf(MODES, value))),
    setMotion: setter((value) => (motion.kind = oneOf(motionsBefore(world), value))),
    setPose: setter(({ position = eye.wanted, yaw = eye.yaw, pitch = eye.pitch, fov = eye.fov }) => {
      motion.kind = 'still';
      eye.sway = [0, 0, 0];
      eye.zoom(fov / eye.fov);
      eye.look(yaw - eye.yaw, pitch - eye.pitch);
      eye.place(position);
    }),
    screenshot: () => {
      world.light = eye.light;
      return stage.screenshot(eye, world);
    },
  };
}

window.viewer = {};
window.viewer.ready = start(window.viewer).catch((error) => {
  showFlat(`This browser cannot show the picture in space (${error.message}).`);
  return false;
});
