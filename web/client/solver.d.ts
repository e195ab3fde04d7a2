/**
 * The solver of the alternate challenge, solver.js. challenge.js uses it, in
 * workers where it can; it can also be used without a DOM:
 *
 *     const solver = require("./solver.js");
 *     const solution = await solver.solve(answer.challenge);
 *
 * It needs ECMAScript 2019. WebCrypto is used if it is there, else PBKDF2 by hand,
 * which takes longer and lets others have their turn every 24 ms.
 */
import type { Challenge } from "./challenge";

/** A counter whose key begins as the challenge asks. */
export interface Found {
  counter: number;
  /** Hex. */
  derivedKey: string;
}

export interface Options {
  /** Told after every try: how likely it was found by now, 0 to 1. */
  progress?: (likely: number) => void;
  /** Asked before every try: true ends the search. */
  stopped?: () => boolean;
}

export interface CaptchagateSolver {
  /** Solves a challenge. Resolves to what the gateway takes as `challenge`, or to "" if it was stopped. */
  solve(challenge: Challenge, options?: Options): Promise<string>;
  /** Tries count counters, beginning with from; null if none of them is it. */
  search(parameters: Challenge["parameters"], from: number, count: number): Promise<Found | null>;
}

declare global {
  interface Window {
    /** Where solver.js is a page's script. */
    CaptchagateSolver?: CaptchagateSolver;
  }
  /** Where solver.js is a CommonJS module. */
  var module: { exports: unknown } | undefined;
}
