// Keeps the dashboard as of now. On a change the gateway tells (server-sent events) the
// parts that it renders take the place of those in the page, once a second at most.
"use strict";
(() => {
  const $ = (selector) => document.querySelector(selector);
  const line = $("#line"), told = $("#told");
  const every = 1000; // milliseconds between two looks, at least

  // morph makes an element like another one and touches only what differs, so that focus,
  // selection and scrolling stay where they are.
  const morph = (is, wanted) => {
    for (const { name } of [...is.attributes]) if (!wanted.hasAttribute(name)) is.removeAttribute(name);
    for (const { name, value } of wanted.attributes) if (is.getAttribute(name) !== value) is.setAttribute(name, value);
    const have = [...is.childNodes], want = [...wanted.childNodes];
    want.forEach((node, i) => {
      const old = have[i];
      if (!old) is.append(node);
      else if (old.nodeType !== node.nodeType || old.nodeName !== node.nodeName) old.replaceWith(node);
      else if (node.nodeType === Node.ELEMENT_NODE) morph(old, node);
      else if (old.data !== node.data) old.data = node.data;
    });
    for (const old of have.slice(want.length)) old.remove();
  };

  // Spans are counted on between two looks, by the gateway's clock.
  let ahead = 0; // of this machine's clock, in milliseconds
  const span = (ms) => {
    const s = Math.max(0, Math.trunc(ms / 1000));
    if (s < 100) return `${s} s`;
    if (s < 6000) return `${Math.trunc(s / 60)} min`;
    if (s < 48 * 3600) return `${Math.trunc(s / 3600)} h ${Math.trunc(s / 60) % 60} min`;
    return `${Math.trunc(s / 86400)} days`;
  };
  const set = (node, text) => { if (node.textContent !== text) node.textContent = text; };
  const count = () => {
    const now = Date.now() - ahead;
    for (const e of document.querySelectorAll("[data-ago]")) set(e, `${span(now - Date.parse(e.dataset.ago))} ago`);
    for (const e of document.querySelectorAll("[data-due]")) {
      const rest = Date.parse(e.dataset.due) - now;
      set(e, rest < 1000 ? "now" : `in ${span(rest)}`);
    }
    for (const e of document.querySelectorAll("[data-left]")) set(e, span(Date.parse(e.dataset.left) - now));
    say();
  };
  const zone = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
  const local = () => {
    for (const e of document.querySelectorAll("time:not([title])")) e.title = zone.format(new Date(e.dateTime));
  };

  // The line at the top says how old the page is.
  let lost = null, seen = Date.now(), over = false;
  const at = (t) => new Date(t).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short" });
  const age = () => {
    if (lost) return `Connection lost since ${at(lost)}. What you see is as of ${at(seen)}. Trying again …`;
    return Date.now() - seen < 15000 ? "Live." : `As of ${at(seen)}. Looking …`; // it slept, or the network is slow
  };
  const say = () => {
    line.classList.toggle("lost", Boolean(lost || over));
    if (!over) set(line, age());
  };
  const lose = () => {
    lost ??= Date.now();
    document.title = "Connection lost – Captchagate";
    say();
  };
  const end = () => { // the session is over: only the person can go on
    over = true;
    document.title = "Session over – Captchagate";
    say();
    line.replaceChildren("Your session is over. What you see is old. ", Object.assign(document.createElement("a"), { href: "./", textContent: "Log in again" }));
    close();
  };

  const fetchPart = async (path) => {
    const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(10000) });
    if (answer.status === 401) end();
    if (!answer.ok) throw new Error(String(answer.status));
    ahead = Math.abs(Date.now() - Date.parse(answer.headers.get("Date"))) < 2000 ? 0 : Date.now() - Date.parse(answer.headers.get("Date"));
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  };
  const replace = (page) => {
    for (const part of page.body.children) {
      const is = part.id && document.getElementById(part.id);
      if (is) morph(is, document.importNode(part, true));
    }
  };

  // look takes the parts as they are now.
  let looking = false, again = false, lastLook = 0, lastCharts = Date.now(), timer = 0, before = $("#head").dataset.tell;
  const look = async () => {
    if (looking || over) { again = true; return; }
    looking = true;
    again = false;
    lastLook = Date.now();
    try {
      replace(await fetchPart("now"));
      const charts = $("#charts");
      const tell = $("#head").dataset.tell;
      if (tell !== before || Date.now() - lastCharts >= 1000 * charts.dataset.every) {
        lastCharts = Date.now();
        replace(await fetchPart(`charts?hours=${charts.dataset.hours}`));
      }
      if (tell !== before) set(told, tell); // only this is read aloud
      before = tell;
      document.title = $("#head").dataset.title;
      seen = Date.now();
      lost = null;
      local();
      count();
    } catch {
      if (!over) lose();
    } finally {
      looking = false;
      if (again) soon();
    }
  };
  const soon = () => {
    again = true;
    if (timer || document.hidden) return;
    timer = setTimeout(() => { timer = 0; look(); }, Math.max(300, lastLook + every - Date.now()));
  };

  // The stream tells that something changed. Where it breaks off, or does not come through a
  // proxy, the looks go on, and say whether the gateway is there.
  let stream = null, retry = 0, waiting = 0;
  const open = () => {
    if (document.hidden || over || stream) return;
    stream = new EventSource("admin/v1/events");
    stream.onopen = () => { retry = 0; soon(); };
    for (const kind of ["status", "audit"]) stream.addEventListener(kind, soon);
    stream.onerror = () => {
      close();
      retry = Math.min(5000, retry * 1.5 || 1000);
      waiting = setTimeout(open, retry);
      soon();
    };
  };
  const close = () => {
    clearTimeout(waiting);
    stream?.close();
    stream = null;
  };
  let ticked = Date.now();
  const comeBack = () => {
    ticked = Date.now();
    count();
    close();
    open();
    look();
  };
  document.addEventListener("visibilitychange", () => { if (document.hidden) close(); else comeBack(); });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (e) => { if (e.persisted) comeBack(); });

  // Nobody sees a hidden page, but its title.
  const pace = () => (document.hidden ? 60000 : lost || "young" in $("#head").dataset ? 1000 : 5000);
  setInterval(() => {
    const slept = Date.now() - ticked > 20000;
    ticked = Date.now();
    if (over) return;
    if (slept && !document.hidden) { comeBack(); return; } // the machine did: its stream may be dead and not know
    if (!document.hidden) count();
    if (Date.now() - lastLook >= pace()) look();
  }, 1000);
  local();
  count();
  open();
})();
