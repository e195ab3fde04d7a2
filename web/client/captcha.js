// Tencent's captcha, and what stands in for it where it fails: see captcha.d.ts
(() => {
  "use strict";
  if (window.Captchagate) return;

  // The gateway replaces the next line by its configuration; times in ms.
  const served = { script: "https://turing.captcha.qcloud.com/TJCaptcha.js", loadTimeout: 5000, ticketLife: 290000, reports: 0.25, challenge: "challenge.js", integrity: "" };

  /** @import {Result, State} from "./captcha" */

  const tag = /** @type {HTMLScriptElement | null} */ (document.currentScript);
  const here = new URL(tag?.src || "/client/captcha.js", document.baseURI);

  const texts = {
    en: {
      label: "I am human", ready: "Please tick the box.", solving: "Checking…", verified: "Verified.", expired: "Expired. Please tick again.",
      retry: "Try again", degraded: "This check failed. You can go on.", unavailable: "Out of reach. You can go on.",
    },
    zh: {
      label: "我是真人", ready: "请勾选此框。", solving: "正在验证…", verified: "验证成功。", expired: "已过期，请重新勾选。",
      retry: "重试", degraded: "验证失败，您可以继续。", unavailable: "无法连接，您可以继续。",
    },
  };

  const style = new CSSStyleSheet();
  style.replaceSync(`:host{display:block;max-width:20rem}
captchagate-challenge{max-width:none}
[hidden]{display:none!important}
.box{box-sizing:border-box;min-height:5rem;padding:.5rem 1rem;border:1px solid gray;border-radius:.5rem;background:light-dark(#fff,#1b2027);color:light-dark(#1c2430,#e6e9ee);display:grid;grid-template-columns:1fr auto;align-items:center;align-content:center}
label{display:flex;gap:.75rem;align-items:center;min-height:2.5rem}
input{width:1.5rem;height:1.5rem;margin:0;flex:none;accent-color:light-dark(#0b6b57,#5fd0b4)}
button{font:inherit;min-height:2rem}
p{margin:0;grid-column:1/3;font-size:.875rem;line-height:1.4}`);

  // False where it cannot be had in time. The handlers stand before the script.
  const load = (address, integrity = "") => new Promise((done) => {
    const script = document.createElement("script");
    const end = (ok = false) => {
      clearTimeout(timer);
      if (!ok) script.remove();
      done(ok);
    };
    const timer = setTimeout(end, served.loadTimeout);
    script.onload = () => end(true);
    script.onerror = () => end();
    if (integrity) {
      script.crossOrigin = "anonymous";
      script.integrity = integrity;
    }
    if (tag) script.nonce = tag.nonce;
    script.src = address;
    document.head.append(script);
  });

  const loaded = new Promise((done) => document.readyState === "complete" ? done(0) : addEventListener("load", done));
  let loading, failedAt;

  // A failure stands for a minute: nobody waits twice for what hangs.
  const vendor = async (again = false) => {
    const there = () => typeof window.TencentCaptcha === "function";
    if (there()) return true;
    if (failedAt && (again || Date.now() - failedAt > 60000)) loading = failedAt = 0;
    loading ||= load(tag?.dataset.script || served.script).then(() => {
      if (there()) loading = 0;
      else failedAt = Date.now();
    });
    await loading;
    return there();
  };

  // The gateway's answer, its status where it refuses, null where it is away.
  const ask = async (address) => {
    try {
      const r = await fetch(address, { credentials: "omit", cache: "no-store", signal: AbortSignal.timeout(1500) });
      return r.ok ? await r.json() : r.status < 500 ? r.status : null;
    } catch {
      return null;
    }
  };

  const parse = (given) => typeof given === "string" ? JSON.parse(given) : given;
  /** @type {Widget[]} */
  let widgets = [];
  let count = 0;

  /** @type {Result} */
  const none = { ret: 2, ticket: null, randstr: "", response: "", state: "ready" };

  class Widget {
    /** @type {State} */
    state = "ready";
    response = "";
    result = none;
    round = 0; // earlier ones are not heard
    asked = 0; // when the gateway's mode was asked
    mode; // the gateway's
    puzzle; // the challenge
    captcha; // Tencent's
    refused = false; // there was no challenge
    waiting = [];
    reported = new Set();

    constructor(el, options) {
      this.id = "captchagate-" + ++count;
      this.el = el;
      this.o = options;
      if (!(options.appId > 0)) throw new Error("Captchagate: data-app-id must be a CaptchaAppId, is " + options.appId);
      this.own = parse(options.options || {}); // Tencent's
      const lang = options.language || el.closest("[lang]")?.getAttribute("lang") || navigator.language;
      this.lang = /^zh/i.test(lang) ? "zh" : "en";
      this.text = texts[this.lang];
      this.base = new URL(options.gateway || tag?.dataset.gateway || new URL("..", here), document.baseURI).href.replace(/\/?$/, "/");
      this.build();
      this.reset();
    }

    build() {
      const root = this.root = this.el.shadowRoot || this.el.attachShadow({ mode: "open" });
      root.adoptedStyleSheets = [style];
      const add = (parent, name, more) => parent.appendChild(Object.assign(document.createElement(name), more));
      root.replaceChildren();
      this.box = add(root, "div", { className: "box" });
      this.box.part = "box";
      const label = add(this.box, "label");
      this.input = add(label, "input", { type: "checkbox" });
      this.input.setAttribute("aria-describedby", "s");
      add(label, "span", { textContent: this.text.label });
      this.retry = add(this.box, "button", { type: "button", textContent: this.text.retry });
      this.status = add(this.box, "p", { id: "s", role: "status" });
      add(root, "slot", { name: "captchagate" }); // for Tencent's own element
      this.host = add(this.el, "div", { slot: "captchagate" });
      const hidden = (name) => add(this.el, "input", { type: "hidden", name, autocomplete: "off" });
      this.field = hidden("captcha-response");
      this.ticket = hidden("ticket");
      this.randstr = hidden("randstr");
      if (this.o.theme) this.el.style.colorScheme = this.o.theme === "auto" ? "light dark" : this.o.theme;
      this.input.onclick = (e) => {
        e.preventDefault(); // checked when verified
        if (this.state !== "verified") this.show();
      };
      this.retry.onclick = () => this.show(true);
    }

    // A ticket is good once, so a form is not sent twice with one.
    guard(form) {
      if (!form || form === this.form) return;
      this.form = form;
      let sent = "";
      form.addEventListener("submit", (e) => {
        if (sent && sent === this.response) {
          e.preventDefault();
          return e.stopImmediatePropagation();
        }
        sent = this.response;
        // A page that sends by itself may find the form wrong.
        setTimeout(() => setTimeout(() => { sent = ""; }, e.defaultPrevented ? 1000 : 15000));
      }, true);
    }

    set(state) {
      this.state = this.el.dataset.state = state;
      this.input.checked = state === "verified";
      this.status.textContent = this.text[state] || "";
      this.retry.hidden = state !== "unavailable" && state !== "degraded";
      this.box.hidden = !!this.puzzle || (this.o.size === "invisible" && /ready|solving|verified/.test(state));
      this.el.dispatchEvent(new CustomEvent("captchagate:state", { bubbles: true, detail: { state, response: this.response } }));
      this.call(this.o.stateCallback, state);
    }

    // A function of the page's, or its name. Its mistakes are not ours.
    call(f, ...args) {
      try {
        const g = typeof f === "string" ? f.split(".").reduce((o, k) => o?.[k], window) : f;
        if (g) g(...args);
        else if (f && document.readyState === "complete") throw new Error("Captchagate: no function " + f);
      } catch (error) {
        reportError(error);
      }
    }

    url(path) {
      return this.base + "v1/" + path + "?scene=" + encodeURIComponent(this.o.scene);
    }

    report(code) {
      if (this.reported.has(code) || Math.random() >= served.reports) return;
      this.reported.add(code);
      const events = [{ code, scene: this.o.scene, app_id: +this.o.appId }];
      navigator.sendBeacon?.(this.base + "v1/client-events", JSON.stringify({ events }));
    }

    async degraded(again = false) {
      if (again || Date.now() - this.asked > 5000) {
        this.mode = await ask(this.url("mode"));
        this.asked = Date.now();
      }
      return this.mode?.mode === "degraded" && this.mode.action === "challenge";
    }

    put(response, ticket = "", randstr = "") {
      this.response = this.field.value = response;
      this.ticket.value = ticket;
      this.randstr.value = randstr;
    }

    clear() {
      clearTimeout(this.timer);
      this.put("");
      this.destroy();
      return ++this.round;
    }

    destroy() {
      try {
        this.captcha?.destroy?.();
      } catch { /* broken, and gone */ }
      this.captcha = null;
    }

    async reset() {
      const round = this.clear();
      this.settle(none);
      this.drop();
      this.set("ready");
      const given = this.o.challenge;
      if (given) {
        this.o.challenge = "";
        return this.challenge(parse(given));
      }
      const degraded = await this.degraded(true);
      if (round !== this.round) return;
      if (degraded && await this.offer(round)) return;
      if (this.embedded()) return this.show();
      await loaded; // it must not hold the page
      if (await vendor()) return;
      this.report(1001);
      if (this.mode === null && round === this.round) {
        this.fill(this.disaster(1001), "unavailable"); // the form can be sent
      }
    }

    embedded() {
      return this.own.type === "embed" || "embed" in this.o;
    }

    // The promise always resolves. Again = load anew what failed.
    show(again = false) {
      return new Promise((done) => {
        if (this.state === "verified") return done(this.result);
        this.waiting.push(done);
        if (this.state !== "solving") this.start(again);
      });
    }

    async start(again = false) {
      this.refused = false;
      if (this.puzzle) return this.puzzle.solve();
      const round = this.clear();
      this.set("solving");
      const degraded = await this.degraded(again);
      if (round !== this.round) return;
      if (degraded && await this.offer(round)) return this.puzzle.solve();
      this.open(round, again);
    }

    // Opens Tencent's captcha; all failures end in fail().
    async open(round, again = false) {
      const there = await vendor(again);
      if (round !== this.round) return;
      if (!there) return this.fail(round, 1001);
      let timer = 0;
      const options = {
        userLanguage: this.lang === "zh" ? "zh-cn" : "en", ...this.own,
        ready: (view) => {
          clearTimeout(timer);
          this.call(this.own.ready, view);
        },
      };
      const ended = (r = {}) => {
        clearTimeout(timer);
        if (round !== this.round) return;
        const code = r.errorCode || /^tr?error_(\d+)/.exec(r.ticket)?.[1];
        if (code) return this.fail(round, Number(code), r);
        if (r.ticket) return this.finish({ ...none, ...r }, "verified");
        this.set("ready"); // closed by the user: not a failure
        this.settle(none);
        this.call(this.o.closeCallback);
      };
      try {
        const args = [String(this.o.appId), ended, options];
        this.captcha = new window.TencentCaptcha(...(this.embedded() ? [this.host, ...args] : args));
        timer = setTimeout(() => this.fail(round, 1002), served.loadTimeout);
        this.captcha.show();
      } catch {
        clearTimeout(timer);
        this.fail(round, 1001);
      }
    }

    disaster(code) {
      return {
        ...none, ret: 0, ticket: `trerror_${code}_${this.o.appId}_${Math.floor(Date.now() / 1000)}`,
        randstr: "@" + Math.random().toString(36).slice(2), errorCode: code, errorMessage: "captcha_failed",
      };
    }

    // The challenge if there is one now, else a disaster ticket.
    async fail(round, code, given = {}) {
      if (round !== this.round) return;
      this.destroy();
      this.report(code);
      this.call(this.o.errorCallback, code);
      const degraded = await this.degraded(true);
      if (round !== this.round) return;
      if (degraded && !this.refused && await this.offer(round)) return this.puzzle.solve();
      const result = this.disaster(code);
      if (given.ticket) Object.assign(result, given, { errorCode: code });
      this.finish(result, this.mode ? "degraded" : "unavailable");
    }

    // Puts the challenge in the captcha's place.
    async offer(round, challenge = undefined) {
      const there = () => customElements.get("captchagate-challenge");
      if (!there()) await load(this.base + "client/" + served.challenge, tag?.integrity && served.integrity);
      if (round !== this.round || !there()) return false;
      const focused = !!this.root?.activeElement;
      /** @type {any} */
      const puzzle = this.puzzle = document.createElement("captchagate-challenge");
      puzzle.lang = this.lang;
      puzzle.src = this.url("challenge");
      puzzle.challenge = challenge;
      puzzle.addEventListener("captchagate:state", (e) => this.follow(puzzle, e.detail));
      this.root?.append(puzzle);
      this.box.hidden = true;
      if (focused) puzzle.focus();
      return true;
    }

    drop() {
      this.puzzle?.remove();
      this.puzzle = null;
    }

    follow(puzzle, { state, response, status }) {
      if (puzzle !== this.puzzle) return;
      if (state === "verified") {
        this.finish({ ...none, ret: 0, ticket: "", response }, state);
      } else if (state === "unavailable" && status >= 0) { // none any more
        this.drop();
        this.refused = true;
        this.set("solving");
        this.open(this.clear());
      } else {
        this.put("");
        this.set(state === "ready" ? "degraded" : state);
        if (state === "expired") this.call(this.o.expiredCallback);
        if (status < 0) this.settle({ ...none, state });
      }
    }

    // The backend answered that it wants the challenge.
    async challenge(challenge) {
      const round = this.clear();
      this.drop();
      const done = new Promise((settle) => this.waiting.push(settle));
      if (await this.offer(round, challenge)) {
        this.puzzle.focus();
      } else if (round === this.round) {
        this.finish(this.disaster(1001), "unavailable");
      }
      return done;
    }

    fill(r, state) {
      const ticket = r.ticket || "";
      const packed = JSON.stringify({ v: 1, ticket, randstr: r.randstr, captcha_app_id: +this.o.appId });
      const response = !ticket ? r.response : /^tr?error_/.test(ticket) ? ticket
        : btoa(packed).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
      this.guard(this.field.form);
      this.put(response, ticket, r.randstr);
      this.result = { ...r, response, state };
      clearTimeout(this.timer);
      if (ticket) this.timer = setTimeout(() => this.expire(), served.ticketLife);
      this.set(state);
    }

    finish(r, state) {
      this.fill(r, state);
      this.settle(this.result);
      this.call(this.o.callback, this.response, this.result);
    }

    settle(r) {
      for (const done of this.waiting.splice(0)) done(r);
    }

    expire() {
      const code = this.result.errorCode;
      if (code) return this.fill(this.disaster(code), this.state); // it costs nobody anything
      this.clear();
      this.set("expired");
      this.call(this.o.expiredCallback);
    }

    remove() {
      this.clear();
      this.settle(none);
      this.drop();
      for (const one of [this.host, this.field, this.ticket, this.randstr]) one.remove();
      this.root?.replaceChildren();
      delete this.el.dataset.state;
    }
  }

  /** @returns {any} */
  const element = (which) => typeof which === "string" ? document.querySelector(which) : which;
  const nothing = (which) => new Error("Captchagate: nothing at " + which);

  // Left out: the first that is still in the page.
  const find = (which) => {
    const el = element(which);
    const w = widgets.find((w) => which ? w.id === which || w.el === el : w.el.isConnected);
    if (!w) throw nothing(which);
    return w;
  };

  window.Captchagate = {
    render(container, options) {
      const el = element(container);
      if (!el) throw nothing(container);
      let w = widgets.find((w) => w.el === el);
      if (!w) widgets.push(w = new Widget(el, { scene: "default", ...el.dataset, ...options }));
      return w.id;
    },
    show: (which) => find(which).show(),
    challenge: (which, challenge) => find(which).challenge(parse(challenge)),
    reset: (which) => void find(which).reset(),
    getResponse: (which) => find(which).response,
    getState: (which) => find(which).state,
    remove(which) {
      const gone = find(which);
      gone.remove();
      widgets = widgets.filter((w) => w !== gone);
    },
  };

  // Back to a page that the browser kept: its ticket is used.
  addEventListener("pageshow", (e) => {
    if (e.persisted) for (const w of widgets) w.reset();
  });
  const all = () => {
    if (here.searchParams.get("render") !== "explicit") {
      for (const el of document.querySelectorAll("[data-captchagate]")) {
        try {
          window.Captchagate.render(/** @type {any} */ (el));
        } catch (error) {
          reportError(error); // the others go on
        }
      }
    }
    /** @type {any} */ (window)[here.searchParams.get("onload") || ""]?.();
  };
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", all);
  else all();
})();
