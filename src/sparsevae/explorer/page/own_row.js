// A row of one's own as text for the address: 8 bits a pixel or 32 a column, deflated, base64url.

const LONGEST = 6000; // characters; browsers and mail programs keep addresses of this length whole
const STEPS = 255;

/** The text of a row, or "" where it is too long for an address. */
export async function rowText(study, row) {
  const bytes = study.pictures ? pixels(study, row) : new Uint8Array(Float32Array.from(row).buffer);
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  const packed = new Uint8Array(await new Response(stream).arrayBuffer());
  if (packed.length > (LONGEST * 3) / 4) return "";
  return btoa(String.fromCharCode(...packed)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
}

/** The row that a text stands for. */
export async function textRow(study, text) {
  const wrong = new Error("The address holds no row of these data: it was cut, or is of other data.");
  if (text.length > LONGEST || !/^[\w-]+$/.test(text)) throw wrong;
  const bytes = await inflated(text, study.size * (study.pictures ? 1 : 4)).catch(() => null);
  if (!bytes) throw wrong;
  if (!study.pictures) {
    const row = new Float32Array(bytes.buffer);
    if (!row.every(Number.isFinite)) throw wrong;
    return row;
  }
  return Float32Array.from(bytes, (step) => study.low + (step / STEPS) * (study.high - study.low));
}

function pixels(study, row) {
  const scale = STEPS / (study.high - study.low || 1);
  return Uint8ClampedArray.from(row, (value) => (value - study.low) * scale);
}

/** Exactly `size` bytes; no more is ever unpacked, whatever the text claims. */
async function inflated(text, size) {
  const packed = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  const given = Uint8Array.from(packed, (letter) => letter.charCodeAt(0));
  const stream = new Blob([given]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const reader = stream.getReader();
  const bytes = new Uint8Array(size);
  let filled = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return filled === size ? bytes : null;
    if (filled + value.length > size) {
      await reader.cancel();
      return null;
    }
    bytes.set(value, filled);
    filled += value.length;
  }
}
