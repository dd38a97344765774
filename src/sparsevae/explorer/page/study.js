// A study as the page holds it: rows, models with their codes, the chosen row.

import { unpack } from "./numbers.js";

/** The study's facts, rows and baseline from the backend. */
export async function readStudy(backend) {
  const { facts, arrays } = unpack(await backend.study());
  const size = facts.shape.reduce((a, b) => a * b, 1);
  return {
    ...facts,
    backend,
    size,
    pictures: facts.shape.length === 3,
    count: arrays.rows.shape[0],
    values: arrays.rows.data,
    labels: arrays.labels ? arrays.labels.data : null,
    baseline: {
      mean: arrays.mean.data,
      spread: arrays.spread.data,
      basis: arrays.basis.data,
      count: arrays.basis.shape[0],
    },
    loaded: new Map(),
  };
}

/** The models of one size and seed, in the order of the study. */
export function groups(study) {
  const found = new Map();
  for (const model of study.models) {
    const key = `${model.latents}-${model.seed}`;
    if (!found.has(key)) found.set(key, []);
    found.get(key).push(model);
  }
  const seeds = new Set(study.models.map((model) => model.seed));
  return [...found].map(([key, models]) => {
    const { latents, seed } = models[0];
    const size = `${latents} ${latents === 1 ? "dimension" : "dimensions"}`;
    return { key, models, title: seeds.size > 1 ? `${size}, seed ${seed}` : size };
  });
}

/** One row in the data's units. */
export function rowAt(study, place) {
  return Float32Array.from(study.values.subarray(place * study.size, (place + 1) * study.size));
}

export function classOf(study, place) {
  return study.labels ? (study.classes[study.labels[place]] ?? "") : "";
}

/** What a row is called. */
export function nameOf(study, place) {
  const name = `${study.pictures ? "Test image" : "Test row"} ${place + 1}`;
  return study.labels ? `${name}, class ${classOf(study, place)}` : name;
}

/** A model with the gates, slabs and codes of every row. */
export function loadModel(study, facts) {
  if (!study.loaded.has(facts.key)) study.loaded.set(facts.key, readModel(study, facts));
  return study.loaded.get(facts.key);
}

async function readModel(study, facts) {
  const { arrays } = unpack(await study.backend.run(facts.key));
  const gates = arrays.gates.data;
  const slabs = arrays.slabs.data;
  const codes = Float32Array.from(slabs, (slab, i) => (gates[i] > 127 ? slab : 0));
  const model = { ...facts, arrays, gates, slabs, codes, count: arrays.gates.shape[0] };
  model.reach = reaches(model);
  return model;
}

/** How far bars of each dimension reach: the largest number that occurs, 1 at least. */
function reaches(model) {
  const J = model.latents;
  const reach = new Float32Array(J).fill(1);
  for (let i = 0; i < model.slabs.length; i += 1) {
    if (model.gates[i] > 127) reach[i % J] = Math.max(reach[i % J], Math.abs(model.slabs[i]));
  }
  return reach;
}

/** Gates and slabs of a test row. */
export function codeAt(model, place) {
  const J = model.latents;
  const part = (numbers) => numbers.slice(place * J, (place + 1) * J);
  const gates = part(model.gates);
  return { on: Uint8Array.from(gates, (gate) => +(gate > 127)), slabs: part(model.slabs) };
}

/** Gates and slabs of any row, by the model's encoder. */
export async function encodeRow(study, model, row) {
  const both = await study.backend.encode(model.key, row);
  const J = model.latents;
  if (!both.every(Number.isFinite)) {
    throw new Error(`${model.title} has no finite code for this row: its numbers are too far from the data's; correct them.`);
  }
  return { on: Uint8Array.from(both.slice(0, J), (gate) => +(gate > 0.5)), slabs: both.slice(J) };
}

/** The code that gates and slabs make. */
export function joined({ on, slabs }) {
  return Float32Array.from(slabs, (slab, j) => (on[j] ? slab : 0));
}

/** Statistics of every dimension over the test rows. */
export function statistics(study, model) {
  if (model.statistics) return model.statistics;
  const { latents: J, count: N } = model;
  const K = study.labels ? study.classes.length : 0;
  const share = new Float32Array(J);
  const spread = new Float32Array(J);
  const perClass = new Float32Array(K * J);
  const inClass = new Float32Array(K);
  for (let n = 0; n < N; n += 1) {
    const k = K ? study.labels[n] : 0;
    if (K) inClass[k] += 1;
    for (let j = 0; j < J; j += 1) {
      const open = model.gates[n * J + j] > 127;
      const used = model.gated ? +open : model.codes[n * J + j];
      share[j] += +open / N;
      spread[j] += model.codes[n * J + j] ** 2 / N;
      if (K) perClass[k * J + j] += used;
    }
  }
  for (let i = 0; i < perClass.length; i += 1) perClass[i] /= inClass[Math.floor(i / J)] || 1;
  const cost = model.arrays.cost.data;
  const known = Number.isFinite(cost[0]);
  const dead = Array.from(share, (s, j) => (known ? cost[j] < DEAD_NATS : s < DEAD_SHARE));
  model.statistics = { share, spread: spread.map(Math.sqrt), perClass, cost, known, dead };
  return model.statistics;
}

const DEAD_NATS = 0.01;
const DEAD_SHARE = 0.001;

/** Test rows by their code in one dimension, largest first; only those whose gate is open. */
export function byDimension(model, j, keep = () => true) {
  const J = model.latents;
  const places = [];
  for (let n = 0; n < model.count; n += 1) {
    if (model.gates[n * J + j] > 127 && keep(n)) places.push(n);
  }
  return places.sort((a, b) => model.codes[b * J + j] - model.codes[a * J + j]);
}
