// The corners of cells: which of the four cells around a corner meet there, and how far away. The same rules as
// ldm3d/immersive/tears.py and corners.py.

const STEEPEST = 85; // degrees of incidence beyond which neighbours are torn apart
const POLAR = 0.03; // cosine of a latitude beyond which neighbours in a row are too close to tell a slope from noise
const LINKS = [[0, 1], [2, 3], [0, 2], [1, 3]]; // of the cells 0 and 1 above a corner, 2 and 3 below

/** By which ratio, less 1, inverse distances may differ: of neighbours in each row, and in neighbouring rows. */
export function limitsOf({ rows, columns }) {
  const slope = Math.tan((STEEPEST / 180) * Math.PI);
  const across = new Float64Array(rows);
  for (let i = 0; i < rows; i++) {
    const flat = Math.cos((0.5 - (i + 0.5) / rows) * Math.PI);
    across[i] = flat < POLAR ? Infinity : ((2 * Math.PI) / columns) * flat * slope;
  }
  return { across, down: (Math.PI / rows) * slope };
}

/** The cell at place 0 to 3 around a corner, or -1 beyond a pole. It calls this corner its own 3 - place. */
export function cellAround({ rows, columns }, i, j, place) {
  const row = i - 1 + (place >> 1);
  const column = (j - 1 + (place & 1) + columns) % columns;
  return row < 0 || row >= rows ? -1 : row * columns + column;
}

/**
 * Inverse distances at each cell's own corners (upper left, upper right, lower left, lower right): `torn` where the
 * surface is steep, and `whole`.
 */
export function cornersOf(cells) {
  const { rows, columns, values } = cells;
  const limits = limitsOf(cells);
  const torn = new Float32Array(values.length * 4).fill(NaN);
  const whole = torn.slice();
  for (let i = 0; i <= rows; i++) {
    const allowed = [limits.across[i - 1], limits.across[i], limits.down, limits.down];
    for (let j = 0; j < columns; j++) {
      const around = [0, 1, 2, 3].map((place) => cellAround(cells, i, j, place));
      const value = around.map((cell) => (cell < 0 ? NaN : values[cell]));
      const group = groups(value, allowed);
      for (let place = 0; place < 4; place++) {
        if (!(value[place] > 0)) continue;
        const corner = around[place] * 4 + 3 - place;
        torn[corner] = meanWhere(value, (other) => group[other] === group[place]);
        whole[corner] = meanWhere(value, () => true);
      }
    }
  }
  closePole(cells, torn, whole, 0, [0, 1]);
  closePole(cells, torn, whole, rows - 1, [2, 3]);
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
