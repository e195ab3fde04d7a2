// Runs the solver where there is nothing but the language, as a CommonJS module,
// and writes what it derived and how it solved the challenge.
const vm = require("vm");

const asked = JSON.parse(require("fs").readFileSync(0, "utf8"));
const bare = vm.createContext({ module: { exports: {} } });
for (const name of ["self", "window", "document", "crypto", "setTimeout", "btoa", "TextEncoder", "Worker", "performance"]) {
  if (vm.runInContext("typeof " + name, bare) !== "undefined") throw new Error("there is " + name);
}
vm.runInContext(asked.Source, bare);
const solver = bare.module.exports;
(async () => {
  const derived = [];
  for (const { Nonce: nonce, Salt: salt, Cost: cost, KeyLength: keyLength, Counter: counter } of asked.Derivations) {
    const found = await solver.search({ algorithm: "PBKDF2/SHA-256", cost, keyLength, keyPrefix: "", nonce, salt }, counter, 1);
    derived.push(found.derivedKey);
  }
  console.log(JSON.stringify({ derived, solution: await solver.solve(asked.Challenge) }));
})();
