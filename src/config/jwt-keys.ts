import { createHash, createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import { z } from 'zod';

export type JwtAlgorithm = 'HS256' | 'RS256' | 'ES256';

export interface JwtKeys {
  algorithm: JwtAlgorithm;
  /** Key that signs, and the `kid` that its tokens carry. */
  signing: { kid: string; key: KeyObject };
  /** Keys that verify, by `kid`: the signing key's own and those of tokens still in circulation. */
  verifying: ReadonlyMap<string, KeyObject>;
}

/** The settings of the keys, as text. */
export interface JwtSettings {
  JWT_SECRET?: string | undefined;
  JWT_PRIVATE_KEY?: string | undefined;
  JWT_PUBLIC_KEYS?: string | undefined;
}

/** A key cannot be used. The message never holds the key. */
export class JwtKeyError extends Error {
  override readonly name = 'JwtKeyError';

  constructor(
    readonly setting: keyof JwtSettings,
    readonly expected: string,
    readonly got: string,
  ) {
    super(`${setting}: expected ${expected}, got ${got}`);
  }
}

/** RFC 7518 section 3.3; the library refuses to sign with a shorter one. */
const MIN_RSA_BITS = 2048;

/** @throws {JwtKeyError} */
export function readJwtKeys(settings: JwtSettings): JwtKeys {
  const { JWT_SECRET: secret, JWT_PRIVATE_KEY: privatePem } = settings;
  // Read in any case: a mistake in them is one also while nothing needs them.
  const verifying = readPublicKeys(settings.JWT_PUBLIC_KEYS);
  if (privatePem !== undefined)
    return withKeyPair(readPem('JWT_PRIVATE_KEY', privatePem, createPrivateKey), verifying);
  if (secret === undefined)
    throw new JwtKeyError(
      'JWT_SECRET',
      'at least 32 bytes (or JWT_PRIVATE_KEY and JWT_PUBLIC_KEYS)',
      'nothing',
    );
  const key = createSecretKey(Buffer.from(secret));
  const kid = createHash('sha256').update('kid').update(secret).digest('hex').slice(0, 8);
  return { algorithm: 'HS256', signing: { kid, key }, verifying: new Map([[kid, key]]) };
}

function withKeyPair(key: KeyObject, verifying: ReadonlyMap<string, KeyObject>): JwtKeys {
  const algorithm = algorithmOf(key);
  if (algorithm === undefined)
    throw new JwtKeyError(
      'JWT_PRIVATE_KEY',
      `an RSA key of ${MIN_RSA_BITS} bits or more, or a P-256 key`,
      kindOf(key),
    );
  const own = createPublicKey(key);
  const kid = [...verifying].find(([, candidate]) => candidate.equals(own))?.[0];
  if (kid === undefined) {
    const expected = 'a JSON object {"<kid>": "<PEM>"} that holds the public key of JWT_PRIVATE_KEY';
    throw new JwtKeyError('JWT_PUBLIC_KEYS', expected, 'none that matches');
  }
  // A token names its algorithm, and one is taken.
  const other = [...verifying.values()].find((candidate) => algorithmOf(candidate) !== algorithm);
  if (other !== undefined)
    throw new JwtKeyError('JWT_PUBLIC_KEYS', `keys for ${algorithm}, as JWT_PRIVATE_KEY is`, kindOf(other));
  return { algorithm, signing: { kid, key }, verifying };
}

function readPublicKeys(json: string | undefined): Map<string, KeyObject> {
  const keys = new Map<string, KeyObject>();
  if (json === undefined) return keys;
  const parsed = z.record(z.string().min(1), z.string()).safeParse(readJson(json));
  if (!parsed.success)
    throw new JwtKeyError('JWT_PUBLIC_KEYS', 'a JSON object {"<kid>": "<PEM>"}', 'something else');
  for (const [kid, pem] of Object.entries(parsed.data))
    keys.set(kid, readPem('JWT_PUBLIC_KEYS', pem, createPublicKey));
  return keys;
}

function readJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function readPem(setting: keyof JwtSettings, pem: string, read: (pem: string) => KeyObject): KeyObject {
  try {
    // A setting of one line has them in two characters.
    return read(pem.replaceAll('\\n', '\n'));
  } catch {
    throw new JwtKeyError(setting, 'a PEM key', 'something unreadable');
  }
}

function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): JwtAlgorithm | undefined {
  if (asymmetricKeyType === 'rsa')
    return (asymmetricKeyDetails?.modulusLength ?? 0) >= MIN_RSA_BITS ? 'RS256' : undefined;
  return asymmetricKeyType === 'ec' && asymmetricKeyDetails?.namedCurve === 'prime256v1'
    ? 'ES256'
    : undefined;
}

function kindOf({ asymmetricKeyType, asymmetricKeyDetails = {} }: KeyObject): string {
  const { modulusLength, namedCurve } = asymmetricKeyDetails;
  return [asymmetricKeyType, namedCurve, modulusLength && `${modulusLength} bits`].filter(Boolean).join(' ');
}
