// What a page may write, held against the types; it is never run.
import type { Result, State } from "./client/captcha";

async function page(box: HTMLElement): Promise<string> {
  const name = Captchagate.render(box, { appId: 190000001, scene: "login", callback: (response, result) => send(response, result), stateCallback: (s: State) => void s });
  Captchagate.render("#second", { appId: "190000001", callback: "onCaptcha", options: { needFeedBack: false } });
  const result = await Captchagate.show(name);
  if (result.ticket && !result.errorCode) return result.ticket;
  await Captchagate.challenge(box, { parameters: {}, signature: "" });
  Captchagate.reset();
  Captchagate.remove(box);
  const element = document.createElement("captchagate-challenge");
  await element.solve();
  // @ts-expect-error: there is no such option
  Captchagate.render(box, { appID: 1 });
  // @ts-expect-error: read only
  element.state = "verified";
  return element.response + Captchagate.getResponse(name);
}

declare function send(response: string, result: Result): void;
export { page };
