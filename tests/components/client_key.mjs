// Makes the key of a made-up client: node client_key.mjs FILE ES384|RS384
//
// FILE gets the private key as PEM, readable by its owner alone; the public key is printed as a JWKS with kid "k1".
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';

const [file, alg] = process.argv.slice(2);
const { publicKey, privateKey } = alg === 'ES384'
  ? generateKeyPairSync('ec', { namedCurve: 'P-384' })
  : generateKeyPairSync('rsa', { modulusLength: 2048 });
writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
console.log(JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k1', use: 'sig', alg }] }));
