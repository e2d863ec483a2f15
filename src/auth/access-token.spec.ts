import { describe, expect, it } from '@jest/globals';
import { readHeader, requireClaims, requireTokenForm } from './access-token.js';

const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url');
const codeOf = (work: () => unknown) => {
  try {
    work();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'accepted';
};

describe('requireTokenForm', () => {
  it.each([
    '',
    ' ',
    '\t\n',
    'null',
    'undefined',
    'token_placeholder',
    'a.b',
    'a.b.c.d',
    'a..c',
    'a.b.',
    'a.b.c+',
    'a b.c.d',
  ])('refuses %j as malformed', (token) =>
    expect(codeOf(() => requireTokenForm(token))).toBe('token_malformed'),
  );

  it('accepts a token of 8,192 characters and refuses a longer one', () => {
    const token = (length: number) => `a.b.${'c'.repeat(length - 4)}`;
    expect(codeOf(() => requireTokenForm(token(8192)))).toBe('accepted');
    expect(codeOf(() => requireTokenForm(token(8193)))).toBe('token_malformed');
  });
});

describe('readHeader', () => {
  const read = (header: unknown) => codeOf(() => readHeader(`${encode(header)}.e30.sig`, 'HS256'));

  it('accepts the header members of our own tokens', () => {
    expect(read({ alg: 'HS256' })).toBe('accepted');
    expect(read({ alg: 'HS256', typ: 'JWT', kid: 'k1' })).toBe('accepted');
  });

  it.each<[string, unknown]>([
    ['another algorithm', { alg: 'HS512' }],
    ['none', { alg: 'none' }],
    ['no algorithm', {}],
    ['a list of algorithms', { alg: ['HS256'] }],
    ['another type', { alg: 'HS256', typ: 'at+jwt' }],
    ['a kid that is a number', { alg: 'HS256', kid: 1 }],
    ['critical members', { alg: 'HS256', crit: ['exp'] }],
    ['an unencoded payload', { alg: 'HS256', b64: false }],
    ['a key of its own', { alg: 'HS256', jwk: {} }],
    ['the address of a key', { alg: 'HS256', jku: 'https://keys.example' }],
  ])('refuses a header with %s', (_what, header) => expect(read(header)).toBe('token_invalid'));

  it.each<[string, unknown]>([
    ['a list', []],
    ['null', null],
    ['text', 'HS256'],
  ])('refuses a header that is %s', (_what, header) => expect(read(header)).toBe('token_malformed'));
});

describe('requireClaims', () => {
  const id = '11111111-1111-4111-8111-111111111111';
  const seconds = Math.floor(Date.now() / 1000);
  const honest = {
    sub: id,
    id,
    session_id: id,
    email: 'a@example.test',
    role: 'user',
    iat: seconds,
    exp: seconds + 9,
  };

  it('returns the claims of a valid payload', () => {
    expect(requireClaims(honest)).toEqual(honest);
    expect(requireClaims({ ...honest, iat: seconds + 55 }).iat).toBe(seconds + 55);
  });

  it.each<[string, unknown]>([
    ['text', 'claims'],
    ['null', null],
    ['a list', []],
    ['no end', { ...honest, exp: undefined }],
    ['an end in words', { ...honest, exp: '1' }],
    ['no beginning', { ...honest, iat: undefined }],
    ['a beginning tomorrow', { ...honest, iat: seconds + 86_400 }],
    ['no subject', { ...honest, sub: undefined }],
    ['a subject that is a number', { ...honest, sub: 1, id: 1 }],
    ['two users', { ...honest, id: '22222222-2222-4222-8222-222222222222' }],
    ['no session', { ...honest, session_id: undefined }],
    ['an empty address', { ...honest, email: '' }],
    ['a role of nobody', { ...honest, role: 'root' }],
  ])('refuses: %s', (_what, payload) => expect(codeOf(() => requireClaims(payload))).toBe('token_invalid'));
});
