// What a panorama hides, as a second surface that is sewn to the far sides of the tears of the first: the same rules
// as `Background.surface` of ldm3d/immersive/background.py.

import { cellAround, cornerColumns } from './corners.js';

/** The corners of hidden cells: those that they share with far sides are theirs, others are means. */
export function sewn(hidden, front, frontCorners) {
  const isFar = farSides(front);
  const corners = new Float32Array(hidden.values.length * 4).fill(NaN);
  for (let i = 0; i <= hidden.rows; i++) {
    for (let j = 0; j < cornerColumns(hidden); j++) {
      let sum = 0;
      let count = 0;
      let seam = Infinity;
      const around = [0, 1, 2, 3].map((place) => cellAround(hidden, i, j, place));
      around.forEach((cell, place) => {
        if (cell < 0) return;
        if (hidden.values[cell] > 0) {
          sum += hidden.values[cell];
          count++;
        } else if (isFar[cell]) {
          seam = Math.min(seam, frontCorners.torn[cell * 4 + 3 - place]);
        }
      });
      around.forEach((cell, place) => {
        if (cell >= 0 && hidden.values[cell] > 0) corners[cell * 4 + 3 - place] = seam < Infinity ? seam : sum / count;
      });
    }
  }
  return { torn: corners, whole: corners };
}

/** Which cells have a neighbour that is so much nearer that the surface is torn between them. */
function farSides(cells) {
  const { rows, columns, values, projection } = cells;
  const { across, down } = projection.limitsOf(cells);
  const along = values.map((value, cell) => projection.alongRay(value, cells, Math.floor(cell / columns), cell % columns));
  return along.map((value, cell) => {
    const i = Math.floor(cell / columns);
    const j = cell % columns;
    const left = j > 0 ? j - 1 : projection.wraps ? columns - 1 : -1;
    const right = j < columns - 1 ? j + 1 : projection.wraps ? 0 : -1;
    const isNearer = (row, column, limit) => along[row * columns + column] > value * (1 + limit);
    const isFar =
      (left >= 0 && isNearer(i, left, across(i, left))) ||
      (right >= 0 && isNearer(i, right, across(i, j))) ||
      (i > 0 && isNearer(i - 1, j, down(i - 1, j))) ||
      (i < rows - 1 && isNearer(i + 1, j, down(i, j)));
    return isFar ? 1 : 0;
  });
}
