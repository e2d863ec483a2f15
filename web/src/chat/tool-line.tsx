import type { ToolUse } from '../../../client/src/index.js';

const SHOWN_LENGTH = 160;

export function ToolLine({ tool }: { tool: ToolUse }) {
  return (
    <p className="tool-line">
      <span className="tool-name">{tool.name}</span> {short(tool.arguments)}
      {' → '}
      {tool.result === undefined ? 'running…' : (tool.result.error ?? short(tool.result.output))}
    </p>
  );
}

function short(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  return text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}…` : text;
}
