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
  const say = () => {
    line.classList.toggle("lost", Boolean(lost || over));
    if (over) return;
    set(line, lost ? `Connection lost since ${at(lost)}. What you see is as of ${at(seen)}. Trying again …` : "Live.");
  };
  const end = () => { // the session is over: only the person can go on
    over = true;
    say();
    line.replaceChildren("Your session is over. What you see is old. ", Object.assign(document.createElement("a"), { href: "./", textContent: "Log in again" }));
    stream?.close();
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
      local();
      count();
    } catch {
      if (!document.hidden) lose();
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

  // The stream tells that something changed.
  let stream = null, sign = 0, retry = 0;
  const sawSign = () => {
    sign = Date.now();
    if (lost) { lost = null; retry = 0; say(); }
  };
  const open = () => {
    if (document.hidden || over || stream) return;
    stream = new EventSource("admin/v1/events");
    sign = Date.now();
    stream.onopen = () => { sawSign(); soon(); };
    for (const kind of ["status", "audit"]) stream.addEventListener(kind, () => { sawSign(); soon(); });
    stream.onerror = lose;
  };
  const close = () => { stream?.close(); stream = null; };
  let waiting = 0;
  const lose = () => {
    close();
    if (waiting || over) return;
    lost ??= Date.now();
    say();
    fetch("now", { method: "HEAD", cache: "no-store" }).then((answer) => { if (answer.status === 401) end(); }, () => {});
    retry = Math.min(5000, retry * 1.5 || 1000);
    waiting = setTimeout(() => { waiting = 0; open(); }, retry);
  };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { close(); return; }
    open();
    soon();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (e) => { if (e.persisted) { open(); soon(); } });

  setInterval(() => {
    if (document.hidden || over) return;
    count();
    if (Date.now() - lastLook >= 5000 && !lost) soon();
  }, 1000);
  local();
  count();
  open();
})();
