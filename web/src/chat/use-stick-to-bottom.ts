import { useCallback, useEffect, useLayoutEffect, useRef, useState, type RefObject } from 'react';

const NEAR_PX = 48;

interface StickToBottom {
  ref: RefObject<HTMLDivElement | null>;
  /** True when the reader has scrolled up. */
  isAway: boolean;
  onScroll: () => void;
  toBottom: () => void;
}

/** Follows growing content, unless the reader has scrolled up to read. */
export function useStickToBottom(content: unknown): StickToBottom {
  const ref = useRef<HTMLDivElement>(null);
  const isStuck = useRef(true);
  const [isAway, setAway] = useState(false);

  const toBottom = useCallback(() => {
    const box = ref.current;
    if (box !== null) box.scrollTop = box.scrollHeight;
  }, []);

  const onScroll = useCallback(() => {
    const box = ref.current;
    if (box === null) return;
    isStuck.current = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_PX;
    setAway(!isStuck.current);
  }, []);

  useLayoutEffect(() => {
    if (isStuck.current) toBottom();
  }, [content, toBottom]);

  useEffect(() => {
    const box = ref.current;
    if (box === null) return;
    // A growing composer or an opening keyboard makes the list smaller.
    const observer = new ResizeObserver(() => {
      if (isStuck.current) toBottom();
    });
    observer.observe(box);
    return () => observer.disconnect();
  }, [toBottom]);

  return { ref, isAway, onScroll, toBottom };
}
