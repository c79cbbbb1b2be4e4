// The picture in space: its surface, and what that hides.

import { Group, Mesh } from 'three';
import { cellsOf, mean, meanOverPicture, nearestOrMean } from './cells.js';
import { cornersOf } from './corners.js';
import { sewn } from './hidden.js';
import { materialOf, sharedUniforms } from './material.js';
import { geometryOf } from './mesh.js';
import { readInverses } from './payload.js';
import { textureOf } from './picture.js';
import { projectionOf } from './projection.js';

const HEAD = 0.15; // of the distance of the nearest thing: how far the eye may go from the origin along each axis

export class World {
  /** @param device three's capabilities of the renderer. */
  static async load(description, device) {
    const world = new World();
    const projection = projectionOf(description);
    const inverses = await readInverses(description.depth, description);
    const cells = cellsOf(inverses, description, projection, nearestOrMean);
    const corners = cornersOf(cells);
    world.projection = projection;
    world.uniforms = sharedUniforms(meanOverPicture(cells), projection);
    world.nearest = description.near;
    world.farthest = description.far;
    world.group = new Group();
    const add = async (id, itsCells, itsCorners, layer) => {
      const texture = await textureOf(document.getElementById(id), projection, device);
      const mesh = new Mesh(geometryOf(itsCells, itsCorners), materialOf(texture, world.uniforms, projection, layer));
      mesh.frustumCulled = false; // the shader moves it
      mesh.renderOrder = layer;
      world.group.add(mesh);
      return mesh;
    };
    await add('picture', cells, corners, 0);
    if (description.hidden) {
      const hidden = cellsOf(await readInverses(description.hidden, description), description, projection, mean);
      world.hidden = await add('behind', hidden, sewn(hidden, cells, corners), 1);
    }
    world.setFill(true);
    world.setCut(Boolean(world.hidden)); // without anything behind, a cut shows black
    return world;
  }

  get amount() {
    return this.uniforms.amount.value;
  }

  /** 0: a sphere, or a plane of a flat picture; 1: as far as given. */
  set amount(value) {
    this.uniforms.amount.value = Math.min(1, Math.max(0, value));
  }

  get isCut() {
    return this.uniforms.cut.value === 1;
  }

  setCut(isCut) {
    this.uniforms.cut.value = isCut ? 1 : 0;
    this.#showHidden();
  }

  setFill(isFilled) {
    this.isFilled = isFilled && Boolean(this.hidden);
    this.#showHidden();
  }

  /** How bright it is, 0 to 1. */
  set light(value) {
    this.uniforms.light.value = value;
  }

  /** How far away a flat picture is where it does not move with the eye, in metres: where `amount` 0 puts all of it. */
  get window() {
    return this.projection.isFlat ? 1 / this.uniforms.sphere.value : Infinity;
  }

  /** Half the side of the box in which the eye stays, in metres. */
  get reach() {
    return HEAD * this.#moved(this.nearest);
  }

  /** Between which distances there is something to see from within that box, in metres. */
  get clip() {
    return [0.2 * this.#moved(this.nearest), 1.5 * this.#moved(this.farthest)];
  }

  #moved(distance) {
    return 1 / (this.uniforms.sphere.value * (1 - this.amount) + this.amount / distance);
  }

  #showHidden() {
    if (this.hidden) this.hidden.visible = this.isFilled && this.isCut; // an uncut surface covers it
  }
}
