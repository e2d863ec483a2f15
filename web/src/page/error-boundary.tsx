import { Component, type ReactNode } from 'react';

/** The last resort: shows an error message instead of a blank page. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { hasFailed: boolean }> {
  override state = { hasFailed: false };

  static getDerivedStateFromError(): { hasFailed: boolean } {
    return { hasFailed: true };
  }

  override render(): ReactNode {
    if (!this.state.hasFailed) return this.props.children;
    return (
      <main className="page-centre">
        <div className="failure" role="alert">
          <h2>The page stopped working</h2>
          <p>Nothing that was sent is lost. Loading the page again helps in most cases.</p>
          <button type="button" className="button" onClick={() => location.reload()}>
            Load again
          </button>
        </div>
      </main>
    );
  }
}
