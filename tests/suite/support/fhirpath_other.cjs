// Answers FHIRPath questions with another engine: NDJSON in (expression, and the resource where it changes), a line
// with the items or the error out. Dates and quantities come as texts, parts of resources as JSON with sorted keys.
const fhirpath = require('fhirpath');
const r4 = require('fhirpath/fhir-context/r4');
const readline = require('node:readline');

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
}

let resource = null;
readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const asked = JSON.parse(line);
  if (asked.raw !== undefined) resource = JSON.parse(asked.raw);
  try {
    const items = fhirpath.evaluate(resource, asked.expression, {}, r4, { traceFn: () => {} });
    const texts = items.map((item) => (typeof item === 'object' ? JSON.stringify(sorted(item)) : String(item)));
    process.stdout.write(JSON.stringify({ items: texts }) + '\n');
  } catch (error) {
    process.stdout.write(JSON.stringify({ error: String(error.message) }) + '\n');
  }
});
