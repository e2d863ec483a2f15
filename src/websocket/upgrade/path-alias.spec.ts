import { describe, expect, it } from '@jest/globals';
import { resolveAlias } from './path-alias.js';

describe('resolveAlias', () => {
  it.each([
    ['/api/ws', '/ws'],
    ['/api/ws?ticket=a', '/ws?ticket=a'],
    ['/api/ws/conversations/1', '/ws/conversations/1'],
    ['/api/v1/chat/ws', '/ws'],
    ['/api/v1/chat/conversations?limit=1', '/conversations?limit=1'],
    ['/api/v1/chat', '/'],
    ['/ws', '/ws'],
    ['/api/wsx', '/api/wsx'],
    ['/api/v1/chatx/ws', '/api/v1/chatx/ws'],
    ['/api/v1/chats', '/api/v1/chats'],
    ['/x/api/ws', '/x/api/ws'],
    ['http://chat.example/api/ws?ticket=a', '/ws?ticket=a'],
    ['HTTPS://chat.example:8443/auth/me', '/auth/me'],
    ['http://chat.example', '/'],
    ['http://chat.example?x=1', '/?x=1'],
    ['/http://chat.example/ws', '/http://chat.example/ws'],
    ['ftp://chat.example/ws', 'ftp://chat.example/ws'],
    ['*', '*'],
  ])('reads %s as %s', (path, meant) => expect(resolveAlias(path)).toBe(meant));
});
