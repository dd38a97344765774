// The page as one file: the same calls, answered here by the models' programs.

import { denoised } from "./denoiser.js";
import { complain } from "./dom.js";
import { firstRow } from "./dropped_table.js";
import { start } from "./main.js";
import { unpack } from "./numbers.js";

const sessions = new Map();
let runtime = null;

/** A block of the file, unpacked. */
async function block(name) {
  const element = document.getElementById(`block-${name}`);
  const text = atob(element.textContent);
  element.remove();
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

/** Start the runtime once: its program from the file, one thread, nothing loaded. */
async function ready() {
  if (!runtime) {
    runtime = (async () => {
      const [program, module] = await Promise.all([block("runtime"), block("runtime-module")]);
      ort.env.wasm.wasmBinary = program;
      ort.env.wasm.numThreads = 1;
      ort.env.wasm.wasmPaths = {
        mjs: URL.createObjectURL(new Blob([module], { type: "text/javascript" })),
      };
      ort.env.logLevel = "error";
    })();
  }
  return runtime;
}

function session(key, name) {
  const id = `${key}-${name}`;
  if (!sessions.has(id)) {
    const made = (async () => {
      await ready();
      const content = new Uint8Array(await block(id));
      return ort.InferenceSession.create(content, { executionProviders: ["wasm"] });
    })();
    sessions.set(id, made);
  }
  return sessions.get(id);
}

let last = Promise.resolve();

/** Run a program on float32 numbers, one run at a time. */
function run(key, name, numbers, row, output) {
  const answer = last.then(async () => {
    const made = await session(key, name);
    const size = row.reduce((a, b) => a * b, 1);
    const input = new ort.Tensor("float32", numbers, [numbers.length / size, ...row]);
    const found = await made.run({ input });
    return found[output].data;
  });
  last = answer.catch(() => {});
  return answer;
}

let facts = null;

async function study() {
  const content = await block("study");
  const length = new DataView(content).getUint32(0, true);
  facts = JSON.parse(new TextDecoder().decode(new Uint8Array(content, 4, length))).facts;
  return content;
}

const codeShape = (key) => [facts.models.find((model) => model.key === key).latents];

/** Gates then slabs, as the server gives them: (2, N, J). */
async function encode(key, rows) {
  const both = await run(key, "posterior", rows, facts.shape, "both");
  const [J] = codeShape(key);
  const count = both.length / (2 * J);
  const sorted = new Float32Array(both.length);
  for (let n = 0; n < count; n += 1) {
    sorted.set(both.subarray(2 * n * J, (2 * n + 1) * J), n * J);
    sorted.set(both.subarray((2 * n + 1) * J, (2 * n + 2) * J), (count + n) * J);
  }
  return sorted;
}

const decode = (key, codes) => run(key, "decoder", codes, codeShape(key), "rows");
const denoisers = new Map();

/** A noisy row without its noise, σ given for every element. */
async function denoise(key, row, sigmas) {
  if (!denoisers.has(key)) denoisers.set(key, block(`${key}-denoiser`).then(unpack));
  const [J] = codeShape(key);
  const both = await encode(key, row);
  const code = Float32Array.from(both.subarray(J), (slab, j) => (both[j] > 0.5 ? slab : 0));
  return denoised(await denoisers.get(key), row, await decode(key, code), sigmas);
}

/** Rows of a file that was dropped: an image, or numbers in text. */
async function upload(kind, content) {
  if (kind === "image") return { rows: await readImage(content), notes: [] };
  if (kind === "npy") throw new Error("This file of the explorer reads images and tables in text only.");
  const text = new TextDecoder().decode(content.slice(0, 2 ** 22));
  return { rows: firstRow(text, facts), notes: [] };
}

async function readImage(content) {
  const [channels, height, width] = facts.shape;
  if (facts.shape.length !== 3 || ![1, 3].includes(channels)) {
    throw new Error("Rows here are no grey or colour images; drop a table instead.");
  }
  const bitmap = await createImageBitmap(new Blob([content])).catch(() => {
    throw new Error("The file cannot be read as an image; drop another one.");
  });
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.imageSmoothingQuality = "high";
  pen.drawImage(bitmap, 0, 0, width, height);
  const { data } = pen.getImageData(0, 0, width, height);
  const plane = width * height;
  const row = new Float32Array(channels * plane);
  for (let i = 0; i < row.length; i += 1) {
    const at = 4 * (i % plane);
    const grey = 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2];
    const level = channels === 1 ? grey : data[at + Math.floor(i / plane)];
    row[i] = facts.low + (level / 255) * (facts.high - facts.low);
  }
  return row;
}

window.addEventListener("unhandledrejection", (event) => complain(event.reason));
start({
  study,
  run: (key) => block(key),
  encode,
  decode,
  denoise,
  costs: (key, codes) => run(key, "decoder", codes, codeShape(key), "nats"),
  upload,
});
