// Reads {secret, challenges} from standard input and writes, for each
// challenge: whether altcha-lib holds its signature for right, the payload that
// a browser would send, and the payload of a challenge that altcha-lib made
// itself with the same secret and claims.
import { text } from 'node:stream/consumers';
import { createChallenge, solveChallenge, verifySolution } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2';

async function solve(challenge) {
  const solution = await solveChallenge({ challenge, deriveKey });
  // btoa, as in a browser: it fails on anything beyond Latin-1.
  return { solution, payload: btoa(JSON.stringify({ challenge, solution })) };
}

async function answer(challenge, secret) {
  const { solution, payload } = await solve(challenge);
  const verdict = await verifySolution({ challenge, solution, deriveKey, hmacSignatureSecret: secret });
  const { algorithm, cost, data, expiresAt } = challenge.parameters;
  const own = await createChallenge({ algorithm, cost, data, expiresAt, deriveKey, hmacSignatureSecret: secret });
  return { verified: verdict.verified, payload, ownPayload: (await solve(own)).payload };
}

const { secret, challenges } = JSON.parse(await text(process.stdin));
const answers = [];
for (const challenge of challenges) {
  answers.push(await answer(challenge, secret));
}
console.log(JSON.stringify(answers));
