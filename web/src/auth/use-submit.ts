import { useState, type FormEvent } from 'react';
import { toApiError, type ApiError } from '../../../client/src/index.js';

interface Submit {
  isBusy: boolean;
  error: ApiError | undefined;
  onSubmit: (event: FormEvent<HTMLFormElement>) => void;
}

/**
 * Runs `action` with the form's fields, one at a time, and returns its failure. The button is not disabled meanwhile,
 * because that would move the user's focus.
 */
export function useSubmit(action: (field: (name: string) => string) => Promise<void>): Submit {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError>();

  async function run(form: FormData): Promise<void> {
    setBusy(true);
    setError(undefined);
    try {
      await action((name) => {
        const value = form.get(name);
        return typeof value === 'string' ? value : '';
      });
    } catch (thrown) {
      setError(toApiError(thrown));
    }
    setBusy(false);
  }

  return {
    isBusy,
    error,
    onSubmit: (event) => {
      event.preventDefault();
      if (!isBusy) void run(new FormData(event.currentTarget));
    },
  };
}
