// Cells as triangles. Vertices stand on directions; how far out is for the vertex shader to say.

import { BufferAttribute, BufferGeometry } from 'three';
import { cellAround, cornerColumns } from './corners.js';

/** Two triangles for each cell, one at a pole, counter-clockwise as seen from the origin. */
export function geometryOf(cells, { torn, whole }) {
  const { rows, columns, values, projection } = cells;
  const vertices = new Int32Array(values.length * 4).fill(-1);
  const rays = [];
  const inverses = [];
  for (let i = 0; i <= rows; i++) {
    for (let j = 0; j < cornerColumns(cells); j++) {
      const met = []; // cells that meet at this corner share a vertex, those that are torn apart do not
      for (let place = 0; place < 4; place++) {
        const cell = cellAround(cells, i, j, place);
        if (cell < 0 || !(values[cell] > 0)) continue;
        const corner = cell * 4 + 3 - place;
        const shared = met.find((other) => torn[other] === torn[corner]);
        if (shared === undefined) {
          vertices[corner] = inverses.length / 2;
          rays.push(...projection.rayOf(i / rows, j / columns));
          inverses.push(torn[corner], whole[corner]);
          met.push(corner);
        } else {
          vertices[corner] = vertices[shared];
        }
      }
    }
  }
  const geometry = new BufferGeometry();
  geometry.setAttribute('position', new BufferAttribute(new Float32Array(rays), 3));
  geometry.setAttribute('inverses', new BufferAttribute(new Float32Array(inverses), 2));
  geometry.setIndex(new BufferAttribute(trianglesOf(cells, vertices), 1));
  return geometry;
}

function trianglesOf({ rows, columns, values, projection }, vertices) {
  const triangles = [];
  for (let cell = 0; cell < values.length; cell++) {
    if (!(values[cell] > 0)) continue;
    const [a, b, c, d] = vertices.subarray(cell * 4, cell * 4 + 4);
    const row = Math.floor(cell / columns);
    if (projection.isFlat || row > 0) triangles.push(a, c, b); // the other one of a pole's cell has no area
    if (projection.isFlat || row < rows - 1) triangles.push(b, c, d);
  }
  return new Uint32Array(triangles);
}
