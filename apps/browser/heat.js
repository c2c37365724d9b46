// From raw class maps to pictures and numbers: ReLU, upsampling, min-max, as chapter 05 has it.

/** The raw map of one class, minus that of a second one where it is given: rows x columns. */
export function rawMap({ maps, rows, columns }, first, second = null) {
  const cells = rows * columns;
  const raw = maps.slice(first * cells, (first + 1) * cells);
  if (second !== null) for (let i = 0; i < cells; i++) raw[i] -= maps[second * cells + i];
  return raw;
}

/** ReLU, then bilinear upsampling with the cells' centres aligned, then min-max; (side, side). */
export function heatMap(raw, rows, columns, side) {
  const heat = new Float32Array(side * side);
  const rectified = raw.map((value) => Math.max(value, 0));
  const [down, downShare] = positions(rows, side);
  const [across, acrossShare] = positions(columns, side);
  let low = Infinity;
  let high = -Infinity;
  for (let y = 0; y < side; y++) {
    const above = down[y] * columns;
    const below = Math.min(down[y] + 1, rows - 1) * columns;
    for (let x = 0; x < side; x++) {
      const left = across[x];
      const right = Math.min(left + 1, columns - 1);
      const share = acrossShare[x];
      const upper = rectified[above + left] * (1 - share) + rectified[above + right] * share;
      const lower = rectified[below + left] * (1 - share) + rectified[below + right] * share;
      const value = upper * (1 - downShare[y]) + lower * downShare[y];
      heat[y * side + x] = value;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  const empty = high <= 0;
  const range = high - low;
  for (let i = 0; i < heat.length; i++) heat[i] = empty || range === 0 ? 0 : (heat[i] - low) / range;
  return { heat, empty };
}

function positions(cells, side) {
  const first = new Int32Array(side);
  const share = new Float32Array(side);
  for (let i = 0; i < side; i++) {
    const place = Math.min(Math.max(((i + 0.5) * cells) / side - 0.5, 0), cells - 1);
    first[i] = Math.min(Math.floor(place), cells - 1);
    share[i] = place - first[i];
  }
  return [first, share];
}

/** The picture without its colours, RGBA. */
export function inGrey(picture) {
  const grey = new Uint8ClampedArray(picture);
  for (let i = 0; i < grey.length; i += 4) {
    grey[i] = grey[i + 1] = grey[i + 2] = 0.299 * picture[i] + 0.587 * picture[i + 1] + 0.114 * picture[i + 2];
  }
  return grey;
}

/** The picture with the heat over it, the more transparent the lower it is. */
export function overlay(picture, heat, table, opacity) {
  const drawn = new Uint8ClampedArray(picture);
  for (let i = 0; i < heat.length; i++) {
    const level = 3 * Math.round(heat[i] * 255);
    const share = heat[i] * opacity;
    const rest = 1 - share;
    drawn[4 * i] = picture[4 * i] * rest + table[level] * share;
    drawn[4 * i + 1] = picture[4 * i + 1] * rest + table[level + 1] * share;
    drawn[4 * i + 2] = picture[4 * i + 2] * rest + table[level + 2] * share;
  }
  return drawn;
}

/** The box around the largest connected part with at least `fraction` of the maximum, or null. */
export function boxOfLargest(heat, side, fraction) {
  const seen = new Uint8Array(heat.length);
  let best = null;
  for (let start = 0; start < heat.length; start++) {
    if (seen[start] || heat[start] < fraction || heat[start] === 0) continue;
    const part = { cells: 0, x0: side, y0: side, x1: 0, y1: 0 };
    const pending = [start];
    seen[start] = 1;
    while (pending.length) {
      const cell = pending.pop();
      const x = cell % side;
      const y = (cell - x) / side;
      part.cells++;
      part.x0 = Math.min(part.x0, x);
      part.y0 = Math.min(part.y0, y);
      part.x1 = Math.max(part.x1, x + 1);
      part.y1 = Math.max(part.y1, y + 1);
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        const [nx, ny] = [x + dx, y + dy];
        if (nx < 0 || ny < 0 || nx >= side || ny >= side) continue;
        const next = ny * side + nx;
        if (!seen[next] && heat[next] >= fraction) {
          seen[next] = 1;
          pending.push(next);
        }
      }
    }
    if (best === null || part.cells > best.cells) best = part;
  }
  return best;
}

/** Shares of the heat by quarter: upper left, upper right, lower left, lower right; null if empty. */
export function quarters(heat, side) {
  const shares = [0, 0, 0, 0];
  const half = side / 2;
  for (let i = 0; i < heat.length; i++) {
    const x = i % side;
    shares[(i >= half * side ? 2 : 0) + (x >= half ? 1 : 0)] += heat[i];
  }
  const total = shares.reduce((a, b) => a + b, 0);
  return total > 0 ? shares.map((share) => share / total) : null;
}

/** Energy of the heat in a mask (bytes, 0 or 255 in every fourth), the mask's area, and pointing. */
export function inMask(heat, mask) {
  let [inside, total, area, peak] = [0, 0, 0, 0];
  for (let i = 0; i < heat.length; i++) {
    const on = mask[4 * i] > 127;
    total += heat[i];
    if (on) [inside, area] = [inside + heat[i], area + 1];
    if (heat[i] > heat[peak]) peak = i;
  }
  return { energy: total > 0 ? inside / total : null, area: area / heat.length, hit: total > 0 && mask[4 * peak] > 127 };
}

const NAMES = ["upper left", "upper right", "lower left", "lower right"];

/** Where the heat is, in words, for those who do not see it. */
export function inWords(heat, side) {
  const shares = quarters(heat, side);
  if (shares === null) return "the map is empty: no cell speaks for this class";
  const order = shares.map((share, i) => [share, NAMES[i]]).sort((a, b) => b[0] - a[0]);
  const percent = (share) => `${Math.round(share * 100)} %`;
  if (order[0][0] < 0.35) return `the heat is spread over the whole picture, most of it ${order[0][1]} (${percent(order[0][0])})`;
  return `${percent(order[0][0])} of the heat is ${order[0][1]}, ${percent(order[1][0])} ${order[1][1]}`;
}
