import type { AcceptedMessage } from '../../protocol/resources.js';
import type { HttpClient } from './http.js';
import type { OutgoingMessage } from './outbox.js';

/** Does the same as `message.send`, over HTTP. @throws ApiError */
export async function postMessage(http: HttpClient, message: OutgoingMessage): Promise<AcceptedMessage> {
  const { conversation_id: id, ...body } = message;
  const path = `/conversations/${encodeURIComponent(id)}/messages`;
  return (await http.call({ method: 'POST', path, body })) as AcceptedMessage;
}
