// What a panorama hides, as a second surface that is sewn to the far sides of the tears of the first: the same rules
// as `Background.surface` of ldm3d/immersive/background.py.

import { cellAround, limitsOf } from './corners.js';

/** The corners of hidden cells: those that they share with far sides are theirs, others are means. */
export function sewn(hidden, front, frontCorners) {
  const isFar = farSides(front);
  const corners = new Float32Array(hidden.values.length * 4).fill(NaN);
  for (let i = 0; i <= hidden.rows; i++) {
    for (let j = 0; j < hidden.columns; j++) {
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
  const { rows, columns, values } = cells;
  const { across, down } = limitsOf(cells);
  return Uint8Array.from(values, (value, cell) => {
    const i = Math.floor(cell / columns);
    const j = cell % columns;
    const beside = Math.max(values[i * columns + ((j + 1) % columns)], values[i * columns + ((j + columns - 1) % columns)]);
    const above = i > 0 ? values[cell - columns] : 0;
    const below = i < rows - 1 ? values[cell + columns] : 0;
    return beside > value * (1 + across[i]) || Math.max(above, below) > value * (1 + down) ? 1 : 0;
  });
}
