interface DeleteQuestionProps {
  title: string;
  remove: () => void;
  cancel: () => void;
}

export function DeleteQuestion({ title, remove, cancel }: DeleteQuestionProps) {
  return (
    <div className="delete-question" role="group" aria-label={`Delete ${title}?`}>
      <p>Delete “{title}” with all its messages?</p>
      <button type="button" className="button small danger" onClick={remove}>
        Delete
      </button>
      <button type="button" className="button small" onClick={cancel} autoFocus>
        Keep
      </button>
    </div>
  );
}
