import { generateKeyPairSync, randomBytes } from 'node:crypto';

/** What `JWT_PRIVATE_KEY` and one member of `JWT_PUBLIC_KEYS` hold. */
export interface KeyPair {
  kid: string;
  privatePem: string;
  publicPem: string;
}

/** PEM on one line, as it fits into a variable. */
export function keyPair(algorithm: 'RS256' | 'ES256'): KeyPair {
  const { privateKey, publicKey } =
    algorithm === 'RS256'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const oneLine = (pem: string | Buffer) => pem.toString().replaceAll('\n', '\\n');
  return {
    kid: randomBytes(4).toString('hex'),
    privatePem: oneLine(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    publicPem: oneLine(publicKey.export({ type: 'spki', format: 'pem' })),
  };
}
