"""Asks a Captchagate gateway about a user: copy this file. Python 3.8 or later, nothing else."""

import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

GATEWAY = os.environ.get("GATEWAY_URL", "http://127.0.0.1:8080")
KEY = os.environ.get("GATEWAY_KEY", "")


def verify(form, ip, scene):
    """form: what the page sent; ip: the user's address; scene: yours, never the page's.

    The answer's decision is "allow", "deny" or "challenge": show answer["challenge"] to
    the page then. It raises where no gateway answers or the request is wrong: that is
    never about the user. A question without an answer is asked once more under the same
    key, which uses the ticket once.
    """
    body = {"user_ip": ip, "scene": scene}
    if form.get("ticket"):
        body.update(ticket=form["ticket"], randstr=form.get("randstr", ""))
    else:
        body["challenge"] = form.get("captcha-response", "")
    headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
    if KEY:
        headers["Authorization"] = "Bearer " + KEY
    request = urllib.request.Request(GATEWAY + "/v1/verify", json.dumps(body).encode(), headers)
    try:
        return _ask(request)
    except urllib.error.HTTPError as e:
        if e.code < 502:
            raise RuntimeError("captchagate: %d: %s" % (e.code, e.read().decode(errors="replace"))) from e
    except TimeoutError:
        raise
    except OSError:
        pass
    time.sleep(0.1)
    return _ask(request)


def _ask(request):
    with urllib.request.urlopen(request, timeout=2.5) as answer:
        return json.load(answer)


# python3 verify.py login 192.0.2.7 "ticket=…&randstr=…"
if __name__ == "__main__":
    scene, ip, fields = sys.argv[1:]
    print(json.dumps(verify(dict(urllib.parse.parse_qsl(fields)), ip, scene)))
