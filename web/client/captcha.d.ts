/**
 * Captchagate's page script, captcha.js: Tencent's captcha where it works, and
 * what stands in for it where it does not.
 *
 * Every element with `data-captchagate` is rendered when the page is parsed, or
 * when it comes into the page later; its options are `data-` attributes
 * (`data-app-id`, `data-scene`, …). On the script's own tag:
 *
 * - `data-gateway`: where the gateway is, else where the script came from
 * - `data-script`: the address of Tencent's script, else the gateway's `client.script`
 * - `?render=explicit`: render nothing by itself
 * - `?onload=name`: call this global function when ready
 *
 * Inside a form three hidden fields are filled in: `captcha-response` for
 * `POST /siteverify`, and `ticket` and `randstr` for `POST /v1/verify` (empty
 * where a challenge was solved: send `captcha-response` as `challenge` then).
 */

/**
 * How a widget stands; also its attribute `data-state`, and the event
 * `captchagate:state` on its element (`event.detail`: `{state, response}`).
 *
 * - `ready`: the user has not asked yet
 * - `solving`: the captcha is open, or the challenge is being solved
 * - `verified`: there is a ticket or a solution
 * - `expired`: there was one, and it is too old by now
 * - `degraded`: the alternate challenge stands there; or the captcha failed and
 *   a disaster ticket is filled in. Either way the form can be sent
 * - `unavailable`: neither the captcha nor the gateway can be reached; a
 *   disaster ticket is filled in, and the user can try again
 */
export type State = "ready" | "solving" | "verified" | "expired" | "degraded" | "unavailable";

/** What came of asking the user. Decide on `ticket` and `errorCode`, not on `ret`. */
export interface Result {
  /** 0, disaster tickets included; 2 where the user closed the captcha. */
  ret: number;
  /** For the backend; null where the user closed the captcha, "" where a challenge was solved. */
  ticket: string | null;
  randstr: string;
  /** Why Tencent's captcha failed, 1001 and up; then `ticket` is a disaster ticket. */
  errorCode?: number;
  errorMessage?: string;
  bizState?: unknown;
  /** The value of the field `captcha-response`. */
  response: string;
  state: State;
}

/** An alternate challenge, as the gateway issues it (ALTCHA's protocol version 2). */
export interface Challenge {
  parameters: Record<string, any>;
  signature: string;
}

/** A function, or the name of a global one ("onCaptcha"), without dots. */
type Callback<F> = F | string;

export interface Options {
  /** CaptchaAppId. Required. */
  appId: string | number;
  /** Whose challenge to fetch, default "default". A backend never takes the scene from the page. */
  scene?: string;
  /** "en" or "zh-CN"; else the language of the page, else the browser's. */
  language?: string;
  /** Default: the page's own `color-scheme`. "auto" follows the system. */
  theme?: "light" | "dark" | "auto";
  /** "invisible" shows a box only where it is needed; call show(). */
  size?: "normal" | "invisible";
  /** Where the gateway is, else as the script's tag says. Not by an attribute of the element. */
  gateway?: string;
  /** Tencent's own options, passed through; as JSON in `data-options`. */
  options?: Record<string, any> | string;
  /** Call Tencent's constructor with an element in front (embed mode, newer international script). Also by `options.type` "embed". */
  embed?: boolean | string;
  /** A challenge that the backend answered with, to be shown at once. */
  challenge?: Challenge | string;
  /** There is something to send. */
  callback?: Callback<(response: string, result: Result) => void>;
  /** What there was is too old. */
  expiredCallback?: Callback<() => void>;
  /** Tencent's captcha failed; the callback comes too. */
  errorCallback?: Callback<(errorCode: number) => void>;
  /** The user closed the captcha. That is not a failure. */
  closeCallback?: Callback<() => void>;
  stateCallback?: Callback<(state: State) => void>;
}

/** A widget: its element, a selector of it, or what render() returned. Left out: the page's first. */
export type Container = string | HTMLElement;

export interface Captchagate {
  /** Renders a widget and returns its name. An element's own `data-` options hold where these say nothing. */
  render(container: Container, options?: Partial<Options>): string;
  /** Asks the user, or gives what is there. The promise always resolves: see Result. */
  show(widget?: Container): Promise<Result>;
  /** Shows the challenge that the backend answered with, and solves it at once if the user ticked the box before. What the user typed stays. */
  challenge(widget: Container | undefined, challenge: Challenge | string): Promise<Result>;
  /**
   * Begins anew: a ticket is good once. To be called after the backend's answer
   * by a page that sends by itself and stays. Where it sent a form of which it
   * prevented the submit event and read the fields, the widget does so by itself,
   * a second later.
   */
  reset(widget?: Container): void;
  /** The value of the field `captcha-response`, "" where there is none. */
  getResponse(widget?: Container): string;
  getState(widget?: Container): State;
  /**
   * Takes the widget off the page. To be called for what render() made, if its
   * element goes while the page stays; one with `data-captchagate` is forgotten by
   * itself.
   */
  remove(widget?: Container): void;
}

declare global {
  interface Window {
    Captchagate: Captchagate;
    /** Tencent's, in either form. */
    TencentCaptcha?: any;
  }
  const Captchagate: Captchagate;
}
