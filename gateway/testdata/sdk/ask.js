// Asks with Tencent's own SDKs. A line of standard input is a call, a line of standard
// output what the SDK made of its answer: {fields} or {error}.
const china = require("tencentcloud-sdk-nodejs/tencentcloud/services/captcha").captcha.v20190722
const intl = require("tencentcloud-sdk-nodejs-intl-en/tencentcloud/captcha").v20190722
const { Credential } = require("tencentcloud-sdk-nodejs-intl-en/tencentcloud/common")
const HttpProfile = require("tencentcloud-sdk-nodejs-intl-en/tencentcloud/common/profile/http_profile")
const ClientProfile = require("tencentcloud-sdk-nodejs-intl-en/tencentcloud/common/profile/client_profile")

const actions = { web: "DescribeCaptchaResult", mini: "DescribeCaptchaMiniResult" }

function askChina(c) {
  const client = new china.Client({
    credential: { secretId: c.id, secretKey: c.key },
    region: "ap-guangzhou",
    profile: { signMethod: c.sign || "TC3-HMAC-SHA256", httpProfile: { protocol: "http://", endpoint: c.endpoint, reqMethod: c.method || "POST" } },
  })
  return client[actions[c.action]](c.params)
}

function askIntl(c) {
  const http = new HttpProfile()
  http.protocol = "http://"
  http.endpoint = c.endpoint
  const client = new intl.Client(new Credential(c.id, c.key), "ap-singapore", new ClientProfile(c.sign || "HmacSHA256", http))
  const request = new intl.Models[actions[c.action] + "Request"]()
  Object.assign(request, c.params)
  return new Promise((resolve, reject) => client[actions[c.action]](request, (error, answer) => (error ? reject(error) : resolve(answer))))
}

const RealDate = Date
function shift(seconds) {
  global.Date = class extends RealDate {
    constructor(...of) {
      of.length ? super(...of) : super(RealDate.now() + seconds * 1000)
    }
    static now() {
      return RealDate.now() + seconds * 1000
    }
  }
}

async function ask(c) {
  shift(c.skew || 0)
  try {
    return { fields: await (c.sdk === "intl" ? askIntl(c) : askChina(c)) }
  } catch (error) {
    return { error: error.code || error.getCode?.() || error.message }
  }
}

require("readline").createInterface({ input: process.stdin }).on("line", async (line) => {
  console.log(JSON.stringify(await ask(JSON.parse(line))))
})
