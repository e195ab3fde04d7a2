// Tencent's captcha, and what stands in for it where it fails: see captcha.d.ts
//
// A widget asks its user in rounds. A round ends once, with a ticket, a solution
// or a disaster ticket, unless the user closes the captcha or the page begins
// anew. Whatever throws in it ends it with a disaster ticket; only how it looks
// fails alone. The syntax is that of ES2019, and what came to browsers after 2021
// is optional. Time is what has elapsed, because a user's clock may be wrong.
(() => {
  "use strict";

  // The gateway replaces the next line by its configuration; times in ms.
  const served = { script: "https://turing.captcha.qcloud.com/TJCaptcha.js", loadTimeout: 5000, ticketLife: 290000, reports: 0.25, app: 0, challenge: "challenge.js", integrity: "" };

  /** @import {Result, State} from "./captcha" */

  // Not document.currentScript: an element of that name would stand in its place.
  const running = /** @type {any} */ (Object.getOwnPropertyDescriptor(Document.prototype, "currentScript")).get.call(document);
  const tag = running instanceof HTMLScriptElement ? running : null;
  /** @type {any} */
  const data = tag ? tag.dataset : {};
  // A link's address never throws, wherever the page is.
  const absolute = (address) => Object.assign(document.createElement("a"), { href: address }).href;
  const [here, query] = absolute((tag && tag.src) || "/client/captcha.js").split(/[?#]/);
  const asked = new URLSearchParams(query);

  // Tells the page of a mistake of its own; nothing here stops for it.
  const complain = (error) => {
    setTimeout(() => { throw error; });
  };

  const met = new WeakSet(); // what was rendered, or cannot be
  const renderAll = () => {
    if (asked.get("render") === "explicit") return;
    for (const el of document.querySelectorAll("[data-captchagate]")) {
      if (met.has(el) || widgets.some((w) => w.el === el)) continue;
      met.add(el);
      try {
        window.Captchagate.render(/** @type {any} */ (el));
      } catch (error) {
        complain(error); // the others go on
      }
    }
  };
  /** @type {Widget[]} */
  let widgets = [];
  const begin = () => {
    renderAll();
    const ready = /** @type {any} */ (window)[asked.get("onload") || ""];
    if (ready) ready();
  };
  const whenParsed = (f) => document.readyState === "loading" ? addEventListener("DOMContentLoaded", f) : f();
  /** @type {any} */
  const first = window.Captchagate; // or an element of that id
  if (first && typeof first.render === "function") return whenParsed(begin); // this is the script's second tag

  const texts = {
    en: {
      label: "I am human", ready: "Please tick the box.", solving: "Checking…", verified: "Verified.", expired: "Expired. Please tick again.",
      retry: "Try again", degraded: "Out of order. You can go on.", unavailable: "Out of reach. You can go on.",
    },
    zh: {
      label: "我是真人", ready: "请勾选此框。", solving: "正在验证…", verified: "验证成功。", expired: "已过期，请重新勾选。",
      retry: "重试", degraded: "验证暂不可用，您可以继续。", unavailable: "无法连接，您可以继续。",
    },
  };

  const rules = `:host{display:block;max-width:20rem}
captchagate-challenge{max-width:none}
[hidden]{display:none!important}
.box{box-sizing:border-box;min-height:5rem;padding:.5rem 1rem;border:1px solid gray;border-radius:.5rem;background:#fff;background:light-dark(#fff,#1b2027);color:#1c2430;color:light-dark(#1c2430,#e6e9ee);display:grid;grid-template-columns:1fr auto;align-items:center;align-content:center}
label{display:flex;gap:.75rem;align-items:center;min-height:2.5rem}
input{width:1.5rem;height:1.5rem;margin:0;flex:none;accent-color:light-dark(#0b6b57,#5fd0b4)}
button{font:inherit;min-height:2rem}
p{margin:0;grid-column:1/3;font-size:.875rem;line-height:1.4}`;

  // Without constructable sheets an element does, where the page's policy has it.
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

  const now = () => performance.now();
  let skew = 0; // ms that the gateway's clock is ahead of the browser's
  let patience = 1; // a slow network gets its captcha in the end: later tries wait longer
  const limit = () => served.loadTimeout * patience;

  // What a promise gives within so many ms, else undefined.
  const within = (ms, promise) => {
    let timer;
    return Promise.race([promise, new Promise((done) => { timer = setTimeout(done, ms); })]).finally(() => clearTimeout(timer));
  };

  // A page may ask for trusted types. If it does not allow this policy, scripts
  // cannot be had.
  let trusted = (address) => address;
  try {
    const policy = /** @type {any} */ (window).trustedTypes.createPolicy("captchagate", { createScriptURL: trusted });
    trusted = (address) => policy.createScriptURL(address);
  } catch { /* there are none, or not for us */ }

  // A script that comes too late is there for the next try.
  const load = (address, integrity = "") => within(limit(), new Promise((done) => {
    const script = document.createElement("script");
    script.onload = script.onerror = done;
    if (integrity) {
      script.crossOrigin = "anonymous";
      script.integrity = integrity;
    }
    if (tag) script.nonce = tag.nonce;
    script.src = trusted(address);
    document.head.append(script);
  })).then((event) => {
    if (!event) patience = Math.min(patience * 2, 8);
  }, () => {});

  const loaded = new Promise((done) => document.readyState === "complete" ? done(0) : addEventListener("load", done));
  let loading, failedAt;

  // A failure stands for a minute: nobody waits twice for what hangs.
  const vendor = async (again = false) => {
    const there = () => typeof window.TencentCaptcha === "function";
    if (there()) return true;
    if (failedAt && (again || now() - failedAt > 60000)) loading = failedAt = 0;
    loading = loading || load(data.script || served.script).then(() => {
      if (there()) loading = 0;
      else failedAt = now();
    });
    await loading;
    return there();
  };

  // The gateway's answer, its status where it refuses, null where it is away.
  const ask = async (address) => {
    try {
      const r = await within(limit(), fetch(address, { credentials: "omit", cache: "no-store" }));
      skew = Date.parse(r.headers.get("Date")) - Date.now() || skew;
      return r.ok ? await within(limit(), r.json()) : r.status < 500 ? r.status : null;
    } catch {
      return null;
    }
  };

  // Not at once: a page that insists must not keep itself busy.
  const kept = new MutationObserver(() => setTimeout(() => {
    for (const w of widgets) w.keep();
  }));

  const parse = (given) => typeof given === "string" ? JSON.parse(given) : given;
  const parts = '[slot="captchagate"]'; // ours, beside the shadow root
  let count = 0;

  /** @type {Result} */
  const none = { ret: 2, ticket: null, randstr: "", response: "", state: "ready" };

  class Widget {
    constructor(el, options) {
      this.id = "captchagate-" + ++count;
      this.el = el;
      this.o = options;
      this.app = options.appId;
      if (!(this.app > 0)) throw new Error("Captchagate: data-app-id must be a CaptchaAppId, is " + this.app);
      this.own = parse(options.options || {}); // Tencent's
      const near = el.closest("[lang]");
      this.lang = /^zh/i.test(options.language || (near && near.getAttribute("lang")) || navigator.language) ? "zh" : "en";
      this.text = texts[this.lang];
      this.base = absolute(options.gateway || data.gateway || here.replace(/[^/]*$/, "..")).replace(/\/?$/, "/");
      /** @type {State} */
      this.state = "ready";
      this.response = "";
      this.result = none;
      this.round = {}; // earlier ones are not heard
      this.askedAt = -Infinity; // when the gateway's mode was asked
      this.appAt = NaN; // when its encrypted app id was
      this.waiting = [];
      this.reported = new Set();
      this.build();
      this.reset();
    }

    build() {
      const { el, text } = this;
      const root = this.root = el.shadowRoot || el.attachShadow({ mode: "open" });
      const add = (parent, name, more) => parent.appendChild(Object.assign(document.createElement(name), more));
      root.textContent = "";
      dress(root);
      this.box = add(root, "div", { className: "box" });
      this.box.setAttribute("part", "box");
      const label = add(this.box, "label");
      this.input = add(label, "input", { type: "checkbox" });
      this.input.setAttribute("aria-describedby", "s");
      add(label, "span", { textContent: text.label });
      this.retry = add(this.box, "button", { type: "button", textContent: text.retry });
      this.status = add(this.box, "p", { id: "s" });
      this.status.setAttribute("role", "status");
      add(root, "slot", { name: "captchagate" }); // for Tencent's own element
      for (const old of el.querySelectorAll(parts)) old.remove(); // of a snapshot
      this.light = add(el, "div", { slot: "captchagate" });
      this.host = add(this.light, "div");
      // The page reads what it sends: see guard.
      const hidden = (name) => {
        const field = add(this.light, "input", { type: "hidden", name, autocomplete: "off" });
        return Object.defineProperty(field, "value", {
          get: () => this.taken(field.getAttribute("value")), set: (value) => field.setAttribute("value", value),
        });
      };
      this.field = hidden("captcha-response");
      this.ticket = hidden("ticket");
      this.randstr = hidden("randstr");
      const { theme } = this.o;
      this.scheme = theme === "auto" ? "light dark" : theme || "";
      kept.observe(el, { attributeFilter: ["data-state", "style"] });
      this.input.onclick = (e) => {
        e.preventDefault(); // checked when there is something to send
        if (this.ticked && this.response) return;
        this.ticked = true;
        if (this.shown) this.run(); // and is gone: the page was changed around it
        else this.show();
      };
      this.retry.onclick = () => {
        this.ticked = true;
        this.show(true);
      };
    }

    // A ticket is good once: a form is not sent twice with one. And where the
    // page sends it by itself, the widget begins anew once that was read.
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
        const later = (f) => setTimeout(() => setTimeout(f, e.defaultPrevented ? 1000 : 15000));
        later(() => { sent = ""; }); // a page that sends by itself may find the form wrong
        let fresh = sent;
        this.taken = (value) => {
          const read = fresh;
          fresh = "";
          if (read) later(() => read === this.response && this.reset());
          return value;
        };
      }, true);
      form.addEventListener("formdata", () => this.taken());
    }

    taken(value) {
      return value;
    }

    set(state) {
      this.state = state;
      this.keep();
      this.input.checked = state === "verified" || !!(this.ticked && this.response);
      this.status.textContent = this.text[state] || "";
      this.retry.hidden = state !== "unavailable" && state !== "degraded";
      this.box.hidden = !!this.puzzle || (this.o.size === "invisible" && /ready|solving|verified/.test(state));
      this.el.dispatchEvent(new CustomEvent("captchagate:state", { bubbles: true, detail: { state, response: this.response } }));
      this.call(this.o.stateCallback, state);
    }

    // A function of the page's, or the name of one: no path, since a user of the
    // page may have written the element. Its mistakes are not ours.
    call(f, ...args) {
      try {
        const g = typeof f !== "string" ? f : {}.hasOwnProperty.call(window, f) && window[f];
        if (g) g(...args);
        else if (f && document.readyState === "complete") throw new Error("Captchagate: no function " + f);
      } catch (error) {
        complain(error);
      }
    }

    url(path) {
      return this.base + "v1/" + path + "?scene=" + encodeURIComponent(this.o.scene);
    }

    report(code) {
      if (this.reported.has(code) || Math.random() >= served.reports) return;
      this.reported.add(code);
      const events = [{ code, scene: this.o.scene, app_id: +this.app }];
      try {
        navigator.sendBeacon(this.base + "v1/client-events", JSON.stringify({ events }));
      } catch { /* nobody needs it */ }
    }

    // Whether the gateway asks for the challenge now. Where its answer takes too
    // long the captcha opens, and the answer is there should that fail.
    async degraded(again, share) {
      if (again || now() - this.askedAt > 5000) {
        this.askedAt = now();
        this.mode = undefined;
        const asking = this.asking = ask(this.url("mode")).then((mode) => {
          if (asking === this.asking) this.mode = mode;
        });
      }
      await within(limit() * share, this.asking);
      return !!this.mode && this.mode.mode === "degraded" && this.mode.action === "challenge";
    }

    put(response, ticket = "", randstr = "") {
      this.response = this.field.value = response;
      this.ticket.value = ticket;
      this.randstr.value = randstr;
      this.keep();
    }

    // The page may have made its element what the server wrote.
    keep() {
      const { el, light, scheme } = this;
      if (light.parentNode !== el) el.append(light);
      if (el.dataset.state !== this.state) el.dataset.state = this.state;
      if (scheme && el.style.colorScheme !== scheme) el.style.colorScheme = scheme;
    }

    // Ends what was, and begins a round.
    next() {
      this.end();
      this.destroy();
      this.put("");
      return this.round;
    }

    // From now on nobody is heard who belongs to the round that was.
    end() {
      clearTimeout(this.timer);
      this.shown = false;
      this.round = {};
    }

    destroy() {
      try {
        this.captcha.destroy();
      } catch { /* none, broken, or cannot */ }
      this.captcha = null;
    }

    reset() {
      const round = this.next();
      this.ticked = false;
      this.settle(none);
      this.drop();
      this.set("ready");
      const given = this.o.challenge;
      this.o.challenge = "";
      if (given) this.challenge(given);
      else this.prepare(round).catch(complain);
    }

    // The app id as the gateway encrypts it, anew when it grows old. Its age is by
    // the clock of the day, since others may stand still while the device sleeps.
    encrypted() {
      if (served.app && !(Math.abs(Date.now() - this.appAt) < served.app)) {
        this.appAt = Date.now();
        this.sealed = ask(this.url("app")).then((app) => {
          const had = app && app.aid_encrypted;
          if (!had) this.appAt = NaN;
          return had ? app : null;
        });
      }
      return this.sealed;
    }

    // What can be done before the user asks.
    async prepare(round) {
      if (await this.degraded(true, 1) && await this.offer(round) || round !== this.round) return;
      if (this.own.type === "embed" || "embed" in this.o) return this.show();
      await loaded; // it must not hold the page
      this.encrypted();
      if (await vendor()) return;
      this.report(1001);
      if (this.mode === null && round === this.round) {
        this.fill(this.disaster(1001), "unavailable"); // the form can be sent
      }
    }

    // The promise always resolves. Again = load anew what failed.
    show(again = false) {
      return new Promise((done) => {
        if (this.state === "verified") return done(this.result);
        this.waiting.push(done);
        if (this.state !== "solving") this.run(again);
      });
    }

    // Refused = there is no challenge.
    run(again = false, refused = false) {
      this.refused = refused;
      if (this.puzzle) return this.puzzle.solve();
      const round = this.next();
      this.set("solving");
      this.open(round, again).catch(() => this.fail(round, 1001));
    }

    // The challenge if there is one now, else Tencent's captcha.
    async open(round, again) {
      if (!this.refused && await this.degraded(again, 0.3) && await this.offer(round)) return this.puzzle.solve();
      const [there, app] = await Promise.all([vendor(again), this.encrypted()]);
      if (round !== this.round) return;
      if (!there || (served.app && !app)) return this.fail(round, 1001);
      const options = { userLanguage: this.lang === "zh" ? "zh-cn" : "en", ...this.own };
      if (app) {
        this.app = app.captcha_app_id;
        options.aidEncrypted = app.aid_encrypted;
      }
      options.ready = (view) => {
        if (round !== this.round) return;
        clearTimeout(this.timer);
        this.shown = true;
        if (typeof this.own.ready === "function") this.call(this.own.ready, view);
      };
      const args = [String(this.app), (r) => this.heard(round, r), options];
      if (this.own.type === "embed" || "embed" in this.o) args.unshift(this.host);
      this.timer = setTimeout(() => {
        patience = Math.min(patience * 2, 8);
        this.fail(round, 1002);
      }, limit());
      const captcha = new window.TencentCaptcha(...args);
      if (round !== this.round) return;
      this.captcha = captcha;
      captcha.show();
    }

    // Tencent's captcha called back.
    heard(round, r) {
      if (round !== this.round) return;
      r = r || {};
      const ticket = r.ticket ? String(r.ticket) : "";
      const code = r.errorCode || (/^tr?error_(\d+)/.exec(ticket) || [])[1];
      if (ticket && !code) return this.finish({ ...none, ...r, ticket }, "verified");
      if (code || r.ret !== 2) return this.fail(round, +code || 1001, r);
      this.end(); // closed by the user: not a failure
      this.ticked = false;
      this.set("ready");
      this.settle(none);
      this.call(this.o.closeCallback);
    }

    disaster(code) {
      return {
        ...none, ret: 0, ticket: `trerror_${code}_${this.app}_${Math.floor((Date.now() + skew) / 1000)}`,
        randstr: "@" + Math.random().toString(36).slice(2), errorCode: code, errorMessage: "captcha_failed",
      };
    }

    // The challenge if there is one now, else a disaster ticket. A ticket that
    // comes meanwhile is better than either.
    async fail(round, code, given = {}) {
      if (round !== this.round || round.failed) return;
      round.failed = true;
      this.appAt = NaN; // it may have been that
      clearTimeout(this.timer);
      this.destroy();
      this.report(code);
      this.call(this.o.errorCallback, code);
      try {
        await within(50, new Promise(() => {}));
        if (await this.degraded(this.mode !== undefined, 0.6) && !this.refused && await this.offer(round)) return this.puzzle.solve();
      } catch { /* no challenge, then */ }
      if (round !== this.round) return;
      const result = this.disaster(code);
      if (given.ticket) Object.assign(result, given, { ticket: String(given.ticket), errorCode: code });
      this.finish(result, this.mode ? "degraded" : "unavailable");
    }

    // Puts the challenge in the captcha's place, unless it cannot be had or the
    // round is over.
    async offer(round, challenge = undefined) {
      try {
        const there = () => customElements.get("captchagate-challenge");
        if (!there()) await load(this.base + "client/" + served.challenge, tag && tag.integrity ? served.integrity : "");
        if (round !== this.round || !there()) return false;
        /** @type {any} */
        const puzzle = document.createElement("captchagate-challenge");
        puzzle.lang = this.lang;
        puzzle.src = this.url("challenge");
        puzzle.challenge = challenge;
        let was = "";
        puzzle.addEventListener("captchagate:state", (e) => {
          this.follow(puzzle, e.detail, was);
          was = e.detail.state;
        });
        const focused = !!this.root.activeElement;
        this.root.append(puzzle);
        if (!puzzle.state) { // it broke
          puzzle.remove();
          return false;
        }
        this.drop();
        this.puzzle = puzzle;
        this.set("degraded");
        if (focused) puzzle.focus();
        return true;
      } catch {
        return false;
      }
    }

    drop() {
      if (this.puzzle) this.puzzle.remove();
      this.puzzle = null;
    }

    follow(puzzle, { state, response }, was) {
      if (puzzle !== this.puzzle) return;
      if (state === "verified") return this.finish({ ...none, ret: 0, ticket: "", response }, state);
      if (state === "unavailable") { // none any more, or it cannot be solved
        this.drop();
        return this.run(false, true);
      }
      this.put("");
      this.set(state === "ready" ? "degraded" : state);
      if (state === "expired") this.call(this.o.expiredCallback);
      if (was === "solving" && state === "ready") { // cancelled
        this.ticked = false;
        this.settle(none);
        this.call(this.o.closeCallback);
      }
    }

    // The backend answered that it wants the challenge. Who ticked the box once
    // need not do it again.
    challenge(given) {
      const round = this.next(), ticked = this.ticked;
      this.drop();
      this.set("solving");
      const show = async () => {
        let challenge;
        try {
          challenge = parse(given);
        } catch (error) {
          complain(error); // another one is fetched
        }
        if (await this.offer(round, challenge)) return ticked ? this.puzzle.solve() : this.puzzle.focus();
        throw 0;
      };
      return new Promise((done) => {
        this.waiting.push(done);
        show().catch(() => round === this.round && this.finish(this.disaster(1001), "unavailable"));
      });
    }

    fill(r, state) {
      const ticket = r.ticket || "";
      const packed = JSON.stringify({ v: 1, ticket, randstr: r.randstr, captcha_app_id: +this.app })
        .replace(/[^ -~]/g, (c) => "\\u" + (c.charCodeAt(0) + 65536).toString(16).slice(1));
      const response = !ticket ? r.response : /^tr?error_/.test(ticket) ? ticket
        : btoa(packed).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
      this.put(response, ticket, r.randstr || "");
      this.guard(this.field.form);
      this.result = { ...r, response, state };
      clearTimeout(this.timer);
      if (ticket) this.timer = setTimeout(() => this.expire(), served.ticketLife);
      this.set(state);
    }

    // Ends the round.
    finish(r, state) {
      this.end();
      if (r.ticket) this.drop();
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
      this.next();
      this.ticked = false;
      this.set("expired");
      this.call(this.o.expiredCallback);
    }

    remove() {
      this.next();
      this.settle(none);
      this.drop();
      this.light.remove();
      this.root.textContent = "";
      delete this.el.dataset.state;
      widgets = widgets.filter((w) => w !== this);
    }
  }

  /** @returns {any} */
  const element = (which) => typeof which === "string" ? document.querySelector(which) : which;
  const nothing = (which) => new Error("Captchagate: nothing at " + which);

  // Left out: the first that is still in the page.
  const find = (which) => {
    const named = widgets.find((w) => which ? w.id === which : w.el.isConnected);
    const w = named || (which && widgets.find((w) => w.el === element(which)));
    if (!w) throw nothing(which);
    return w;
  };

  window.Captchagate = {
    render(container, options) {
      const el = element(container);
      if (!el) throw nothing(container);
      let w = widgets.find((w) => w.el === el);
      // An element may be a user's of the page: it does not say where scripts come from.
      if (!w) widgets.push(w = new Widget(el, { scene: "default", ...el.dataset, gateway: "", ...options }));
      return w.id;
    },
    show: (which) => find(which).show(),
    challenge: (which, challenge) => find(which).challenge(challenge),
    reset: (which) => find(which).reset(),
    getResponse: (which) => {
      const w = find(which);
      return w.taken(w.response);
    },
    getState: (which) => find(which).state,
    remove: (which) => find(which).remove(),
  };

  // Back to a page that the browser kept: its ticket is used.
  addEventListener("pageshow", (e) => {
    if (e.persisted) for (const w of widgets) w.reset();
  });

  // Pages change. What is new is rendered, what is gone is forgotten, what a page
  // took out of its element comes back, and what is in a snapshot of one goes.
  const tend = () => {
    for (const w of widgets) {
      if (!w.el.isConnected && met.delete(w.el)) w.remove();
      else w.keep();
    }
    for (const part of document.querySelectorAll(parts)) {
      if (!widgets.some((w) => w.light === part)) part.remove();
    }
    renderAll();
  };
  whenParsed(() => {
    begin();
    new MutationObserver(tend).observe(document, { childList: true, subtree: true });
  });
})();
