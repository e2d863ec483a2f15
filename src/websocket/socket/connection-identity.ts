/** What tells a connection from all others of its user, on all nodes together. */
export interface ConnectionIdentity {
  userId: string;
  sessionId: string;
  /** The client's own name for itself: its newer connection replaces its older one. */
  clientId: string;
  connectionId: string;
  /** The process that holds it: see `node-roster.service.ts`. */
  nodeId: string;
}
