import type { IssuedTicket, Receipt, TicketPurpose } from '../../protocol/resources.js';
import { receiptError } from './connection-error.js';
import { type ApiError, networkError, toApiError } from './errors.js';
import type { HttpClient } from './http.js';

export interface TicketRequest {
  clientId: string;
  purpose: TicketPurpose;
  /** Ask for an access token that outlives the one in use. */
  fresh: boolean;
  signal: AbortSignal;
}

/** Mints a ticket to open or to renew one socket. Never stored: every dial mints a new one. */
export async function mintTicket(http: HttpClient, request: TicketRequest): Promise<IssuedTicket> {
  const answer = await http.call({
    method: 'POST',
    path: '/websocket/ticket',
    body: { client_id: request.clientId, purpose: request.purpose },
    signal: request.signal,
    ...(request.fresh && { auth: 'fresh' }),
  });
  return answer as IssuedTicket;
}

/** Page code sees a refused upgrade as a lost connection; the receipt tells the ticket's owner why. */
export async function explainRefusal(
  http: HttpClient,
  ticketId: string,
  signal: AbortSignal,
): Promise<ApiError> {
  try {
    const path = `/websocket/tickets/${encodeURIComponent(ticketId)}`;
    return receiptError((await http.call({ method: 'GET', path, signal })) as Receipt);
  } catch (thrown) {
    const error = toApiError(thrown);
    return error.kind === 'auth' ? error : networkError('The connection could not be opened', error);
  }
}

/** The address to dial. `url` may be relative to the server's origin. */
export function dialUrl(issued: Pick<IssuedTicket, 'ticket' | 'url'>, baseUrl: string): string {
  const url = new URL(issued.url, baseUrl);
  url.protocol = url.protocol.replace(/^http/, 'ws');
  url.searchParams.set('ticket', issued.ticket);
  return url.href;
}
