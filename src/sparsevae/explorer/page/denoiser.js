// A row without its noise, here in the page: the estimate of sparsevae's evaluation/denoising.py.

const STEPS = 40; // of conjugate gradients
const ENOUGH = 1e-6; // of the first remainder's square
const LEAST = 1e-6;

/**
 * x̂ = f + b + Cov(R, R + E) Cov(R + E, R + E)⁻¹ (y − f − a − b), all in the data's units.
 *
 * known holds facts (levels, unit) and arrays: edges, curves (S, 5, K), residual (D, Q), noise (D, Q),
 * own (2, D), shift (D), scale (D).
 */
export function denoised(known, row, decoded, sigmas) {
  const { facts, arrays } = known;
  const shift = arrays.shift.data;
  const scale = arrays.scale.data;
  const y = row.map((value, i) => (value - shift[i]) / scale[i]);
  const f = decoded.map((value, i) => (value - shift[i]) / scale[i]);
  const spread = sigmas.map((sigma, i) => sigma / scale[i]);
  const level = Math.sqrt(spread.reduce((sum, s) => sum + s * s, 0) / spread.length);
  if (level === 0) return row;
  const parts = moments(facts.levels, arrays, f, level, spread);
  const x = estimate(parts, arrays, y, f);
  return Float32Array.from(x, (value, i) => {
    const inside = facts.unit ? Math.min(1, Math.max(0, value)) : value;
    return shift[i] + scale[i] * inside;
  });
}

/** The curves b, d, a, w and c at every element, mixed between two levels of noise. */
function moments(levels, arrays, f, level, spread) {
  const D = f.length;
  const K = arrays.curves.shape[2];
  const inside = Math.min(levels.at(-1), Math.max(levels[0], level));
  let upper = levels.findIndex((one) => one >= inside);
  if (upper < 0) upper = levels.length - 1;
  const lower = Math.max(0, upper - 1);
  const share = upper === lower ? 0 : (inside - levels[lower]) / (levels[upper] - levels[lower]);
  const at = (curve, k) => {
    const low = arrays.curves.data[(lower * 5 + curve) * K + k];
    return low + share * (arrays.curves.data[(upper * 5 + curve) * K + k] - low);
  };
  const out = { b: new Float64Array(D), d: new Float64Array(D), a: new Float64Array(D), w: new Float64Array(D), c: new Float64Array(D) };
  const ratio = level / inside;
  for (let i = 0; i < D; i += 1) {
    const k = bin(arrays.edges.data, f[i]);
    const own = spread[i] / level;
    out.b[i] = at(0, k);
    out.d[i] = at(1, k);
    out.a[i] = at(2, k) * ratio * own;
    out.w[i] = at(3, k) * ratio * own;
    out.c[i] = at(4, k);
  }
  return out;
}

/** How many edges lie below a value. */
function bin(edges, value) {
  let low = 0;
  let high = edges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (edges[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function estimate({ b, d, a, w, c }, arrays, y, f) {
  const residual = arrays.residual.data;
  const noise = arrays.noise.data;
  const own = arrays.own.data;
  const [D, Q] = arrays.residual.shape;
  const mixed = new Float64Array(D);
  const diagonal = new Float64Array(D);
  for (let i = 0; i < D; i += 1) {
    let common = 0;
    for (let q = 0; q < Q; q += 1) common += residual[i * Q + q] * noise[i * Q + q];
    const most = 0.999 * Math.sqrt(own[i] * own[D + i]);
    mixed[i] = d[i] * w[i] * Math.min(most, Math.max(-most, c[i] - common));
    diagonal[i] = Math.max(LEAST, d[i] ** 2 * own[i] + w[i] ** 2 * own[D + i] + 2 * mixed[i]);
  }
  const factors = (u) => {
    const sum = new Float64Array(Q);
    for (let i = 0; i < D; i += 1) {
      const r = d[i] * u[i];
      const e = w[i] * u[i];
      for (let q = 0; q < Q; q += 1) sum[q] += r * residual[i * Q + q] + e * noise[i * Q + q];
    }
    return sum;
  };
  const spreadOut = (sum, i, weights) => {
    let total = 0;
    for (let q = 0; q < Q; q += 1) total += sum[q] * weights[i * Q + q];
    return total;
  };
  const covariance = (u) => {
    const sum = factors(u);
    return u.map((value, i) => d[i] * spreadOut(sum, i, residual) + w[i] * spreadOut(sum, i, noise) + diagonal[i] * value);
  };
  const right = Float64Array.from(y, (value, i) => value - f[i] - a[i] - b[i]);
  const u = solved(covariance, right, diagonal);
  const sum = factors(u);
  return Float64Array.from(f, (value, i) => value + b[i] + d[i] * spreadOut(sum, i, residual) + (d[i] ** 2 * own[i] + mixed[i]) * u[i]);
}

/** The solution of a symmetric system by conjugate gradients. */
function solved(matrix, right, diagonal) {
  const dot = (p, q) => p.reduce((sum, value, i) => sum + value * q[i], 0);
  const solution = new Float64Array(right.length);
  const left = Float64Array.from(right);
  let scaled = left.map((value, i) => value / diagonal[i]);
  const direction = Float64Array.from(scaled);
  let product = dot(left, scaled);
  const enough = ENOUGH * product;
  for (let step = 0; step < STEPS && product > enough; step += 1) {
    const moved = matrix(direction);
    const length = product / dot(direction, moved);
    for (let i = 0; i < right.length; i += 1) {
      solution[i] += length * direction[i];
      left[i] -= length * moved[i];
    }
    scaled = left.map((value, i) => value / diagonal[i]);
    const after = dot(left, scaled);
    for (let i = 0; i < right.length; i += 1) direction[i] = scaled[i] + (after / product) * direction[i];
    product = after;
  }
  return solution;
}
