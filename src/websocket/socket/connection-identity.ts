/** Identifies a connection among all of its user's, on all nodes. */
export interface ConnectionIdentity {
  userId: string;
  sessionId: string;
  /** The client's own name for itself: its newer connection replaces its older one. */
  clientId: string;
  connectionId: string;
  /** The process that holds it: see `node-roster.service.ts`. */
  nodeId: string;
}
