/** How a server wants to be spoken to. What is said is the same for all: the product's frames. */
export interface Dialect {
  /** Path and query of the upgrade. */
  upgradePath(ticket: string): string;
  /** How `LeanSocket.onEnd` calls a refused upgrade. */
  refusal: string;
  /** The text of a frame. */
  textOf(type: string, data: object): string;
  /** Answers a text that is about the connection itself; false for a frame. */
  answers(text: Buffer, send: (text: string) => void): boolean;
}

export const CHAT_DIALECT: Dialect = {
  upgradePath: (ticket) => `/ws?ticket=${ticket}`,
  refusal: 'status 403',
  textOf: (type, data) => JSON.stringify({ type, id: type, data }),
  answers: () => false,
};

/** First characters of a packet: engine.io's type, then that of Socket.IO (protocol 5). */
const [OPEN, PING, MESSAGE] = ['0', '2', '4'].map((digit) => digit.charCodeAt(0));
const CONNECT = '0'.charCodeAt(0);

export const SOCKET_IO_DIALECT: Dialect = {
  upgradePath: (ticket) => `/socket.io/?EIO=4&transport=websocket&ticket=${ticket}`,
  // engine.io answers every refused upgrade with 400.
  refusal: 'status 400',
  textOf: (type, data) => `42${JSON.stringify([type, data])}`,
  answers: (text, send) => {
    const [packet, kind] = text;
    if (packet === OPEN) send('40');
    else if (packet === PING) send('3');
    else return packet === MESSAGE && kind === CONNECT;
    return true;
  },
};
