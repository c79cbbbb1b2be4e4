// How the picture shows space: all around, or flat, as a pinhole sees it. The same as ldm3d/immersive/projection.py and
// tears.py. Limits say by which ratio, less 1, inverse distances along the ray may differ, of cells beside each other
// (a cell and the next in its row) and below each other (a cell and the one below).

const STEEPEST = 85; // degrees of incidence beyond which neighbours are torn apart
const SLOPE = Math.tan((STEEPEST / 180) * Math.PI);
const POLAR = 0.03; // cosine of a latitude beyond which neighbours in a row are too close to tell a slope from noise

export function projectionOf(description) {
  return description.fov ? new Flat(description) : new Panorama();
}

class Panorama {
  isFlat = false;
  wraps = true;
  /** Where in the picture a point is that is seen from the origin: exact at the seam and at the poles, too. */
  shader = 'vec2(atan(seen.x, -seen.z) / 6.283185307 + 0.5, atan(length(seen.xz), seen.y) / 3.141592654)';

  rowsOf(columns, height) {
    return Math.min(columns / 2, height);
  }

  /** The unit vector at shares of the height and the width: x right, y up, -z in the middle. */
  rayOf(down, across) {
    const latitude = (0.5 - down) * Math.PI;
    const longitude = (across - 0.5) * 2 * Math.PI;
    const flat = down === 0 || down === 1 ? 0 : Math.cos(latitude);
    return [flat * Math.sin(longitude), Math.sin(latitude), -flat * Math.cos(longitude)];
  }

  /** Of a value at a cell, that along the ray. */
  alongRay(value) {
    return value;
  }

  limitsOf({ rows, columns }) {
    const across = new Float64Array(rows);
    for (let i = 0; i < rows; i++) {
      const flat = Math.cos((0.5 - (i + 0.5) / rows) * Math.PI);
      across[i] = flat < POLAR ? Infinity : ((2 * Math.PI) / columns) * flat * SLOPE;
    }
    const down = (Math.PI / rows) * SLOPE;
    return { across: (i) => across[i], down: () => down };
  }

  /** The limit in the middle of the picture. */
  middleLimit(rows) {
    return (Math.PI / rows) * SLOPE;
  }

  /** How much of space a cell shows, to a factor: a row counts by the width of its circle. */
  weightOf(i, rows) {
    return Math.cos((0.5 - (i + 0.5) / rows) * Math.PI);
  }
}

class Flat {
  isFlat = true;
  wraps = false;
  shader = 'vec2(0.5 - 0.5 * seen.x / (seen.z * extent.x), 0.5 + 0.5 * seen.y / (seen.z * extent.y))';

  constructor({ width, height, fov }) {
    const tall = Math.tan((fov / 360) * Math.PI);
    this.fov = fov;
    this.extent = [(tall * width) / height, tall];
    this.shape = height / width;
  }

  rowsOf(columns, height) {
    return Math.min(height, Math.max(1, Math.round(columns * this.shape)));
  }

  /** The direction at shares of the height and the width, of length 1 along the axis. */
  rayOf(down, across) {
    return [(2 * across - 1) * this.extent[0], (1 - 2 * down) * this.extent[1], -1];
  }

  alongRay(value, cells, i, j) {
    return value / Math.hypot(...this.#rayOfCell(cells, i, j));
  }

  limitsOf(cells) {
    const between = (one, other) => angle(this.#rayOfCell(cells, ...one), this.#rayOfCell(cells, ...other)) * SLOPE;
    return { across: (i, j) => between([i, j], [i, j + 1]), down: (i, j) => between([i, j], [i + 1, j]) };
  }

  middleLimit(rows) {
    return ((2 * this.extent[1]) / rows) * SLOPE;
  }

  weightOf() {
    return 1;
  }

  #rayOfCell({ rows, columns }, i, j) {
    return this.rayOf((i + 0.5) / rows, (j + 0.5) / columns);
  }
}

function angle([a, b, c], [d, e, f]) {
  return Math.atan2(Math.hypot(b * f - c * e, c * d - a * f, a * e - b * d), a * d + b * e + c * f);
}
