// SIMULATOR. A stand-in for Tencent's page script, for tests and demonstrations
// only: whoever presses its button is taken for a person.
//
//   new TencentCaptcha(appId, callback, options)
//   new TencentCaptcha(element, appId, callback, options)
//
// The callback gets {ret, ticket, randstr, appid, CaptchaAppId, bizState,
// errorCode, errorMessage} as from the real script: ret is 0 for a ticket,
// disaster tickets included, and 2 where the person closed the box.
(() => {
  "use strict";

  // The simulator replaces the next line by the way in which it should fail.
  const simulated = { kind: "ok", code: 0 };

  // Not document.currentScript: an element of that name would stand in its place.
  const script = Object.getOwnPropertyDescriptor(Document.prototype, "currentScript").get.call(document);
  const here = new URL(script.src, document.baseURI).origin;

  const messages = {
    1001: "jsload_error",
    1002: "show_timeout",
    1006: "config_error",
    1012: "refresh_error",
    1013: "verify_error",
  };

  const element = (name, text, style) => {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    Object.assign(made.style, style); // not an attribute: a page's CSP may forbid those
    return made;
  };

  class TencentCaptcha {
    constructor(...args) {
      if (simulated.kind === "throw") throw new Error("SIMULATOR: the constructor is told to throw");
      const embedded = args[0] !== null && typeof args[0] === "object";
      this.place = embedded ? args.shift() : null;
      const [appId, callback, options] = args;
      if (typeof callback !== "function") throw new TypeError("SIMULATOR: TencentCaptcha needs a callback");
      this.appId = String(appId);
      this.callback = callback;
      this.options = options || {};
      this.box = null;
      this.last = null;
      this.settled = false;
    }

    show() {
      if (simulated.kind === "never_shows" || this.box) return;
      this.settled = false;
      if (simulated.kind === "error_code") {
        setTimeout(() => this.fail(simulated.code), 0);
        return;
      }
      this.build();
      if (typeof this.options.ready === "function") {
        this.options.ready({ sdkView: { width: this.box.offsetWidth, height: this.box.offsetHeight } });
      }
    }

    destroy() {
      if (this.box) this.box.remove();
      this.box = null;
    }

    // What the last success gave, or null.
    getTicket() {
      return this.last;
    }

    build() {
      const floating = { position: "fixed", left: "50%", top: "40%", transform: "translate(-50%, -50%)", zIndex: "2147483647" };
      const box = element("div", "", {
        ...(this.place ? {} : floating),
        width: "280px", boxSizing: "border-box", padding: "16px", border: "2px dashed #7a3b00",
        background: "#fff8ee", color: "#222", font: "16px/1.4 system-ui, sans-serif",
      });
      box.id = "simulator-captcha";
      box.setAttribute("role", this.place ? "group" : "dialog");
      box.setAttribute("aria-label", "Simulated captcha");
      const human = element("button", "I am human", { font: "inherit", padding: "6px 12px", marginRight: "8px" });
      const close = element("button", "Close", { font: "inherit", padding: "6px 12px" });
      human.type = close.type = "button";
      human.addEventListener("click", () => this.pass(human));
      close.addEventListener("click", () => this.finish({ ret: 2, ticket: null }));
      box.addEventListener("keydown", (event) => {
        if (event.key === "Escape") this.finish({ ret: 2, ticket: null });
      });
      const mark = element("div", "SIMULATOR", { fontWeight: "bold", letterSpacing: "0.1em", color: "#7a3b00" });
      const text = element("p", "A simulated captcha. It proves nothing.", { margin: "4px 0 12px" });
      box.append(mark, text, human, close);
      (this.place || document.body).append(box);
      this.box = box;
      if (!this.place) human.focus();
    }

    async pass(button) {
      button.disabled = true;
      try {
        const answer = await fetch(here + "/_sim/tickets", {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify({ kind: "valid", count: 1, captcha_app_id: Number(this.appId) }),
        });
        if (!answer.ok) throw new Error("status " + answer.status);
        const [issued] = await answer.json();
        this.last = { CaptchaAppId: this.appId, ticket: issued.ticket };
        this.finish({ ret: 0, ticket: issued.ticket, randstr: issued.randstr });
      } catch {
        this.fail(1013);
      }
    }

    // The real script hands out a disaster ticket of its own where it fails.
    fail(code) {
      const seconds = Math.floor(Date.now() / 1000);
      this.finish({
        ret: 0,
        ticket: "trerror_" + code + "_" + this.appId + "_" + seconds,
        randstr: "@" + Math.random().toString(36).slice(2),
        errorCode: code,
        errorMessage: messages[code] || "simulated_error_" + code,
      });
    }

    finish(result) {
      if (this.settled) return;
      this.settled = true;
      this.destroy();
      this.callback({ ...result, appid: this.appId, CaptchaAppId: this.appId, bizState: this.options.bizState });
    }
  }

  window.TencentCaptcha = TencentCaptcha;
})();
