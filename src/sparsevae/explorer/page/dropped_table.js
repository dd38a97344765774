// A table in text that is dropped on the single file: its first row, or a sentence on what is wrong.

const SEPARATORS = [",", ";", "\t"];
const LISTED = 5;
const SERVED = "`sparsevae explore RUN`";

/** The first row of a table in the columns of the data. */
export function firstRow(text, { columns, shape, kinds }) {
  if (shape.length > 1) throw new Error("Rows here are images; drop an image.");
  if (kinds.length) {
    throw new Error(`This single file cannot read a table with ${kinds.join(" or ")}; ${SERVED} can.`);
  }
  const lines = text.split(/\r?\n/).filter((line) => line.trim());
  if (!lines.length) throw new Error("The file is empty; drop a table with a row of numbers.");
  const between = separatorOf(lines[0]);
  const first = fieldsOf(lines[0], between);
  const placeOf = new Map(first.map((name, place) => [name, place]));
  const missing = columns.filter((name) => !placeOf.has(name));
  const byName = columns.length > 0 && !missing.length; // also where all names are numbers
  const header = byName || !first.some(isNumber);
  if (header && !byName && columns.length) {
    const some = missing.slice(0, LISTED).map((name) => `'${name}'`);
    const more = missing.length > LISTED ? ` and ${missing.length - LISTED} more` : "";
    throw new Error(`The file lacks columns of the data (${some.join(", ")}${more}); name them in its first line.`);
  }
  if (header && lines.length < 2) throw new Error("The file holds names and no row; write one below them.");
  const fields = header ? fieldsOf(lines[1], between) : first;
  const expected = byName ? first.length : shape[0];
  if (fields.length !== expected) {
    throw new Error(`Row 1 of the file has ${fields.length} fields and not ${expected}; give each column a number.`);
  }
  return Float32Array.from({ length: shape[0] }, (_, i) => {
    const place = byName ? placeOf.get(columns[i]) : i;
    return numberIn(fields[place], columns[i] ?? `x${i}`);
  });
}

/** The separator that makes most fields of a line. */
function separatorOf(line) {
  const counts = SEPARATORS.map((between) => fieldsOf(line, between).length);
  return SEPARATORS[counts.indexOf(Math.max(...counts))];
}

/** The fields of a line without their quotes; a separator in quotes is part of its field. */
function fieldsOf(line, between) {
  const fields = [""];
  line.split('"').forEach((part, place) => {
    const pieces = place % 2 ? [part] : part.split(between);
    pieces.forEach((piece, i) => {
      if (i) fields.push("");
      fields[fields.length - 1] += piece;
    });
  });
  return fields.map((field) => field.trim());
}

const isNumber = (field) => field !== "" && Number.isFinite(Math.fround(Number(field)));

function numberIn(field, name) {
  if (field === "") {
    throw new Error(`Row 1 of the file is empty in the column '${name}'; write a number, or drop it on ${SERVED}, which fills gaps where the model can.`);
  }
  if (!isNumber(field)) {
    throw new Error(`Row 1 of the file holds '${field.slice(0, 40)}' in the column '${name}', which is not a finite number; give one.`);
  }
  return Number(field);
}
