import { type Measure, ONE_NODE } from './measure.js';

const CONNECTIONS = 50;

/** Tickets over connections that are kept, as a proxy keeps them. */
export const ticket: Measure = {
  name: 'ticket',
  plan: ONE_NODE,
  prepare: async (stage) => {
    const { tickets } = stage.sizes;
    const https = Array.from({ length: CONNECTIONS }, (_, index) => stage.http(index));
    const mint = () =>
      stage.through(https, tickets, (http, index) => http.mint(stage.account(index).accessToken));
    return {
      run: async () => stage.add('ticket', ((await stage.cost(mint)) * 1000) / tickets),
      end: () => {
        for (const http of https) http.close();
      },
    };
  },
};
