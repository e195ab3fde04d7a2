// The demonstration's page: logs in, breaks things, and shows what comes of it.
"use strict";
(() => {
  const $ = (selector) => document.querySelector(selector);

  const reasons = {
    verified: "The Captcha API verified the ticket.",
    rejected: "The Captcha API says that this ticket is no good.",
    malicious: "The Captcha API says that this is an attack.",
    challenge_solved: "The alternate challenge was solved, which is good enough then.",
    challenge_failed: "The solution of the alternate challenge is no good.",
    challenge_required: "This page then asks for the alternate challenge: tick “I am human” to go on.",
    degraded_allow: "This page then lets in within its budget.",
    degraded_deny: "This page then lets nobody in.",
    outcome_unknown: "It may have used the ticket up without telling us.",
  };
  const causes = {
    upstream_fault: "the API did not answer properly",
    circuit_open: "the API is down and is not even asked",
    recovering: "the API is back; users return little by little",
    disaster_ticket: "the script failed in the browser, and the ticket that stands in for it proves nothing",
    forced: "an operator forced it, as if the API were down",
    throttled: "the API throttles", overloaded: "too many calls at once", misconfigured: "the API refuses the account", budget_spent: "the budget is spent",
  };
  const states = {
    closed: ["API works", "The Captcha API is asked about every ticket."],
    open: ["API is down", "It is left alone but for a question now and then; users are answered at once, each page by its own rule."],
    half_open: ["API answers again", "It answered a first question. A few more, and users return to it."],
    recovering: ["Users return", "The API is back. A growing share of users is sent to it."],
    lifted: ["Users return", "The operator let go. A growing share of users is sent to the API."],
    refused: ["Account refused", "The API answers and refuses our account: nobody is verified. Look at its keys, permissions and arrears."],
    suspect: ["Nobody accepted", "The API answers and accepts no ticket: the app's id or key is probably wrong."],
    throttled: ["API throttles", "The API turns calls away as too many: not everybody is verified."],
    nobody: ["Nobody answers", "All instances are killed. Start one of them."],
    degraded: ["Forced: as if down", "An operator said so: users are answered as if the API were down."],
    normal: ["Forced: API only", "An operator said so: nobody is let in or challenged in place of the API, and whom it cannot verify is denied."],
  };

  const make = (name, text, className) => {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    if (className) made.className = className;
    return made;
  };

  const show = (d) => {
    const facts = make("dl");
    const rows = { "answered by": d.instance, reason: d.reason, cause: d.cause, assurance: d.assurance, mode: d.mode, "calls to the API": String(d.attempts), took: d.took_ms.toFixed(1) + " ms" };
    for (const [name, value] of Object.entries(rows)) if (value) facts.append(make("dt", name), make("dd", value));
    $("#decision").replaceChildren(make("strong", d.decision, d.kind), make("p", why(d)), facts);
  };

  // why says who kept the ticket from a verdict, and whose rule it was that answered:
  // an operator's is not taken for the API's or the page's.
  const why = (d) => {
    const rule = d.mode === "normal" && d.reason === "degraded_deny" ? "An operator forced that nobody is let in or challenged in place of the API." : reasons[d.reason];
    if (!d.cause) return rule;
    const drilled = !latest.override && latest.drills.some((drill) => drill.scene === $("#scene").value);
    if (d.cause !== "forced") return `Nobody could verify the ticket: ${causes[d.cause]}. ${rule}`;
    return `The API was not asked: ${drilled ? "an operator's drill has users of this page meet an outage" : causes.forced}. ${rule}`;
  };

  const fail = (text) => $("#decision").replaceChildren(make("p", text));

  // Renders the captcha anew.
  const renew = () => {
    if (window.Captchagate.getState) {
      try { Captchagate.remove("#captcha"); } catch { /* the first time */ }
    }
    Captchagate.render("#captcha");
    dispatchEvent(new Event("renewed")); // nobody waits for what was shown before
  };

  const names = { login: "Log in", comment: "Send a comment", payment: "Pay" };
  const label = (text) => { $("#login button").textContent = text || names[$("#scene").value]; };

  const attempt = async (form) => {
    if (!Captchagate.getResponse("#captcha") && (await Captchagate.show("#captcha")).ret !== 0) return;
    await send(form);
  };

  const send = async (form) => {
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    const d = await answer.json();
    if (!answer.ok) return fail(d.detail);
    show(d);
    if (d.decision !== "challenge") return renew();
    label("Tick “I am human” first");
    const solved = await Captchagate.challenge("#captcha", d.challenge);
    if (solved.state === "verified") return send(form);
  };

  $("#login").addEventListener("submit", async (e) => {
    e.preventDefault();
    const button = e.target.querySelector("button");
    if (button.disabled) return;
    button.disabled = true;
    try {
      await Promise.race([attempt(e.target), new Promise((done) => { addEventListener("renewed", done, { once: true }); })]);
    } catch (error) {
      fail("The demonstration's own backend could not be reached: " + error.message);
    } finally {
      button.disabled = false;
      label();
    }
  });

  $("#break").addEventListener("change", async (e) => {
    const button = $("#login button");
    button.disabled = true; // who logs in meanwhile would do so on the page as it was
    try {
      await fetch("break", { method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ kind: e.target.value }) });
    } finally {
      button.disabled = false;
      delete window.TencentCaptcha; // it is loaded anew, as by a page that is opened now
      renew();
      look();
    }
  });

  $("#end").addEventListener("click", async () => {
    await fetch("auto", { method: "POST" });
    look();
  });

  $("#earlier").addEventListener("click", () => {
    $("#events").classList.toggle("all");
    fit();
  });

  $("#scene").addEventListener("change", (e) => {
    $("#captcha").dataset.scene = e.target.value;
    label();
    renew();
  });

  let latest = { mode: "", override: null, drills: [] }; // that the demonstration told
  const look = async () => {
    const answer = await fetch("status", { cache: "no-store" }).catch(() => null);
    if (!answer?.ok) {
      $("#circuit").textContent = "the demonstration has ended";
      $("#circuit").className = $("#plain").textContent = "";
      $("#end").hidden = true;
      return;
    }
    const s = await answer.json();
    const state = s.override ? s.override.mode : s.circuit;
    const [name, plain] = states[state];
    $("#circuit").textContent = name;
    $("#circuit").className = state;
    const drills = s.drills.map((d) => ` A drill: ${Math.round(100 * d.share)} % of the users of ${d.scene} meet an outage.`).join("");
    $("#plain").textContent = s.override ? `${plain} Their reason: ${s.override.reason}. In truth: ${states[s.circuit][0]}.` : plain + drills;
    $("#end").hidden = !s.override && !s.drills.length;
    draw(s);
    fleet(s);
    // A page that was loaded before sees it on the next click; this one shows it at once.
    if (latest.mode && latest.mode !== s.mode && /ready|degraded/.test(Captchagate.getState("#captcha"))) renew();
    latest = s;
    const kind = s.api !== "none" ? { hang: "hang", captcha_code_26: "busy" }[s.api] : { ok: "mend", not_found: "blocked", throw: "throws", never_shows: "never_shows" }[s.script];
    for (const radio of document.querySelectorAll("#break input")) radio.checked = radio.value === kind; // none where it was broken in another way
  };

  // fleet shows the processes of a fleet, each with a button.
  const fleet = (s) => {
    $("#fleet").hidden = !s.fleet;
    if (!s.fleet) return;
    const by = s.line.findLast((second) => second.at < s.now)?.by || {};
    for (const p of s.fleet) {
      let row = $(`#processes [data-name="${p.name}"]`);
      if (!row) {
        row = make("li");
        row.dataset.name = p.name;
        const button = make("button", "", "side");
        button.type = "button";
        button.addEventListener("click", async () => {
          button.disabled = true;
          await fetch("process", { method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ name: p.name, runs: button.dataset.runs === "true" }) }).catch(() => null);
          button.disabled = false;
          look();
        });
        row.append(make("span"), make("span", "", "how"), button);
        row.firstChild.append(make("b", p.name), " ", make("small"));
        $("#processes").append(row);
      }
      const redis = p.name === "Redis";
      row.className = p.running ? "" : "killed";
      row.querySelector("small").textContent = redis ? "what they share" : p.listen;
      let how = "Killed: the others go on.";
      if (redis) how = p.running ? "Shares the circuit, the switch and the budgets." : "Killed: each instance goes on by itself.";
      else if (p.running) how = p.listen ? `${states[p.state]?.[0] ?? "The others hear nothing of it"}, ${by[p.name] || 0} users a second` : "Starts …";
      row.querySelector(".how").textContent = how;
      const button = row.querySelector("button");
      button.textContent = p.running ? "Kill" : "Start";
      button.setAttribute("aria-label", `${button.textContent} ${p.name}`);
      button.dataset.runs = !p.running;
    }
    const lost = s.line.reduce((sum, second) => sum + second.lost, 0);
    $("#lost").textContent = lost ? `In the last 90 seconds ${lost} users got no answer.` : "In the last 90 seconds every user got an answer.";
  };

  const most = 30; // a second, which the scale reaches to whatever comes: a peak makes nothing else small
  const draw = (s) => {
    const by = new Map(s.line.map((second) => [second.at, second]));
    const kinds = ["verified", "allowed", "challenged", "denied"];
    const changed = new Set(s.events.filter((e) => e.kind === "change").map((e) => Math.floor(Date.parse(e.at) / 1000)));
    const times = Array.from({ length: 90 }, (_, i) => s.now - 89 + i);
    const sums = times.map((at) => kinds.reduce((sum, kind) => sum + (by.get(at)?.[kind] || 0), 0));
    $("#line").replaceChildren(...times.map((at, i) => {
      const column = make("div", "", changed.has(at) ? "change" : "");
      for (const kind of kinds) {
        const n = by.get(at)?.[kind];
        if (!n) continue;
        const part = make("i", "", kind);
        part.style.height = 100 * n / Math.max(most, sums[i]) + "%"; // of one that is too high, its shares
        column.append(part);
      }
      const near = sums.slice(Math.max(0, i - 9), i + 10); // numbers that would lie on one another
      if (sums[i] > most && near.indexOf(Math.max(...near)) === Math.min(i, 9)) {
        column.classList.add("cut");
        column.dataset.number = sums[i];
      }
      return column;
    }));
    $("#events").replaceChildren(...s.events.reverse().map((event) => {
      const item = make("li", "", event.kind);
      const text = make("span", event.text.replace(/[\d-]+T[\d:]+Z/g, (at) => new Date(at).toLocaleTimeString("en-GB")));
      if (event.detail) text.append(make("small", event.detail));
      item.append(make("time", new Date(event.at).toLocaleTimeString("en-GB")), text);
      return item;
    }));
    if (!s.events.length) $("#events").append(make("li", "Nothing yet: log in, or break something.", "quiet"));
    if (s.cut) $("#events").append(make("li", "Older events are in the audit of the operators' API.", "quiet"));
    fit();
  };

  // fit shows the newest events that fit as a whole, and how many there are besides.
  const fit = () => {
    const list = $("#events"), all = list.classList.contains("all"), items = [...list.children];
    for (const item of items) item.hidden = false;
    const bottom = list.getBoundingClientRect().bottom;
    const rest = all ? [] : items.filter((item) => item.getBoundingClientRect().bottom > bottom + 0.5);
    for (const item of rest) item.hidden = true;
    $("#earlier").hidden = !all && !rest.length;
    $("#earlier").textContent = all ? "Fewer" : `${rest.filter((item) => item.className !== "quiet").length} earlier`;
    $("#earlier").setAttribute("aria-expanded", all);
  };

  renew();
  look();
  setInterval(look, 1000);
})();
