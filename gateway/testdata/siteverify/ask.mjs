// Asks POST /siteverify with libraries as they are, but for the URL. A line of standard
// input is a question, a line of standard output what the library's user saw.
import "reflect-metadata"
import { createInterface } from "node:readline"
import { Module } from "@nestjs/common"
import { NestFactory } from "@nestjs/core"
import { GoogleRecaptchaModule, GoogleRecaptchaValidator } from "@nestlab/google-recaptcha"
import { betterAuth } from "better-auth"
import { captcha } from "better-auth/plugins"

// betterAuthAs signs somebody up: 200, or the code of what stood in the way.
function betterAuthAs(provider, q) {
  const auth = betterAuth({
    secret: "a secret of this test and of nothing else",
    baseURL: "http://shop.test",
    logger: { disabled: true },
    emailAndPassword: { enabled: true, password: { hash: async (plain) => plain, verify: async () => true } },
    plugins: [captcha({ provider, secretKey: q.secret, siteVerifyURLOverride: q.url })],
  })
  return async (response) => {
    const answer = await auth.handler(
      new Request("http://shop.test/api/auth/sign-up/email", {
        method: "POST",
        headers: { "Content-Type": "application/json", "x-captcha-response": response, "x-forwarded-for": q.ip },
        body: JSON.stringify({ name: "A", email: "a@shop.test", password: "correct horse" }),
      }),
    )
    return answer.status === 200 ? "200" : `${answer.status} ${(await answer.json()).code}`
  }
}

// nest validates: "true", or "false" and the errors that it lists.
async function nest(q) {
  class App {}
  Module({ imports: [GoogleRecaptchaModule.forRoot({ secretKey: q.secret, response: () => "", network: q.url })] })(App)
  const app = await NestFactory.createApplicationContext(App, { logger: false })
  return async (response) => {
    const result = await app.get(GoogleRecaptchaValidator).validate({ response, remoteIp: q.ip })
    return [String(result.success), ...result.errors].join(" ")
  }
}

const libraries = {
  "better-auth as Turnstile": (q) => betterAuthAs("cloudflare-turnstile", q),
  "better-auth as reCAPTCHA": (q) => betterAuthAs("google-recaptcha", q),
  "better-auth as hCaptcha": (q) => betterAuthAs("hcaptcha", q),
  "@nestlab/google-recaptcha": nest,
}

for await (const line of createInterface({ input: process.stdin })) {
  const q = JSON.parse(line)
  let saw
  try {
    saw = await (await libraries[q.library](q))(q.response)
  } catch (error) {
    saw = `threw ${error.message}`
  }
  console.log(JSON.stringify({ saw }))
}
