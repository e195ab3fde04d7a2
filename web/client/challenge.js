// The alternate challenge: a proof of work in the form of ALTCHA's protocol 2,
// solved with WebCrypto in workers. challenge.d.ts is its reference.
//
//   <captchagate-challenge src="/v1/challenge?scene=login" name="captcha-response"></captchagate-challenge>
//
// Workers load this same file, so it must be of the page's own origin for them;
// from elsewhere the page solves without workers.
(() => {
  "use strict";

  /** @import {Challenge, ChallengeState} from "./challenge" */
  /** @typedef {Challenge["parameters"]} Parameters */
  /** @typedef {{counter: number, derivedKey: string}} Found */

  /** @param {string} text hex */
  const bytes = (text) => Uint8Array.from(text.match(/../g) || [], (pair) => parseInt(pair, 16));

  /**
   * Tries count counters, beginning with from.
   * @param {{parameters: Parameters, from: number, count: number}} range
   * @returns {Promise<Found | null>}
   */
  const search = async ({ parameters: p, from, count }) => {
    const nonce = bytes(p.nonce);
    const password = new Uint8Array(nonce.length + 4);
    password.set(nonce);
    const last = new DataView(password.buffer, nonce.length);
    const how = { name: "PBKDF2", hash: p.algorithm.split("/")[1], salt: bytes(p.salt), iterations: p.cost };
    for (let counter = from; counter < from + count; counter++) {
      last.setUint32(0, counter);
      const key = await crypto.subtle.importKey("raw", password, "PBKDF2", false, ["deriveBits"]);
      const bits = new Uint8Array(await crypto.subtle.deriveBits(how, key, p.keyLength * 8));
      const derivedKey = Array.from(bits, (b) => b.toString(16).padStart(2, "0")).join("");
      if (derivedKey.startsWith(p.keyPrefix)) return { counter, derivedKey };
    }
    return null;
  };

  if (typeof document === "undefined") { // in a worker
    addEventListener("message", (e) => search(e.data).then(postMessage, () => close()));
    return;
  }

  const own = /** @type {HTMLScriptElement | null} */ (document.currentScript)?.src || "";
  const mostWorkers = 4;

  /** A lane searches in a worker, or in the page where there can be none. */
  class Lane {
    /** @type {Worker | null} */
    worker = null;

    constructor() {
      try {
        this.worker = new Worker(own);
      } catch { /* of another origin */ }
    }

    /**
     * @param {Parameters} parameters
     * @param {number} from
     * @param {number} count
     * @returns {Promise<Found | null>}
     */
    async search(parameters, from, count) {
      const range = { parameters, from, count };
      const worker = this.worker;
      if (!worker) return search(range);
      try {
        return await new Promise((done, fail) => {
          worker.onmessage = (e) => done(e.data);
          worker.onerror = (e) => {
            e.preventDefault();
            fail(e);
          };
          worker.postMessage(range);
        });
      } catch { // the page's policy forbids it, or it did not load
        this.stop();
        return search(range);
      }
    }

    stop() {
      this.worker?.terminate();
      this.worker = null;
    }
  }

  /**
   * Solves a challenge.
   * @param {Challenge} challenge
   * @param {AbortSignal} signal
   * @param {(likely: number) => void} progress how likely it was done by now, 0 to 1
   * @returns {Promise<string>} what the gateway takes
   */
  const solve = async ({ parameters, signature }, signal, progress) => {
    const began = performance.now();
    const count = Math.max(1, Math.round(50000 / parameters.cost)); // some ten milliseconds
    const odds = 16 ** -parameters.keyPrefix.length;
    const lanes = Array.from({ length: Math.min(navigator.hardwareConcurrency || 1, mostWorkers) }, () => new Lane());
    let next = 0;
    let tried = 0;
    try {
      const found = await new Promise((/** @type {(f: Found) => void} */ done, fail) => {
        signal.addEventListener("abort", fail);
        /** @param {Lane} lane */
        const run = async (lane) => {
          while (!signal.aborted) {
            const from = next;
            next += count;
            const found = await lane.search(parameters, from, count);
            if (found) return done(found);
            progress(1 - (1 - odds) ** (tried += count));
          }
        };
        for (const lane of lanes) run(lane).catch(fail);
      });
      const solution = { ...found, time: Math.round(performance.now() - began) };
      return btoa(JSON.stringify({ challenge: { parameters, signature }, solution }));
    } finally {
      for (const lane of lanes) lane.stop();
    }
  };

  const texts = {
    en: {
      label: "I am human", cancel: "Cancel", retry: "Try again", progress: "Progress",
      ready: "Please tick the box.", solving: "Checking…", verified: "Verified.",
      expired: "Expired. Please tick again.", unavailable: "Out of reach. Please try again.",
      insecure: "Needs HTTPS, or localhost.",
    },
    zh: {
      label: "我是真人", cancel: "取消", retry: "重试", progress: "进度",
      ready: "请勾选此框。", solving: "正在验证…", verified: "验证成功。",
      expired: "已过期，请重新勾选。", unavailable: "无法连接，请重试。",
      insecure: "需要 HTTPS 或 localhost。",
    },
  };

  const style = new CSSStyleSheet();
  style.replaceSync(`:host{display:block;max-width:20rem}
[hidden]{display:none!important}
.box{box-sizing:border-box;min-height:5rem;padding:.5rem 1rem;border:1px solid gray;border-radius:.5rem;background:light-dark(#fff,#1b2027);color:light-dark(#1c2430,#e6e9ee);position:relative;overflow:hidden;display:grid;grid-template-columns:1fr auto;align-items:center;align-content:center}
label{display:flex;gap:.75rem;align-items:center;min-height:2.5rem}
input{width:1.5rem;height:1.5rem;margin:0;flex:none;accent-color:light-dark(#0b6b57,#5fd0b4)}
p{margin:0;grid-column:1/3;font-size:.875rem;line-height:1.4}
button{font:inherit;min-height:2rem}
progress{position:absolute;inset:auto 0 0;width:100%;height:.25rem;border:0;appearance:none;background:none;color:light-dark(#0b6b57,#5fd0b4)}
progress::-webkit-progress-bar{background:none}
progress::-webkit-progress-value{background:light-dark(#0b6b57,#5fd0b4)}
progress::-moz-progress-bar{background:light-dark(#0b6b57,#5fd0b4)}
:focus-visible{outline:3px solid light-dark(#0b6b57,#5fd0b4);outline-offset:2px}`);

  class CaptchagateChallenge extends HTMLElement {
    static formAssociated = true;
    /** @type {Challenge | undefined} */
    challenge;
    response = "";
    /** @type {ChallengeState} */
    state = "ready";
    /** @type {AbortController | null} */
    running = null;
    internals = this.attachInternals();
    root = this.attachShadow({ mode: "open", delegatesFocus: true });

    connectedCallback() {
      const lang = this.closest("[lang]")?.getAttribute("lang") || navigator.language;
      this.text = texts[/^zh/i.test(lang) ? "zh" : "en"];
      this.root.adoptedStyleSheets = [style];
      /** @type {(parent: Node, name: string, more?: object) => any} */
      const add = (parent, name, more) => parent.appendChild(Object.assign(document.createElement(name), more));
      this.root.replaceChildren();
      const box = add(this.root, "div", { className: "box" });
      box.part = "box";
      const label = add(box, "label");
      this.input = add(label, "input", { type: "checkbox" });
      this.input.setAttribute("aria-describedby", "s");
      add(label, "span", { textContent: this.text.label });
      this.button = add(box, "button", { type: "button" });
      this.status = add(box, "p", { id: "s", role: "status" });
      this.bar = add(box, "progress", { max: 1, value: 0, ariaLabel: this.text.progress });
      this.input.onclick = (/** @type {Event} */ e) => {
        e.preventDefault(); // it is checked when the check is done
        this.solve();
      };
      this.button.onclick = () => {
        if (this.state === "solving") this.reset();
        else this.solve();
        this.input.focus(); // the button goes
      };
      if (window.crypto?.subtle) this.set("ready");
      else this.set("unavailable", -1, this.text.insecure);
    }

    disconnectedCallback() {
      this.stop();
    }

    get src() {
      return this.getAttribute("src") || "";
    }

    set src(address) {
      this.setAttribute("src", address);
    }

    /**
     * @param {ChallengeState} state
     * @param {number} [status] why it is unavailable: HTTP's, 0 without an answer, -1 without WebCrypto
     * @param {string} [text]
     */
    set(state, status, text) {
      this.state = state;
      this.setAttribute("state", state);
      this.input.checked = state === "verified";
      this.input.disabled = status === -1;
      this.status.textContent = text || this.text?.[state];
      this.button.hidden = (state !== "solving" && state !== "unavailable") || status === -1;
      this.button.textContent = state === "solving" ? this.text?.cancel : this.text?.retry;
      this.bar.hidden = state !== "solving";
      this.bar.value = 0;
      this.internals.setFormValue(this.response);
      this.dispatchEvent(new CustomEvent("captchagate:state", { bubbles: true, detail: { state, status, response: this.response } }));
    }

    async solve() {
      if (this.state === "solving" || this.state === "verified" || this.input.disabled) return;
      const running = this.running = new AbortController();
      this.set("solving");
      let status = 0;
      try {
        let challenge = this.challenge;
        this.challenge = undefined; // it is good once
        if (!challenge) {
          const answer = await fetch(this.src, { credentials: "omit", cache: "no-store", signal: AbortSignal.timeout(5000) });
          status = answer.status;
          if (!answer.ok) throw new Error("status " + status);
          challenge = /** @type {Challenge} */ (await answer.json());
        }
        if (running.signal.aborted) return;
        const response = await solve(challenge, running.signal, (likely) => { this.bar.value = likely; });
        if (running.signal.aborted) return;
        this.response = response;
        const left = challenge.parameters.expiresAt * 1000 - Date.now() - 5000;
        this.timer = setTimeout(() => this.expire(), Math.max(left, 1000));
        this.set("verified");
      } catch {
        if (!running.signal.aborted) this.set("unavailable", status);
      }
    }

    expire() {
      this.response = "";
      this.set("expired");
    }

    reset() {
      this.stop();
      this.response = "";
      this.set("ready");
    }

    stop() {
      this.running?.abort();
      clearTimeout(this.timer);
    }
  }

  if (!customElements.get("captchagate-challenge")) customElements.define("captchagate-challenge", CaptchagateChallenge);
})();
