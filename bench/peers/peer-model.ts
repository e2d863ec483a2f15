import { Agent, request } from 'node:http';
import { SETTINGS } from './peer-settings.js';

const agent = new Agent({ keepAlive: true });

/** Asks the model and passes on each piece of its answer. `POST /api/chat` of Ollama: a JSON object per line. */
export function readAnswer(question: string, onText: (text: string) => void, onEnd: () => void): void {
  const asked = request(`${SETTINGS.modelUrl}/api/chat`, { agent, method: 'POST' }, (response) => {
    let rest = '';
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const { message, done } = JSON.parse(line) as { message: { content: string }; done: boolean };
        if (done) onEnd();
        else onText(message.content);
      }
    });
  });
  asked.end(JSON.stringify({ model: 'bench', messages: [{ role: 'user', content: question }] }));
}
