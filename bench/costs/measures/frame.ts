import type { LeanSocket } from '../lean-socket.js';
import { type Measure, ONE_NODE } from './measure.js';

const IN_FLIGHT = 32;

/** `ping` and `pong` on one socket, so many in flight that neither side waits. */
export const frame: Measure = {
  name: 'frame',
  plan: ONE_NODE,
  prepare: async (stage) => {
    const { frames } = stage.sizes;
    const [socket] = await stage.open(1);
    if (socket === undefined) throw new Error('no socket is open');
    return {
      run: async () =>
        stage.add('frame', ((await stage.cost(() => exchange(socket, frames))) * 1000) / frames),
      end: () => socket.drop(),
    };
  },
};

async function exchange(socket: LeanSocket, frames: number): Promise<void> {
  const ping = socket.frameOf('ping', { t: 'a text of a usual length, as a typed line has it' });
  await new Promise<void>((resolve, reject) => {
    let [sent, answered] = [0, 0];
    const send = (): void => {
      sent += 1;
      socket.send(ping);
    };
    socket.onEnd = (reason) => reject(new Error(`expected an answer to a ping: ${reason}`));
    socket.onFrame = (text) => {
      if (!text.includes('"pong"')) return;
      answered += 1;
      if (sent < frames) send();
      else if (answered === frames) resolve();
    };
    while (sent < IN_FLIGHT) send();
  });
}
