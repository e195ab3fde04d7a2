// A React component around the page script, which index.html loads:
//   <script src="/client/captcha.js?render=explicit"></script>
//
// <Captcha appId={190000001} scene="login" challenge={answer.challenge} onResponse={setResult} />
import { useEffect, useRef } from "react";

export function Captcha({ challenge, onResponse, ...options }) {
  const element = useRef(null);
  const told = useRef(onResponse);
  told.current = onResponse;

  useEffect(() => {
    const it = element.current;
    window.Captchagate.render(it, { ...options, callback: (response, result) => told.current?.(result) });
    return () => window.Captchagate.remove(it);
  }, [options.appId, options.scene]);

  // What the backend answered with, where it wants the challenge.
  useEffect(() => {
    if (challenge) window.Captchagate.challenge(element.current, challenge);
  }, [challenge]);

  return <div ref={element} style={{ minHeight: "5rem" }} />;
}
