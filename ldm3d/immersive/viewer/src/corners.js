// The corners of cells: which of the four cells around a corner meet there, and how far away. The same rules as
// ldm3d/immersive/tears.py and corners.py.

const LINKS = [[0, 1], [2, 3], [0, 2], [1, 3]]; // of the cells 0 and 1 above a corner, 2 and 3 below

/** The cell at place 0 to 3 around a corner, or -1 beyond a pole or a border. It calls this corner its own 3 - place. */
export function cellAround({ rows, columns, projection }, i, j, place) {
  const row = i - 1 + (place >> 1);
  const beside = j - 1 + (place & 1);
  const column = projection.wraps ? (beside + columns) % columns : beside;
  return row < 0 || row >= rows || column < 0 || column >= columns ? -1 : row * columns + column;
}

/** How many columns of corners there are: around a panorama the last are the first. */
export function cornerColumns({ columns, projection }) {
  return projection.wraps ? columns : columns + 1;
}

/**
 * Inverse distances at each cell's own corners (upper left, upper right, lower left, lower right): `torn` where the
 * surface is steep, and `whole`.
 */
export function cornersOf(cells) {
  const { rows, columns, values, projection } = cells;
  const limits = projection.limitsOf(cells);
  const alongRay = (value, cell) => projection.alongRay(value, cells, Math.floor(cell / columns), cell % columns);
  const torn = new Float32Array(values.length * 4).fill(NaN);
  const whole = torn.slice();
  for (let i = 0; i <= rows; i++) {
    for (let j = 0; j < cornerColumns(cells); j++) {
      const allowed = [
        limits.across(i - 1, j - 1),
        limits.across(i, j - 1),
        limits.down(i - 1, j - 1),
        limits.down(i - 1, j),
      ];
      const around = [0, 1, 2, 3].map((place) => cellAround(cells, i, j, place));
      const value = around.map((cell) => (cell < 0 ? NaN : values[cell]));
      const group = groups(value.map((each, place) => alongRay(each, around[place])), allowed);
      for (let place = 0; place < 4; place++) {
        if (!(value[place] > 0)) continue;
        const corner = around[place] * 4 + 3 - place;
        torn[corner] = meanWhere(value, (other) => group[other] === group[place]);
        whole[corner] = meanWhere(value, () => true);
      }
    }
  }
  if (!projection.isFlat) {
    closePole(cells, torn, whole, 0, [0, 1]);
    closePole(cells, torn, whole, rows - 1, [2, 3]);
  }
  return { torn, whole };
}

function groups(value, allowed) {
  const group = [0, 1, 2, 3];
  LINKS.forEach(([one, other], link) => {
    const limit = 1 + allowed[link];
    if (value[one] <= value[other] * limit && value[other] <= value[one] * limit) {
      const old = group[other];
      for (let place = 0; place < 4; place++) if (group[place] === old) group[place] = group[one];
    }
  });
  return group;
}

function meanWhere(value, isIn) {
  let sum = 0;
  let count = 0;
  for (let place = 0; place < 4; place++) {
    if (value[place] > 0 && isIn(place)) {
      sum += value[place];
      count++;
    }
  }
  return sum / count;
}

/** A pole is one point: the corners of all cells there have one distance. */
function closePole({ columns, values }, torn, whole, row, corners) {
  const cells = Array.from({ length: columns }, (_, j) => row * columns + j).filter((cell) => values[cell] > 0);
  const pole = cells.reduce((sum, cell) => sum + values[cell], 0) / cells.length;
  for (const cell of cells) for (const corner of corners) torn[cell * 4 + corner] = whole[cell * 4 + corner] = pole;
}
