import { useState } from 'react';
import { LIMITS } from '../../../client/src/index.js';

interface RenameFormProps {
  title: string;
  rename: (title: string) => void;
  cancel: () => void;
}

export function RenameForm({ title, rename, cancel }: RenameFormProps) {
  const [text, setText] = useState(title);
  return (
    <form
      className="rename"
      onSubmit={(event) => {
        event.preventDefault();
        const next = text.trim();
        if (next === '' || next === title) cancel();
        else rename(next);
      }}
    >
      <input
        aria-label="Title of the conversation"
        value={text}
        maxLength={LIMITS.maxTitleLength}
        autoFocus
        onFocus={(event) => event.currentTarget.select()}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Escape') return;
          // Escape also closes the sidebar; here it only cancels the rename.
          event.stopPropagation();
          cancel();
        }}
      />
      <button type="submit" className="button small primary">
        Save
      </button>
      <button type="button" className="button small" onClick={cancel}>
        Cancel
      </button>
    </form>
  );
}
