// The shop's own script: it notes what it is told and sends the form itself.
"use strict";
const told = { callbacks: [], closed: 0, expired: 0, errors: [], states: [], events: [] };
const onCaptcha = (response, result) => told.callbacks.push(result);
const onClose = () => { told.closed++; };
const onExpired = () => { told.expired++; };
const onError = (code) => told.errors.push(code);
const onState = (state) => told.states.push(state);
Object.assign(window, { told, onCaptcha, onClose, onExpired, onError, onState });
document.addEventListener("captchagate:state", (e) => told.events.push(e.detail.state));

document.querySelector("form").addEventListener("submit", async (e) => {
  e.preventDefault();
  const form = e.target;
  const answer = await fetch(form.action, { method: "POST", headers: { Accept: "application/json" }, body: new URLSearchParams(new FormData(form)) });
  const d = await answer.json();
  document.querySelector("#answer").textContent = [d.decision, d.reason, d.mode, d.cause].join(" ");
  if (d.decision === "challenge") await Captchagate.challenge("#c", d.challenge);
  else Captchagate.reset("#c");
});
