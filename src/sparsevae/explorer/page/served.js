// The page with a server behind it: the token comes in the address and goes into a header.

import { start } from "./main.js";

const STORED = "sparsevae-explorer-token";

function token() {
  const given = /^#token=([\w-]+)$/.exec(location.hash);
  if (given) {
    localStorage.setItem(STORED, given[1]);
    history.replaceState(null, "", location.pathname);
  }
  return localStorage.getItem(STORED) ?? "";
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

start({
  study: () => ask("study"),
  run: (key) => ask(`runs/${key}`),
  encode: (key, rows) => numbers(`runs/${key}/encode`, rows),
  decode: (key, codes) => numbers(`runs/${key}/decode`, codes),
  costs: (key, codes) => numbers(`runs/${key}/costs`, codes),
  denoise: (key, row, sigmas) => numbers(`runs/${key}/denoise`, both(row, sigmas)),
  upload: (kind, content) => numbers(`upload/${kind}`, content),
});
