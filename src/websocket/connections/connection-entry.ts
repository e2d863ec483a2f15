/** An open connection as administrators see it. */
export interface ConnectionEntry {
  connection_id: string;
  user_id: string;
  email: string;
  session_id: string;
  client_id: string;
  /** Name of the node that holds it. */
  node: string;
  /** Network address of the client. */
  address: string;
  /** ISO 8601. */
  connected_at: string;
}

export interface ConnectionPage {
  connections: ConnectionEntry[];
  /** Absent on the last page. */
  next_cursor?: string;
}
