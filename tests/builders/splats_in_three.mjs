// A page's script that reads splats with three.js and draws them, for test_splats_in_three.py. `window.splats`:
//
//   show(kind, base64, turn)   read a file, 'ply' or 'glb', turn it around x by so many radians, and show nothing else
//   look([x, y, z], yaw, pitch, fov)   draw it; degrees
//   numbers()             positions, covariances (their six upper numbers) and colours, as read
import { LinearSRGBColorSpace, PerspectiveCamera, Scene, WebGPURenderer } from 'three/webgpu';
import { GLTFLoader } from 'three/addons/loaders/GLTFLoader.js';
import { GLTFGaussianSplatLoaderExtension } from 'three/addons/loaders/GLTFGaussianSplatLoaderExtension.js';
import { GaussianSplatPLYLoader } from 'three/addons/loaders/GaussianSplatPLYLoader.js';
import { GaussianSplat } from 'three/addons/objects/GaussianSplat.js';

async function read(kind, bytes) {
  if (kind === 'ply') return new GaussianSplat(new GaussianSplatPLYLoader().parse(bytes));
  const loader = new GLTFLoader();
  loader.register((parser) => new GLTFGaussianSplatLoaderExtension(parser));
  let found;
  (await loader.parseAsync(bytes, '')).scene.traverse((thing) => {
    if (thing instanceof GaussianSplat) found = thing;
  });
  return found;
}

async function start() {
  const renderer = new WebGPURenderer({ forceWebGL: true, antialias: false });
  renderer.outputColorSpace = LinearSRGBColorSpace; // colours of splats are sRGB already, and are mixed as such
  renderer.setSize(window.innerWidth, window.innerHeight);
  document.body.append(renderer.domElement);
  await renderer.init();
  const scene = new Scene();
  return {
    async show(kind, base64, turn) {
      const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      scene.clear();
      const splats = await read(kind, bytes.buffer);
      splats.rotation.x = turn;
      scene.add(splats);
    },
    async look(position, yaw, pitch, fov) {
      const camera = new PerspectiveCamera(fov, window.innerWidth / window.innerHeight, 0.02, 100);
      camera.position.set(...position);
      camera.rotation.set((pitch * Math.PI) / 180, (-yaw * Math.PI) / 180, 0, 'YXZ');
      for (let frame = 0; frame < 3; frame++) { // the first ones may be drawn before they are sorted
        renderer.render(scene, camera);
        await new Promise(requestAnimationFrame);
      }
    },
    numbers() {
      const { position, covariance, color } = scene.children[0].splatGeometry.attributes;
      return [position, covariance, color].map((attribute) => Array.from(attribute.array));
    },
  };
}

window.viewer = { ready: start().then((splats) => { window.splats = splats; }) };
