// The demonstration's page: logs in, breaks things, and shows what comes of it.
"use strict";
(() => {
  const $ = (selector) => document.querySelector(selector);

  const reasons = {
    verified: "The Captcha API verified the ticket.",
    rejected: "The Captcha API says that this ticket is no good.",
    malicious: "The Captcha API says that this is an attack.",
    challenge_solved: "The alternate challenge was solved: good enough while nobody can verify tickets.",
    challenge_failed: "The solution of the alternate challenge is no good.",
    challenge_required: "Nobody could verify the ticket, so this login asks for the alternate challenge. Tick the box again.",
    degraded_allow: "Nobody could verify the ticket; this scene lets through within its budget.",
    degraded_deny: "Nobody could verify the ticket; this scene lets nobody through then.",
    outcome_unknown: "The API may have used the ticket up without telling us.",
  };
  const causes = {
    upstream_fault: "the API did not answer properly",
    circuit_open: "the API is down and is not even asked",
    recovering: "the API is back; users return little by little",
    disaster_ticket: "the script failed in the browser, and the ticket that stands in for it proves nothing",
    forced: "an operator said so",
    throttled: "the API throttles", overloaded: "too many calls at once", misconfigured: "the API refuses the account", budget_spent: "the budget is spent",
  };
  const circuits = {
    closed: "The API is asked about every ticket.",
    open: "The API is down. It is left alone but for a probe; users are answered at once.",
    half_open: "A probe was answered. A few more, and users return.",
    recovering: "The API is back. A growing share of users is sent to it.",
  };

  const forces = {
    degraded: "An operator said so: users are answered as if the API were down.",
    normal: "An operator said so: nobody is let through or challenged in place of the API.",
  };

  const make = (name, text, className) => {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    if (className) made.className = className;
    return made;
  };

  const show = (d) => {
    const facts = make("dl");
    const rows = { reason: d.reason, cause: d.cause, assurance: d.assurance, mode: d.mode, "calls to the API": String(d.attempts), took: d.took_ms.toFixed(1) + " ms" };
    for (const [name, value] of Object.entries(rows)) if (value) facts.append(make("dt", name), make("dd", value));
    const why = reasons[d.reason] + (causes[d.cause] ? " Why: " + causes[d.cause] + "." : "");
    $("#decision").replaceChildren(make("strong", d.decision, d.decision), make("p", why), facts);
  };

  const fail = (text) => $("#decision").replaceChildren(make("p", text));

  // Renders the captcha anew, as a page that is loaded now would.
  const renew = () => {
    if (window.Captchagate.getState) {
      try { Captchagate.remove("#captcha"); } catch { /* the first time */ }
    }
    delete window.TencentCaptcha;
    Captchagate.render("#captcha");
  };

  const send = async (form) => {
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    const d = await answer.json();
    if (!answer.ok) return fail(d.detail);
    show(d);
    if (d.decision !== "challenge") return renew();
    const solved = await Captchagate.challenge("#captcha", d.challenge);
    if (solved.state === "verified") return send(form);
  };

  $("#login").addEventListener("submit", async (e) => {
    e.preventDefault();
    const button = e.target.querySelector("button");
    if (button.disabled) return;
    button.disabled = true;
    try {
      const asked = Captchagate.getResponse("#captcha") ? { ret: 0 } : await Captchagate.show("#captcha");
      if (asked.ret === 0) await Promise.race([send(e.target), new Promise((done) => { addEventListener("broken", done, { once: true }); })]);
    } catch (error) {
      fail("The demonstration's own backend could not be reached: " + error.message);
    } finally {
      button.disabled = false;
    }
  });

  $("#break").addEventListener("change", async (e) => {
    await fetch("break", { method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ kind: e.target.value }) });
    dispatchEvent(new Event("broken"));
    renew();
    look();
  });

  let mode = "";
  const look = async () => {
    const answer = await fetch("status", { cache: "no-store" }).catch(() => null);
    if (!answer?.ok) {
      $("#circuit").textContent = "the demonstration has ended";
      $("#circuit").className = $("#plain").textContent = "";
      return;
    }
    const s = await answer.json();
    const circuit = "circuit " + s.circuit.replace("_", " ");
    $("#circuit").textContent = s.override ? "forced " + s.override.mode : circuit;
    $("#circuit").className = s.override ? "forced" : s.circuit;
    $("#plain").textContent = s.override ? `${forces[s.override.mode]} Their reason: ${s.override.reason}. Underneath: ${circuit}.` : circuits[s.circuit];
    draw(s);
    // A page that was loaded before sees it on the next click; this one shows it at once.
    if (mode && mode !== s.mode && /ready|degraded/.test(Captchagate.getState("#captcha"))) renew();
    mode = s.mode;
    const kind = s.api !== "none" ? { hang: "hang", captcha_code_26: "busy" }[s.api] : { ok: "mend", not_found: "blocked", throw: "throws", never_shows: "never_shows" }[s.script];
    const radio = $(`#break [value="${kind}"]`);
    if (radio) radio.checked = true;
  };

  const draw = (s) => {
    const by = new Map(s.line.map((second) => [second.at, second]));
    const most = Math.max(20, ...s.line.map((x) => x.verified + x.degraded + x.challenge + x.denied));
    const broken = new Set(s.events.filter((e) => e.kind === "break").map((e) => Math.floor(Date.parse(e.at) / 1000)));
    const columns = [];
    for (let at = s.now - 89; at <= s.now; at++) {
      const column = make("div", "", broken.has(at) ? "break" : "");
      const second = by.get(at) || {};
      for (const kind of ["verified", "degraded", "challenge", "denied"]) {
        if (!second[kind]) continue;
        const part = make("i", "", kind);
        part.style.height = 100 * second[kind] / most + "%";
        column.append(part);
      }
      columns.push(column);
    }
    $("#line").replaceChildren(...columns);
    $("#events").replaceChildren(...s.events.reverse().map((event) => {
      const item = make("li", "", event.kind);
      item.append(make("time", new Date(event.at).toLocaleTimeString("en-GB")), make("span", event.text));
      return item;
    }));
  };

  renew();
  look();
  setInterval(look, 1000);
})();
