import { useCallback, useSyncExternalStore } from 'react';

const PREFIX = '#/c/';

/** Keeps the open conversation in the URL, so that a reload, a bookmark and the back button find it. */
export function useSelection(): [string | undefined, (id: string | undefined) => void] {
  const hash = useSyncExternalStore(onHashChange, () => location.hash);
  const select = useCallback((id: string | undefined) => {
    location.hash = id === undefined ? '' : PREFIX + id;
  }, []);
  const id = hash.startsWith(PREFIX) ? hash.slice(PREFIX.length) : '';
  return [id === '' ? undefined : id, select];
}

function onHashChange(changed: () => void): () => void {
  window.addEventListener('hashchange', changed);
  return () => window.removeEventListener('hashchange', changed);
}
