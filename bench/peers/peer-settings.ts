/** What a peer takes from its environment: the names are those of the product's settings. */
export const SETTINGS = {
  redisUrl: needed('REDIS_URL'),
  jwtSecret: needed('JWT_SECRET'),
  modelUrl: needed('OLLAMA_URL'),
  /** Nodes of the cluster that it is one of. */
  nodes: Number(needed('PEER_NODES')),
};

function needed(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} must be set`);
  return value;
}
