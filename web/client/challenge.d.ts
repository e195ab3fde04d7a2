/**
 * The alternate challenge, challenge.js: the element `<captchagate-challenge>`.
 * captcha.js loads it where it is needed; it can also stand by itself:
 *
 *     <captchagate-challenge src="/v1/challenge?scene=login" name="captcha-response"></captchagate-challenge>
 *
 * In a form its value is the solution, under its `name`. Colours follow the
 * page's `color-scheme`; `::part(box)` can be styled. It loads solver.js from
 * beside itself. Its trusted-types policy is `captchagate-challenge`.
 */

/** A challenge in the form of ALTCHA's protocol version 2. */
export interface Challenge {
  parameters: {
    algorithm: string;
    /** PBKDF2 iterations. */
    cost: number;
    /** Unix seconds. */
    expiresAt: number;
    /** Bytes. */
    keyLength: number;
    /** Hex; what the derived key must begin with. */
    keyPrefix: string;
    /** Hex. */
    nonce: string;
    /** Hex. */
    salt: string;
    /** The gateway's own; `issued` and `until` (unix ms) say how long it lives. */
    data?: Record<string, unknown>;
  };
  signature: string;
}

export type ChallengeState = "ready" | "solving" | "verified" | "expired" | "unavailable";

/** The detail of the event `captchagate:state`. */
export interface ChallengeNews {
  state: ChallengeState;
  /** The solution, where verified. */
  response: string;
  /** Why it is unavailable: HTTP's status, 0 without an answer, -1 if the solver cannot be had or does not work. */
  status?: number;
}

export interface CaptchagateChallenge extends HTMLElement {
  /** Where a challenge is fetched when the user asks; the attribute `src`. */
  src: string;
  /** A challenge to solve first, good once. */
  challenge?: Challenge;
  /** Also the attribute `state`. */
  readonly state: ChallengeState;
  readonly response: string;
  /** Solves, as if the user had ticked the box. */
  solve(): Promise<void>;
  /** Cancels and begins anew. */
  reset(): void;
}

declare global {
  interface HTMLElementTagNameMap {
    "captchagate-challenge": CaptchagateChallenge;
  }
}
