import { useId, useLayoutEffect, useRef, useState, type KeyboardEvent } from 'react';
import { isBlank, LIMITS } from '../../../client/src/index.js';
import { Icon } from '../page/icon.js';
import { contentText } from './content-text.js';

interface ComposerProps {
  isAnswering: boolean;
  send: (content: string) => void;
  stop: () => void;
}

/** The count appears when fewer characters than this are left. */
const COUNT_FROM = LIMITS.maxContentLength - 1_000;

export function Composer({ isAnswering, send, stop }: ComposerProps) {
  const [text, setText] = useState('');
  const box = useRef<HTMLTextAreaElement>(null);
  const id = useId();
  const fault = contentText(text);
  const isEmpty = isBlank(text);

  useLayoutEffect(() => {
    const area = box.current;
    if (area === null) return;
    area.style.height = 'auto';
    area.style.height = `${area.scrollHeight}px`;
  }, [text]);

  function submit(): void {
    if (isEmpty || fault !== undefined) return;
    send(text);
    setText('');
    box.current?.focus();
  }

  function onKeyDown(event: KeyboardEvent): void {
    // While an input method is composing, Enter selects a word.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    submit();
  }

  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <div className="composer-box">
        <textarea
          ref={box}
          aria-label="Message"
          aria-describedby={id}
          aria-invalid={fault !== undefined}
          placeholder="Write a message"
          rows={1}
          value={text}
          autoFocus
          onChange={(event) => setText(event.target.value)}
          onKeyDown={onKeyDown}
        />
        {isAnswering && (
          <button type="button" className="button small" onClick={stop}>
            <Icon name="stop" />
            Stop
          </button>
        )}
        <button
          type="submit"
          className="button small primary"
          aria-label="Send"
          disabled={isEmpty || fault !== undefined}
        >
          <Icon name="send" />
        </button>
      </div>
      <p
        className="composer-hint"
        id={id}
        data-fault={fault !== undefined}
        role={fault === undefined ? undefined : 'alert'}
      >
        {fault ??
          (text.length > COUNT_FROM ? countText(text.length) : 'Enter sends, Shift+Enter makes a new line.')}
      </p>
    </form>
  );
}

function countText(length: number): string {
  return `${length.toLocaleString('en')} of ${LIMITS.maxContentLength.toLocaleString('en')} characters`;
}
