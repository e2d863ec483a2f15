import type { ApiError } from '../../../client/src/index.js';

interface FailureProps {
  title: string;
  error: ApiError | undefined;
  retry: () => void;
}

export function Failure({ title, error, retry }: FailureProps) {
  return (
    <div className="failure" role="alert">
      <h2>{title}</h2>
      <p>{error === undefined ? 'The cause is not known.' : `${error.message}.`}</p>
      {error?.traceId && <p className="hint">Trace {error.traceId}</p>}
      <button type="button" className="button" onClick={retry}>
        Try again
      </button>
    </div>
  );
}
