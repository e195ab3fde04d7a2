// Reads {name: script} from standard input and writes {name: mistake} of those
// that are not in the syntax of ES2019.
const acorn = require("acorn");

const failed = {};
for (const [name, text] of Object.entries(JSON.parse(require("fs").readFileSync(0, "utf8")))) {
  try {
    acorn.parse(text, { ecmaVersion: 2019, sourceType: "script" });
  } catch (mistake) {
    failed[name] = mistake.message;
  }
}
console.log(JSON.stringify(failed));
