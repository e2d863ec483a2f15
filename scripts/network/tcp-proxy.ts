import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { TcpFlow } from './tcp-flow.js';

/** Selects flows; evaluated again with each piece that a client sends. */
export type FlowFilter = (flow: TcpFlow) => boolean;

export const everyFlow: FlowFilter = () => true;

/** Flows to Redis that subscribe to channels. */
export const subscriberFlow: FlowFilter = (flow) => flow.hasSent(/\r\np?subscribe\r\n/i);

/**
 * A port of 127.0.0.1 in front of another one, which can fail as networks do: for programs and tests that break the
 * network between a client and a node, or between a node and an engine.
 */
export class TcpProxy {
  private readonly server: Server;
  private readonly flows = new Set<TcpFlow>();
  /** Never released: a firewall that has dropped a connection does not restore it. */
  private readonly dropped = new WeakSet<TcpFlow>();
  private held: FlowFilter | undefined;
  private isRefusing = false;

  private constructor(private readonly targetPort: number) {
    this.server = createServer({ allowHalfOpen: true }, (client) => this.accept(client));
  }

  static async start(targetPort: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(targetPort);
    proxy.server.listen(0, '127.0.0.1');
    await once(proxy.server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Flows that currently match. */
  count(filter: FlowFilter = everyFlow): number {
    return this.matching(filter).length;
  }

  /** Holds every flow that matches, now or later, until `heal`, which delivers what was held. */
  hold(filter: FlowFilter = everyFlow): void {
    this.held = filter;
    for (const flow of this.matching(filter)) flow.hold();
  }

  /** Holds the flows that currently match for ever: only a new connection gets through. Returns how many. */
  drop(filter: FlowFilter = everyFlow): number {
    const flows = this.matching(filter);
    for (const flow of flows) {
      this.dropped.add(flow);
      flow.hold();
    }
    return flows.length;
  }

  /** Resets the flows that currently match. Returns how many. */
  cut(filter: FlowFilter = everyFlow): number {
    const flows = this.matching(filter);
    for (const flow of flows) flow.cut();
    return flows.length;
  }

  /** Resets every new connection at once. */
  refuse(): void {
    this.isRefusing = true;
  }

  /** Ends the effects of `hold` and `refuse`. */
  heal(): void {
    this.held = undefined;
    this.isRefusing = false;
    for (const flow of this.flows) if (!this.dropped.has(flow)) flow.release();
  }

  /** Resets all flows and takes no more. */
  async stop(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.cut();
    await closed;
  }

  private accept(client: Socket): void {
    if (this.isRefusing) {
      client.resetAndDestroy();
      return;
    }
    const holdIfChosen = (flow: TcpFlow): void => {
      if (this.held?.(flow) === true) flow.hold();
    };
    const flow = new TcpFlow(client, this.targetPort, holdIfChosen, (ended) => this.flows.delete(ended));
    this.flows.add(flow);
    holdIfChosen(flow);
  }

  private matching(filter: FlowFilter): TcpFlow[] {
    return [...this.flows].filter((flow) => filter(flow));
  }
}
