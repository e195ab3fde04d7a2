// Asks a Captchagate gateway about a user: copy this file. Node 18 or later, nothing else.
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";

const gateway = process.env.GATEWAY_URL ?? "http://127.0.0.1:8080";
const key = process.env.GATEWAY_KEY ?? "";

// form: what the page sent; ip: the user's address; scene: yours, never the page's.
// The answer's decision is "allow", "deny" or "challenge": show answer.challenge to the
// page then. It throws where no gateway answers or the request is wrong: that is never
// about the user. A question without an answer is asked once more under the same key,
// which uses the ticket once.
export async function verify(form, ip, scene) {
  const body = { user_ip: ip, scene };
  if (form.ticket) Object.assign(body, { ticket: form.ticket, randstr: form.randstr });
  else body.challenge = form["captcha-response"] ?? "";
  const headers = { "Content-Type": "application/json", "Idempotency-Key": randomUUID() };
  if (key) headers.Authorization = `Bearer ${key}`;
  const signal = AbortSignal.timeout(5000);
  for (let last = false; ; last = true) {
    try {
      const r = await fetch(gateway + "/v1/verify", { method: "POST", headers, body: JSON.stringify(body), signal });
      if (r.ok) return await r.json();
      const error = new Error(`captchagate: ${r.status}: ${await r.text()}`);
      error.final = r.status < 502;
      throw error;
    } catch (error) {
      if (last || error.final || signal.aborted) throw error;
      await pause(100);
    }
  }
}

// node verify.mjs login 192.0.2.7 "ticket=…&randstr=…"
if (import.meta.filename === process.argv[1]) {
  const [scene, ip, form] = process.argv.slice(2);
  console.log(JSON.stringify(await verify(Object.fromEntries(new URLSearchParams(form)), ip, scene)));
}
