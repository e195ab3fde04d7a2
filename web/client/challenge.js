// The alternate challenge: a proof of work in the form of ALTCHA's protocol 2.
// challenge.d.ts is its reference; solver.js does the work.
//
//   <captchagate-challenge src="/v1/challenge?scene=login" name="captcha-response"></captchagate-challenge>
//
// The solver runs in workers, which must be of the page's own origin; where
// there can be none, in the page. The syntax is that of ES2019, and what came to
// browsers after 2021 is optional.
(() => {
  "use strict";

  // The gateway replaces the next line by the addresses of its own version.
  const served = { solver: "solver.js", integrity: "" };

  /** @import {Challenge, ChallengeState} from "./challenge" */
  /** @import {CaptchagateSolver, Found} from "./solver" */
  /** @typedef {Challenge["parameters"]} Parameters */

  // Not document.currentScript: an element of that name would stand in its place.
  const running = /** @type {any} */ (Object.getOwnPropertyDescriptor(Document.prototype, "currentScript")).get.call(document);
  const tag = running instanceof HTMLScriptElement ? running : null;
  const beside = ((tag && tag.src) || "/client/challenge.js").split(/[?#]/)[0].replace(/[^/]*$/, served.solver);
  const mostWorkers = 4;
  const patience = 10000; // ms for a script or a worker to come

  // A page may ask for trusted types. If it does not allow this policy, neither
  // worker nor script can be had.
  /** @type {(address: string) => any} */
  let trusted = (address) => address;
  try {
    const policy = /** @type {any} */ (window).trustedTypes.createPolicy("captchagate-challenge", { createScriptURL: trusted });
    trusted = (address) => policy.createScriptURL(address);
  } catch { /* there are none, or not for us */ }

  /**
   * @template T
   * @param {(done: (value: T) => void, fail: (reason: unknown) => void) => void} begin
   * @returns {Promise<T>}
   */
  const inTime = (begin) => {
    /** @type {ReturnType<typeof setTimeout>} */
    let timer;
    return new Promise((done, fail) => {
      timer = setTimeout(fail, patience, new Error("out of time"));
      begin(done, fail);
    }).then((value) => {
      clearTimeout(timer);
      return /** @type {T} */ (value);
    }, (reason) => {
      clearTimeout(timer);
      throw reason;
    });
  };

  /** @type {Promise<CaptchagateSolver> | null} */
  let loading = null;

  // The solver in the page.
  const inPage = () => {
    loading = loading || inTime((done, fail) => {
      const script = document.createElement("script");
      script.onload = done;
      script.onerror = fail;
      if (tag) script.nonce = tag.nonce;
      if (tag && tag.integrity && served.integrity) {
        script.crossOrigin = "anonymous";
        script.integrity = served.integrity;
      }
      script.src = trusted(beside);
      document.head.append(script);
    }).then(() => {
      if (!window.CaptchagateSolver) throw new Error("no solver");
      return window.CaptchagateSolver;
    });
    loading.catch(() => { loading = null; });
    return loading;
  };

  /** A lane searches in a worker, or in the page where there can be none. */
  class Lane {
    constructor() {
      /** @type {Worker | null} */
      this.worker = null;
    }

    // Resolves when there is a worker, or will be none.
    async open() {
      try {
        await inTime((done, fail) => {
          const worker = this.worker = new Worker(trusted(beside));
          worker.onmessage = done;
          worker.onerror = (e) => {
            e.preventDefault();
            fail(e);
          };
        });
      } catch { // of another origin, forbidden by the page's policy, or not to be had
        this.close();
      }
    }

    /**
     * @param {Parameters} parameters
     * @param {number} from
     * @param {number} count
     * @returns {Promise<Found | null>}
     */
    async search(parameters, from, count) {
      const worker = this.worker;
      if (worker) {
        try {
          return await new Promise((done, fail) => {
            worker.onmessage = ({ data }) => data.error ? fail(data.error) : done(data.found);
            worker.onerror = fail;
            worker.postMessage({ parameters, from, count });
          });
        } catch {
          this.close();
        }
      }
      return (await inPage()).search(parameters, from, count);
    }

    close() {
      if (this.worker) this.worker.terminate();
      this.worker = null;
    }
  }

  /** @typedef {{stopped: boolean, stop?: (reason?: unknown) => void}} Run */

  /**
   * Solves a challenge.
   * @param {Challenge} challenge
   * @param {Run} run
   * @param {(likely: number) => void} progress how likely it was done by now, 0 to 1
   * @returns {Promise<{found: Found, time: number}>}
   */
  const solve = async ({ parameters }, run, progress) => {
    const began = performance.now();
    const count = Math.max(1, Math.round(50000 / parameters.cost)); // some ten milliseconds
    const odds = 16 ** -parameters.keyPrefix.length;
    const lanes = Array.from({ length: Math.min(navigator.hardwareConcurrency || 1, mostWorkers) }, () => new Lane());
    let next = 0;
    let tried = 0;
    try {
      const found = await new Promise((/** @type {(f: Found) => void} */ done, fail) => {
        run.stop = fail;
        /** @param {Lane} lane */
        const search = async (lane) => {
          await lane.open();
          while (!run.stopped) {
            const from = next;
            next += count;
            const found = await lane.search(parameters, from, count);
            if (found) return done(found);
            progress(1 - (1 - odds) ** (tried += count));
          }
        };
        for (const lane of lanes) search(lane).catch(fail);
      });
      return { found, time: performance.now() - began };
    } finally {
      run.stopped = true; // lanes in the page end with their slice
      for (const lane of lanes) lane.close();
    }
  };

  const texts = {
    en: {
      label: "I am human", cancel: "Cancel", retry: "Try again", progress: "Progress",
      ready: "Please tick the box.", solving: "Checking…", verified: "Verified.",
      expired: "Expired. Please tick again.", unavailable: "Out of reach. Please try again.",
    },
    zh: {
      label: "我是真人", cancel: "取消", retry: "重试", progress: "进度",
      ready: "请勾选此框。", solving: "正在验证…", verified: "验证成功。",
      expired: "已过期，请重新勾选。", unavailable: "无法连接，请重试。",
    },
  };

  /**
   * What the gateway takes. A challenge of its own is plain ASCII.
   * @param {Challenge} challenge
   * @param {Found} found
   * @param {number} time ms
   */
  const encode = ({ parameters, signature }, found, time) =>
    btoa(JSON.stringify({ challenge: { parameters, signature }, solution: { ...found, time: Math.round(time) } }));

  const rules = `:host{display:block;max-width:20rem}
[hidden]{display:none!important}
.box{box-sizing:border-box;min-height:5rem;padding:.5rem 1rem;border:1px solid gray;border-radius:.5rem;background:#fff;background:light-dark(#fff,#1b2027);color:#1c2430;color:light-dark(#1c2430,#e6e9ee);position:relative;overflow:hidden;display:grid;grid-template-columns:1fr auto;align-items:center;align-content:center}
label{display:flex;gap:.75rem;align-items:center;min-height:2.5rem}
input{width:1.5rem;height:1.5rem;margin:0;flex:none;accent-color:light-dark(#0b6b57,#5fd0b4)}
p{margin:0;grid-column:1/3;font-size:.875rem;line-height:1.4}
button{font:inherit;min-height:2rem}
progress{position:absolute;left:0;bottom:0;width:100%;height:.25rem;border:0;-webkit-appearance:none;appearance:none;background:none;color:#0b6b57;color:light-dark(#0b6b57,#5fd0b4)}
progress::-webkit-progress-bar{background:none}
progress::-webkit-progress-value{background:#0b6b57;background:light-dark(#0b6b57,#5fd0b4)}
progress::-moz-progress-bar{background:#0b6b57;background:light-dark(#0b6b57,#5fd0b4)}
:focus-visible{outline:3px solid #0b6b57;outline:3px solid light-dark(#0b6b57,#5fd0b4);outline-offset:2px}`;

  /**
   * Without constructable sheets, an element does, where the page's policy has it.
   * @param {ShadowRoot} root
   */
  const dress = (root) => {
    try {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(rules);
      root.adoptedStyleSheets = [sheet];
    } catch {
      const style = document.createElement("style");
      if (tag) style.nonce = tag.nonce;
      style.textContent = rules;
      root.append(style);
    }
  };

  class CaptchagateChallenge extends HTMLElement {
    static get formAssociated() {
      return true;
    }

    constructor() {
      super();
      /** @type {Challenge | undefined} */
      this.challenge = undefined;
      this.response = "";
      /** @type {ChallengeState} */
      this.state = "ready";
      /** @type {Run | null} */
      this.running = null;
      this.internals = this.attachInternals ? this.attachInternals() : null;
      this.root = this.attachShadow({ mode: "open", delegatesFocus: true });
    }

    connectedCallback() {
      const near = this.closest("[lang]");
      const lang = (near && near.getAttribute("lang")) || navigator.language;
      this.text = texts[/^zh/i.test(lang) ? "zh" : "en"];
      this.response = "";
      /** @type {(parent: Node, name: string, more?: object) => any} */
      const add = (parent, name, more) => parent.appendChild(Object.assign(document.createElement(name), more));
      this.root.textContent = "";
      dress(this.root);
      const box = add(this.root, "div", { className: "box" });
      box.setAttribute("part", "box");
      const label = add(box, "label");
      this.input = add(label, "input", { type: "checkbox" });
      this.input.setAttribute("aria-describedby", "s");
      add(label, "span", { textContent: this.text.label });
      this.button = add(box, "button", { type: "button" });
      this.status = add(box, "p", { id: "s" });
      this.status.setAttribute("role", "status");
      this.bar = add(box, "progress", { max: 1, value: 0 });
      this.bar.setAttribute("aria-label", this.text.progress);
      this.input.onclick = (/** @type {Event} */ e) => {
        e.preventDefault(); // it is checked when the check is done
        this.solve();
      };
      this.button.onclick = () => {
        if (this.state === "solving") this.reset();
        else this.solve();
        this.input.focus(); // the button goes
      };
      this.set("ready");
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

    focus() {
      if (this.input) this.input.focus();
    }

    /**
     * @param {ChallengeState} state
     * @param {number} [status] why it is unavailable: HTTP's, 0 without an answer, -1 without a solver
     */
    set(state, status) {
      this.state = state;
      this.setAttribute("state", state);
      this.input.checked = state === "verified";
      this.status.textContent = (this.text || texts.en)[state];
      this.button.hidden = state !== "solving" && state !== "unavailable";
      this.button.textContent = (this.text || texts.en)[state === "solving" ? "cancel" : "retry"];
      this.bar.hidden = state !== "solving";
      this.bar.value = 0;
      this.offer();
      this.dispatchEvent(new CustomEvent("captchagate:state", { bubbles: true, detail: { state, status, response: this.response } }));
    }

    // Hands the solution to the form: by a hidden field in browsers without
    // elements that take part in forms.
    offer() {
      const name = this.getAttribute("name");
      if (this.internals && this.internals.setFormValue) return this.internals.setFormValue(this.response);
      if (!name) return;
      this.field = this.field || this.appendChild(Object.assign(document.createElement("input"), { type: "hidden", name }));
      this.field.value = this.response;
    }

    async fetch() {
      const answer = await inTime((/** @type {(r: Response) => void} */ done, fail) => {
        fetch(this.src, { credentials: "omit", cache: "no-store" }).then(done, fail);
      });
      if (!answer.ok) throw Object.assign(new Error("refused"), { status: answer.status });
      return /** @type {Promise<Challenge>} */ (answer.json());
    }

    async solve() {
      if (this.state === "solving" || this.state === "verified") return;
      /** @type {Run} */
      const running = { stopped: false };
      this.running = running;
      this.set("solving");
      const began = performance.now();
      let status = 0;
      try {
        let challenge = this.challenge;
        this.challenge = undefined; // it is good once
        challenge = challenge || await this.fetch();
        if (running !== this.running) return;
        status = -1;
        const { found, time } = await solve(challenge, running, (likely) => { this.bar.value = likely; });
        if (running !== this.running) return;
        this.response = encode(challenge, found, time);
        this.timer = setTimeout(() => this.expire(), Math.max(life(challenge.parameters) - (performance.now() - began), 1000));
        this.set("verified");
      } catch (/** @type {any} */ reason) {
        if (running === this.running) this.set("unavailable", (reason && reason.status) || status);
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
      const running = this.running;
      this.running = null;
      if (running) {
        running.stopped = true;
        if (running.stop) running.stop();
      }
      clearTimeout(this.timer);
    }
  }

  /**
   * How many ms a challenge lives from when it was had, five seconds kept for the
   * way back. The browser's clock may be wrong, so it is not asked: both ends are
   * the gateway's.
   * @param {Parameters} parameters
   */
  const life = ({ data, expiresAt }) => {
    const { issued, until } = /** @type {any} */ (data || {});
    const all = until - issued;
    return (all > 0 ? all : expiresAt * 1000 - Date.now()) - 5000;
  };

  if (!customElements.get("captchagate-challenge")) customElements.define("captchagate-challenge", CaptchagateChallenge);
})();
