// From pixels to the cells of the grid that is drawn: fewer, so that a phone keeps up.

/** A grid of inverse distances, row by row; NaN where there is no surface. */
export function cellsOf(inverses, { width, height, grid }, projection, join) {
  const columns = Math.min(grid, width);
  const rows = projection.rowsOf(columns, height);
  const limit = 1 + projection.middleLimit(rows);
  const values = new Float32Array(rows * columns);
  const block = [];
  for (let i = 0; i < rows; i++) {
    const [top, bottom] = span(i, rows, height);
    for (let j = 0; j < columns; j++) {
      const [left, right] = span(j, columns, width);
      block.length = 0;
      for (let y = top; y < bottom; y++) {
        for (let x = left; x < right; x++) {
          const value = inverses[y * width + x];
          if (value > 0) block.push(value); // not so if NaN
        }
      }
      values[i * columns + j] = block.length ? join(block, limit) : NaN;
    }
  }
  return { rows, columns, values, projection };
}

/** The nearest, where a block holds two things: a mean would float between them, and thin things would vanish. */
export function nearestOrMean(block, limit) {
  const nearest = block.reduce((one, other) => Math.max(one, other));
  const farthest = block.reduce((one, other) => Math.min(one, other));
  return nearest > farthest * limit ? nearest : mean(block);
}

export function mean(block) {
  return block.reduce((sum, value) => sum + value, 0) / block.length;
}

/** The mean of inverse distances over all that the picture shows. */
export function meanOverPicture({ rows, columns, values, projection }) {
  let sum = 0;
  let area = 0;
  for (let i = 0; i < rows; i++) {
    const weight = projection.weightOf(i, rows);
    for (let j = 0; j < columns; j++) {
      const value = values[i * columns + j];
      if (value > 0) {
        sum += weight * value;
        area += weight;
      }
    }
  }
  return sum / area;
}

function span(place, places, pixels) {
  return [Math.floor((place * pixels) / places), Math.floor(((place + 1) * pixels) / places)];
}
