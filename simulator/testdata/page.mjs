// Loads the page script into a document of a few lines and tells, as JSON on
// standard output, what the page was called back with. Arguments: the script's
// address, then one of: pass, close, escape, show (only), fetchfails.
const [address, act] = process.argv.slice(2);

class Element {
  constructor(name) { Object.assign(this, { name, style: {}, children: [], attributes: {}, listeners: {}, textContent: "" }); }
  setAttribute(key, value) { this.attributes[key] = value; }
  addEventListener(kind, listener) { this.listeners[kind] = listener; }
  append(...more) { for (const one of more) { one.parent = this; this.children.push(one); } }
  remove() { this.parent.children = this.parent.children.filter((one) => one !== this); }
  focus() {}
  find(text) { return this.textContent === text ? this : this.children.map((one) => one.find(text)).find(Boolean); }
  get text() { return this.textContent + this.children.map((one) => one.text).join(" "); }
}

const body = new Element("body");
globalThis.window = globalThis;
globalThis.Document = class { get currentScript() { return { src: address }; } };
globalThis.document = { baseURI: address, body, createElement: (name) => new Element(name) };
const out = { calls: [], shown: "" };
const realFetch = globalThis.fetch;
const answer = await realFetch(address);
out.status = answer.status;

try {
  (0, eval)(await answer.text());
  const place = new Element("div");
  const options = { bizState: "state-1" };
  const page = (result) => out.calls.push(result);
  const captcha = act === "embed" ? new TencentCaptcha(place, "190000001", page, options) : new TencentCaptcha("190000001", page, options);
  if (act === "fetchfails") globalThis.fetch = async () => { throw new Error("offline"); };
  captcha.show();
  const root = act === "embed" ? place : body;
  out.shown = root.text;
  const box = root.children[0];
  if (box && (act === "pass" || act === "embed" || act === "fetchfails")) await box.find("I am human").listeners.click();
  if (box && act === "close") box.find("Close").listeners.click();
  if (box && act === "escape") box.listeners.keydown({ key: "Escape" });
  await new Promise((done) => setTimeout(done, 20));
  out.left = body.children.length + place.children.length;
  out.last = captcha.getTicket();
} catch (error) {
  out.thrown = String(error);
}
console.log(JSON.stringify(out));
