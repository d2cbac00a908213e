// A token server for SMART Backend Services: npm oidc-provider, with one client that proves itself by a signed assertion.
//
//   node token_server.mjs NODE_MODULES SETTINGS
//
// SETTINGS is a JSON file: { port, lifetime_seconds, client_id, tenants, jwks, scope, resource }. Each of `tenants` has a
// client of its own, client_id-tenant, whose tokens say `tenant_id`. `jwks` has the client's public
// keys, `resource` is the base URL of the FHIR server that the tokens are for. Tokens are JWT signed RS384; their keys are
// at /jwks. A scope that is not in `scope` is left out of the token without a word, as RFC 6749 allows.
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [modules, file] = process.argv.slice(2);
const settings = JSON.parse(readFileSync(file, 'utf8'));
const entry = createRequire(path.join(modules, 'of-the-tests.cjs')).resolve('oidc-provider');
const { default: Provider } = await import(pathToFileURL(entry));

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const signing = { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS384', kid: 'token-1' };
const algorithms = ['ES384', 'RS384'];

const provider = new Provider(`http://127.0.0.1:${settings.port}`, {
  jwks: { keys: [signing] },
  scopes: settings.scope.split(' '),
  clients: [settings.client_id, ...settings.tenants.map((tenant) => `${settings.client_id}-${tenant}`)].map((id) => ({
    client_id: id,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    scope: settings.scope,
    jwks: settings.jwks,
    token_endpoint_auth_method: 'private_key_jwt',
    id_token_signed_response_alg: 'RS384',
  })),
  extraTokenClaims: (ctx) => {
    const tenant = settings.tenants.find((one) => ctx.oidc.client.clientId === `${settings.client_id}-${one}`);
    return tenant && { tenant_id: tenant };
  },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => settings.resource,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: settings.scope, audience: settings.resource, accessTokenFormat: 'jwt',
        accessTokenTTL: settings.lifetime_seconds, jwt: { sign: { alg: 'RS384' } },
      }),
    },
  },
  enabledJWA: { clientAuthSigningAlgValues: algorithms, idTokenSigningAlgValues: ['RS384'] },
  ttl: { ClientCredentials: settings.lifetime_seconds },
});
provider.listen(settings.port, '127.0.0.1');
