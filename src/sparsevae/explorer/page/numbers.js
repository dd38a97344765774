// Messages of arrays, seeded draws, and the small sums that views need.

const READERS = {
  float32: Float32Array,
  float16: Uint16Array,
  uint8: Uint8Array,
  int32: Int32Array,
};

/** Facts and arrays of one message; see packing.py. Arrays become {data, shape}. */
export function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const start = Math.ceil((4 + length) / 8) * 8;
  const arrays = {};
  for (const { name, dtype, shape, offset } of header.arrays) {
    const count = shape.reduce((a, b) => a * b, 1);
    const raw = new READERS[dtype](buffer, start + offset, count);
    arrays[name] = { data: dtype === "float16" ? halves(raw) : raw, shape };
  }
  return { facts: header.facts, arrays };
}

/** float16 bits as float32 numbers. */
function halves(bits) {
  const numbers = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i += 1) {
    const exponent = (bits[i] >> 10) & 31;
    const fraction = bits[i] & 1023;
    const sign = bits[i] & 32768 ? -1 : 1;
    if (exponent === 0) numbers[i] = sign * fraction * 2 ** -24;
    else numbers[i] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  return numbers;
}

/** Uniform draws in [0, 1) that depend on a seed alone (mulberry32). */
export function uniforms(seed) {
  let state = (seed * 2654435761) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Standard normal draws that depend on a seed alone (Box and Muller). */
export function normals(seed) {
  const uniform = uniforms(seed);
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

/** Codes from a prior, with given gates (0 or 1 a dimension) or its own. */
export function drawCodes(model, count, seed, gates) {
  const [weights, logits, loc, scale] = ["weights", "logits", "loc", "scale"].map(
    (name) => model.arrays[`prior_${name}`].data,
  );
  const J = model.latents;
  const uniform = uniforms(seed);
  const normal = normals(seed + 7919);
  const shares = gates ? posteriorWeights(weights, logits, gates) : weights;
  const codes = new Float32Array(count * J);
  for (let n = 0; n < count; n += 1) {
    const u = pick(shares, uniform());
    for (let j = 0; j < J; j += 1) {
      const k = u * J + j;
      const on = gates ? gates[j] : uniform() < 1 / (1 + Math.exp(-logits[k]));
      const value = loc[k] + scale[k] * normal();
      codes[n * J + j] = on ? value : 0;
    }
  }
  return codes;
}

/** How likely each component of a prior is, given which gates are open. */
function posteriorWeights(weights, logits, gates) {
  const J = gates.length;
  const logs = Array.from(weights, (weight, u) => {
    let sum = Math.log(weight);
    for (let j = 0; j < J; j += 1) {
      const l = gates[j] ? logits[u * J + j] : -logits[u * J + j];
      sum -= l > -30 ? Math.log1p(Math.exp(-l)) : -l;
    }
    return sum;
  });
  const most = largest(logs);
  const raw = logs.map((log) => Math.exp(log - most));
  const total = raw.reduce((a, b) => a + b, 0);
  return raw.map((share) => share / total);
}

function pick(shares, uniform) {
  let rest = uniform;
  for (let u = 0; u < shares.length; u += 1) {
    rest -= shares[u];
    if (rest < 0) return u;
  }
  return shares.length - 1;
}

/** Mean squared difference of two rows, each element in units of its spread. */
export function meanSquaredError(a, b, spread) {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += ((a[i] - b[i]) / spread[i]) ** 2;
  return sum / a.length;
}

/** A row rebuilt from its first `count` principal components. */
export function principal(row, baseline, count) {
  const { mean, spread, basis } = baseline;
  const D = row.length;
  const centred = Float32Array.from(row, (value, i) => (value - mean[i]) / spread[i]);
  const rebuilt = new Float32Array(D);
  for (let k = 0; k < count; k += 1) {
    let along = 0;
    for (let i = 0; i < D; i += 1) along += basis[k * D + i] * centred[i];
    for (let i = 0; i < D; i += 1) rebuilt[i] += along * basis[k * D + i];
  }
  return rebuilt.map((value, i) => mean[i] + spread[i] * value);
}

/** A row with σ times normal noise on each element, σ in units of its spread. */
export function noisy(row, spread, sigma, seed) {
  const normal = normals(seed + 1);
  return Float32Array.from(row, (value, i) => value + sigma * spread[i] * normal());
}

/** The rows whose codes are nearest (Euclid), nearest first. */
export function nearest(model, code, count) {
  const J = model.latents;
  const distances = new Float32Array(model.count);
  for (let n = 0; n < model.count; n += 1) {
    let sum = 0;
    for (let j = 0; j < J; j += 1) sum += (model.codes[n * J + j] - code[j]) ** 2;
    distances[n] = sum;
  }
  return order(distances).slice(0, count);
}

/** Places of numbers from the smallest to the largest. */
export function order(numbers) {
  return Array.from(numbers.keys()).sort((a, b) => numbers[a] - numbers[b]);
}

/** The largest of many numbers, as an argument of Math.max each they would not fit the stack. */
export const largest = (numbers, least = -Infinity) => numbers.reduce((a, b) => Math.max(a, b), least);

export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** A number in as many digits as a person reads. */
export function brief(value) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e6)) return value.toExponential(1);
  if (Number.isInteger(value) && size < 1e6) return String(value).replace("-", "−");
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return value.toFixed(digits).replace("-", "−");
}
