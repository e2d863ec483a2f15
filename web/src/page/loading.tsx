export function Loading({ text, isPage = false }: { text: string; isPage?: boolean }) {
  const line = (
    <p className="loading" role="status">
      <span className="spinner" aria-hidden="true" />
      {text}…
    </p>
  );
  return isPage ? <main className="page-centre">{line}</main> : line;
}
