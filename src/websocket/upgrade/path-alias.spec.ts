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
  ])('reads %s as %s', (path, meant) => expect(resolveAlias(path)).toBe(meant));
});
