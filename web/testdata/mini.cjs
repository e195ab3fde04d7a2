// Runs what README.md shows for mini programs against a backend that answers with
// a challenge, and writes what it was sent.
const vm = require("vm");

const asked = JSON.parse(require("fs").readFileSync(0, "utf8"));
const solver = vm.createContext({ module: { exports: {} } });
vm.runInContext(asked.Source, solver);
const sent = [], shown = [];
const program = vm.createContext({
  require: () => solver.module.exports,
  post: async (path, body) => {
    sent.push(body);
    return body.challenge ? { decision: "allow" } : { decision: "challenge", challenge: asked.Challenge };
  },
});
vm.runInContext(asked.Recipe, program);
program.login({ setData: (data) => shown.push(data) }, "anna", "trerror_1001_190000001_1700000000").then((answer) => {
  console.log(JSON.stringify({ sent, shown: shown.length, decision: answer.decision }));
});
