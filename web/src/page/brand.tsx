import mark from './ticket-mark.svg';

export function Brand() {
  return (
    <span className="brand">
      <img src={mark} alt="" width="24" height="24" />
      Admit One
    </span>
  );
}
