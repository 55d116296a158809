// Checks pipeline YAML with Microsoft's language service: node check_pipeline.js SCHEMA FILE...; prints JSON.
const fs = require("fs");
const path = require("path");
const modules = path.join(process.cwd(), "node_modules");
const service = require(path.join(modules, "azure-pipelines-language-service"));
const { TextDocument } = require(path.join(modules, "vscode-languageserver-textdocument"));

const print = console.log;
console.log = () => {}; // the service writes debug lines
// As an object: given as text the schema is silently not used at all.
const schema = JSON.parse(fs.readFileSync(process.argv[2], "utf8").replace(/^\uFEFF/, ""));

(async () => {
  const checker = service.getLanguageService(async () => schema, [], async () => "file:///schema.json", {
    resolveRelativePath: (_, name) => name,
  });
  checker.configure({ validate: true });
  const found = {};
  for (const file of process.argv.slice(3)) {
    const text = fs.readFileSync(file, "utf8");
    const document = TextDocument.create("file:///pipeline.yml", "azure-pipelines", 1, text);
    const problems = await checker.doValidation(document, service.parse(text));
    found[file] = problems.map((one) => `${one.range.start.line + 1}: ${one.message}`);
  }
  print(JSON.stringify(found));
})();
