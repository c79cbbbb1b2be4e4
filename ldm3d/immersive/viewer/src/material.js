// How the surface is moved and coloured.

import { DoubleSide, GLSL3, ShaderMaterial } from 'three';

const VERTEX = `
in vec2 inverses;
uniform float amount, sphere, cut;
out vec3 seen;
void main() {
  seen = position / mix(sphere, mix(inverses.y, inverses.x, cut), amount);
  gl_Position = projectionMatrix * modelViewMatrix * vec4(seen, 1.0);
}`;

// The picture was taken from the origin, so a point's place in it follows from its direction there: exact between
// vertices, too. At the seam of a panorama the place jumps by 1, which is no change.
const fragment = (place) => `
precision highp float;
in vec3 seen;
uniform sampler2D picture;
uniform float light;
uniform vec2 extent;
out vec4 colour;
void main() {
  vec2 place = ${place};
  vec2 right = dFdx(place), up = dFdy(place);
  right.x -= round(right.x);
  up.x -= round(up.x);
  colour = linearToOutputTexel(vec4(textureGrad(picture, place, right, up).rgb * light, 1.0));
}`;

/** Uniforms that all layers share: `sphere` is 1 / the distance that `amount` 0 gives all directions. */
export function sharedUniforms(sphere, { extent = [0, 0] }) {
  return {
    amount: { value: 1 },
    sphere: { value: sphere },
    cut: { value: 1 },
    light: { value: 1 },
    extent: { value: extent },
  };
}

/** @param layer 0 in front, 1 behind it, also where the two are one sphere. */
export function materialOf(texture, uniforms, projection, layer) {
  return new ShaderMaterial({
    uniforms: { ...uniforms, picture: { value: texture } },
    vertexShader: VERTEX,
    fragmentShader: fragment(projection.shader),
    glslVersion: GLSL3,
    side: DoubleSide, // a step to the side shows the backs of steep parts
    polygonOffset: layer > 0,
    polygonOffsetFactor: layer,
    polygonOffsetUnits: 4 * layer,
  });
}
