// See scripts/check-pages.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import puppeteer from "puppeteer-core";

const [site, folder, chrome] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const views = [
  ["wide-light", 1280, 900, "light"],
  ["wide-dark", 1280, 900, "dark"],
  ["narrow-light", 390, 844, "light"],
  ["narrow-dark", 390, 844, "dark"],
];
// Pages of one kind, such as one per row of a table, are opened this often.
const PER_KIND = 2;

const browser = await puppeteer.launch({ executablePath: chrome, args: ["--no-sandbox", "--disable-gpu"] });
const tab = await browser.newPage();
const faults = [];
let where = "";
tab.on("console", (message) => {
  if (["error", "warn"].includes(message.type())) faults.push(`${where}: console: ${message.text()}`);
});
tab.on("pageerror", (error) => faults.push(`${where}: ${error}`));
tab.on("request", (request) => {
  if (!request.url().startsWith(site) && !request.url().startsWith("data:")) faults.push(`${where}: asks ${request.url()}`);
});

const open = ["/"], seen = new Set(), kinds = new Map();
let pages = 0, checks = 0;
while (open.length > 0) {
  const path = open.shift();
  const kind = path.split("?")[0].replace(/\/v[0-9]+/, "/v");
  if (seen.has(path) || (kinds.get(kind) ?? 0) >= PER_KIND) continue;
  if (/\/(file|card|filter|plots)/.test(kind) || path.startsWith("/assets") || path.endsWith(".json")) continue;
  seen.add(path);
  kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  pages += 1;
  for (const [view, width, height, scheme] of views) {
    where = `${path} (${view})`;
    await tab.setViewport({ width, height });
    await tab.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    const response = await tab.goto(site + path, { waitUntil: "networkidle0" });
    if (response.status() !== 200) faults.push(`${where}: status ${response.status()}`);
    const over = await tab.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    if (over > 1) faults.push(`${where}: ${over} pixels wider than the screen`);
    await tab.evaluate(axe);
    const found = await tab.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
    checks += 1;
    for (const violation of found.violations) {
      const nodes = violation.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ");
      faults.push(`${where}: axe: ${violation.id}: ${violation.help}: ${nodes}`);
    }
    const name = (path === "/" ? "overview" : path.slice(1)).replace(/[^A-Za-z0-9]+/g, "_").slice(0, 60);
    await tab.screenshot({ path: `${folder}/${name}.${view}.png`, fullPage: true });
    if (view === "wide-light") {
      const links = await tab.evaluate(() => [...document.querySelectorAll("a[href]")].map((link) => new URL(link.getAttribute("href"), document.baseURI).href.split("#")[0]));
      open.push(...links.filter((link) => link.startsWith(`${site}/`)).map((link) => link.slice(site.length)));
    }
  }
}
await browser.close();
for (const fault of faults) console.error(fault);
console.log(`${pages} pages, ${checks} views, ${faults.length} faults; pictures in ${folder}`);
process.exit(faults.length > 0 ? 1 : 0);
