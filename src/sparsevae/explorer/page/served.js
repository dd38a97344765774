// The page with a server behind it: the token comes in the address and goes into a header.

import { start } from "./main.js";
import { unpack } from "./numbers.js";

const STORED = "sparsevae-explorer-token";
const GIVEN = /^#token=([\w-]+)$/;

function token() {
  const given = GIVEN.exec(location.hash);
  if (given) history.replaceState(null, "", location.pathname);
  return given?.[1] ?? localStorage.getItem(STORED) ?? "";
}

async function ask(path, body) {
  const headers = { "X-Explorer-Token": TOKEN };
  if (body) headers["Content-Type"] = "application/octet-stream";
  let answer;
  try {
    answer = await fetch(`/api/${path}`, { method: body ? "POST" : "GET", headers, body });
  } catch {
    throw new Error("The explorer no longer runs: start it again with the same command.");
  }
  if (!answer.ok) throw new Error(await answer.text());
  return answer.arrayBuffer();
}

const TOKEN = token();
const numbers = async (path, body) => new Float32Array(await ask(path, body));

/** Two rows as one body. */
function both(row, sigmas) {
  const body = new Float32Array(row.length + sigmas.length);
  body.set(row);
  body.set(sigmas, row.length);
  return body;
}

/** The study's message; only a token that opens it is kept, for a link elsewhere may carry any. */
async function study() {
  const message = await ask("study");
  localStorage.setItem(STORED, TOKEN);
  return message;
}

async function upload(kind, content) {
  const { facts, arrays } = unpack(await ask(`upload/${kind}`, content));
  return { rows: arrays.rows.data, notes: facts.notes };
}

// the address of a command that was started again differs from this one in its hash alone
window.addEventListener("hashchange", (event) => {
  if (!GIVEN.test(location.hash)) return;
  event.stopImmediatePropagation();
  location.reload();
});

start({
  study,
  run: (key) => ask(`runs/${key}`),
  encode: (key, rows) => numbers(`runs/${key}/encode`, rows),
  decode: (key, codes) => numbers(`runs/${key}/decode`, codes),
  costs: (key, codes) => numbers(`runs/${key}/costs`, codes),
  denoise: (key, row, sigmas) => numbers(`runs/${key}/denoise`, both(row, sigmas)),
  upload,
});
