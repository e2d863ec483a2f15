/** The kinds of flags: on or off for everybody, or on for a share of the users. */
export type FlagKind = 'switch' | 'percent';

export interface FlagRow {
  readonly kind: FlagKind;
  readonly description: string;
  /** Day, ISO 8601, after which the flag and what it switches are deleted; sent to old clients as `Sunset`. */
  readonly removeAfter: string;
}

function legacy(description: string): FlagRow {
  return { kind: 'switch', description, removeAfter: '2027-06-30' };
}

/** All flags. Each is off unless `FLAG_<NAME>` or an administrator turns it on. */
export const FLAGS = {
  legacy_authorization_header: legacy('Upgrades with "Authorization: Bearer" or "x-auth-token"'),
  legacy_subprotocol: legacy('Upgrades with an access token among the subprotocols'),
  legacy_query_token: legacy('Upgrades with an access token in "?token="'),
  legacy_cookie: legacy('Upgrades with an access token in the cookie "access_token"'),
  legacy_session_id: legacy('Upgrades with a session id in "?session_token=" or the cookie "session_id"'),
  legacy_first_message: legacy('Upgrades without a credential, which comes with the first frame'),
  legacy_token_formats: legacy('Access tokens with the two claim sets of the old systems'),
  ticket_required: {
    kind: 'percent',
    description: 'Share of the users who are refused every legacy way in',
    removeAfter: '2027-06-30',
  },
} as const satisfies Record<string, FlagRow>;

export type FlagName = keyof typeof FLAGS;

export const FLAG_NAMES = Object.keys(FLAGS) as FlagName[];

export function isFlagName(name: string): name is FlagName {
  return Object.hasOwn(FLAGS, name);
}

export interface FlagValue {
  readonly enabled: boolean;
  /** Share of the users for whom an enabled flag is on, 0 to 100; 100 for a switch. */
  readonly percent: number;
}
