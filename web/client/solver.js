// Solves the alternate challenge: finds the counter whose PBKDF2 key begins as
// asked. solver.d.ts is its reference. It is a file of its own because it needs
// ECMAScript 2019 and nothing else: no DOM, no workers, no WebCrypto (used if it
// is there, because it is faster). It serves as
//
// - a worker's script, as challenge.js starts it
// - a page's script, which defines CaptchagateSolver
// - a CommonJS module, for mini programs and other places without a DOM
(() => {
  "use strict";

  /** @import {Challenge} from "./challenge" */
  /** @import {Found, Options} from "./solver" */
  /** @typedef {Challenge["parameters"]} Parameters */

  const scope = /** @type {any} */ (typeof self === "object" ? self : typeof globalThis === "object" ? globalThis : {});
  const clock = () => Date.now(); // read only for how long a slice took

  /** @param {string} text hex */
  const bytes = (text) => Uint8Array.from(text.match(/../g) || [], (pair) => parseInt(pair, 16));

  /** @param {ArrayLike<number>} list */
  const hex = (list) => Array.from(list, (b) => (b + 256).toString(16).slice(1)).join("");

  // SHA-256's constants: the first 32 bits of the fractions of the roots of
  // primes, cube roots for the rounds and square roots for the beginning.
  const rounds = new Int32Array(64);
  const beginning = new Int32Array(8);
  for (let found = 0, n = 2; found < 64; n++) {
    let prime = true;
    for (let d = 2; d * d <= n; d++) if (n % d === 0) prime = false;
    if (!prime) continue;
    if (found < 8) beginning[found] = (n ** (1 / 2) % 1) * 2 ** 32;
    rounds[found++] = (n ** (1 / 3) % 1) * 2 ** 32;
  }

  /**
   * Takes one block into the state h; w holds it in its first 16 words.
   * @param {Int32Array} h
   * @param {Int32Array} w 64 words
   */
  const compress = (h, w) => {
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15], y = w[i - 2];
      w[i] = w[i - 16] + w[i - 7] + ((x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3) + ((y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10);
    }
    let a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], k = h[7];
    for (let i = 0; i < 64; i++) {
      const one = k + ((e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7)) + (g ^ e & (f ^ g)) + rounds[i] + w[i] | 0;
      const two = ((a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10)) + (a & b | c & (a | b)) | 0;
      k = g;
      g = f;
      f = e;
      e = d + one | 0;
      d = c;
      c = b;
      b = a;
      a = one + two | 0;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
    h[5] += f;
    h[6] += g;
    h[7] += k;
  };

  /**
   * The digest of a message whose first bytes are in the state already.
   * @param {Int32Array} state
   * @param {number} before how many bytes are, a multiple of 64
   * @param {Uint8Array} rest
   */
  const digest = (state, before, rest) => {
    const h = state.slice(), w = new Int32Array(64);
    const padded = new Uint8Array(rest.length + 72 & ~63); // room for the mark and the length
    padded.set(rest);
    padded[rest.length] = 128;
    const view = new DataView(padded.buffer);
    view.setUint32(padded.length - 4, (before + rest.length) * 8);
    for (let at = 0; at < padded.length; at += 64) {
      for (let i = 0; i < 16; i++) w[i] = view.getInt32(at + 4 * i);
      compress(h, w);
    }
    return h;
  };

  /** @param {Int32Array} words */
  const unpack = (words) => {
    const view = new DataView(new ArrayBuffer(words.length * 4));
    words.forEach((word, i) => view.setInt32(4 * i, word));
    return new Uint8Array(view.buffer);
  };

  /**
   * The state after the block of an HMAC's key.
   * @param {Uint8Array} key
   * @param {number} mask
   */
  const keyed = (key, mask) => {
    const block = new Uint8Array(64).fill(mask);
    key.forEach((b, i) => { block[i] ^= b; });
    const h = beginning.slice(), w = new Int32Array(64), view = new DataView(block.buffer);
    for (let i = 0; i < 16; i++) w[i] = view.getInt32(4 * i);
    compress(h, w);
    return h;
  };

  // Long work lets others have their turn, except in a worker, which has none.
  const alone = typeof scope.importScripts === "function";
  let turn = clock();
  const breathe = () => new Promise((done) => {
    setTimeout(() => done(turn = clock()));
  });
  const tired = () => !alone && typeof setTimeout === "function" && clock() - turn > 24;

  /**
   * PBKDF2 with HMAC-SHA256, by hand.
   * @param {Uint8Array} password
   * @param {Uint8Array} salt
   * @param {number} iterations
   * @param {number} length of the key, in bytes
   */
  const plain = async (password, salt, iterations, length) => {
    const key = password.length > 64 ? unpack(digest(beginning, 0, password)) : password;
    const inner = keyed(key, 0x36), outer = keyed(key, 0x5c);
    const derived = new Int32Array(Math.ceil(length / 32) * 8), w = new Int32Array(64);
    w[8] = 1 << 31; // a digest is followed by the mark and the length of 96 bytes
    w[15] = 768;
    for (let block = 0; block * 8 < derived.length; block++) {
      const first = new Uint8Array(salt.length + 4);
      first.set(salt);
      new DataView(first.buffer).setUint32(salt.length, block + 1);
      const u = digest(outer, 64, unpack(digest(inner, 64, first))), sum = u.slice();
      for (let i = 1; i < iterations; i++) {
        w.set(u);
        u.set(inner);
        compress(u, w);
        w.set(u);
        u.set(outer);
        compress(u, w);
        for (let j = 0; j < 8; j++) sum[j] ^= u[j];
        if (i % 128 === 0 && tired()) await breathe();
      }
      derived.set(sum, block * 8);
    }
    if (tired()) await breathe();
    return unpack(derived).slice(0, length);
  };

  let subtle = scope.crypto && scope.crypto.subtle;

  /**
   * @param {Parameters} p
   * @param {Uint8Array} password
   * @param {Uint8Array} salt
   */
  const derive = async (p, password, salt) => {
    const hash = p.algorithm.split("/")[1];
    if (subtle) {
      try {
        const key = await subtle.importKey("raw", password, "PBKDF2", false, ["deriveBits"]);
        return new Uint8Array(await subtle.deriveBits({ name: "PBKDF2", hash, salt, iterations: p.cost }, key, p.keyLength * 8));
      } catch {
        subtle = null; // it is there and does not work
      }
    }
    if (hash !== "SHA-256") throw new Error("CaptchagateSolver: without WebCrypto only PBKDF2/SHA-256 can be solved, not " + p.algorithm);
    return plain(password, salt, p.cost, p.keyLength);
  };

  /**
   * Tries count counters, beginning with from.
   * @param {Parameters} parameters
   * @param {number} from
   * @param {number} count
   * @returns {Promise<Found | null>}
   */
  const search = async (parameters, from, count) => {
    const nonce = bytes(parameters.nonce), salt = bytes(parameters.salt);
    const password = new Uint8Array(nonce.length + 4);
    password.set(nonce);
    const last = new DataView(password.buffer, nonce.length);
    for (let counter = from; counter < from + count; counter++) {
      last.setUint32(0, counter);
      const derivedKey = hex(await derive(parameters, password, salt));
      if (derivedKey.startsWith(parameters.keyPrefix)) return { counter, derivedKey };
    }
    return null;
  };

  /** @param {string} text ASCII, as all of a challenge is */
  const base64 = (text) => {
    const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let made = "";
    for (let at = 0; at < text.length; at += 3) {
      const three = text.charCodeAt(at) << 16 | text.charCodeAt(at + 1) << 8 | text.charCodeAt(at + 2); // NaN is 0
      for (let i = 0; i < 4; i++) made += at + i > text.length ? "=" : digits[three >> 18 - 6 * i & 63];
    }
    return made;
  };

  /**
   * @param {Challenge} challenge
   * @param {Options} [options]
   * @returns {Promise<string>}
   */
  const solve = async ({ parameters, signature }, { progress, stopped } = {}) => {
    const began = clock(), odds = 16 ** -parameters.keyPrefix.length;
    for (let counter = 0; !(stopped && stopped()); counter++) {
      const found = await search(parameters, counter, 1);
      if (found) {
        return base64(JSON.stringify({ challenge: { parameters, signature }, solution: { ...found, time: clock() - began } }));
      }
      if (progress) progress(1 - (1 - odds) ** (counter + 1));
    }
    return "";
  };

  const solver = { search, solve };
  if (typeof module === "object" && module && module.exports) {
    module.exports = solver;
  } else if (alone && typeof document === "undefined") {
    scope.addEventListener("message", (/** @type {MessageEvent} */ { data: { parameters, from, count } }) => {
      search(parameters, from, count).then((found) => scope.postMessage({ found }), (error) => scope.postMessage({ error: String(error) }));
    });
    scope.postMessage({}); // it is there
  } else {
    scope.CaptchagateSolver = solver;
  }
})();
