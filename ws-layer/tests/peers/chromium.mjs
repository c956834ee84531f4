// A real browser: headless Chromium, driven by playwright-core. Arguments: node_modules, URL, traceparent.
import { createRequire } from "node:module";

const [modules, url, traceparent] = process.argv.slice(2);
const { chromium } = createRequire(modules + "/")("playwright-core");

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
try {
  const page = await browser.newPage();
  const said = await page.evaluate(async ([url, traceparent]) => {
    const socket = new WebSocket(url, ["wsobs.v1", `wsobs.tp.${traceparent}`]);
    const next = () => new Promise((resolve) => socket.addEventListener("message", (event) => resolve(event.data), { once: true }));
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve, { once: true });
      socket.addEventListener("error", () => reject(new Error("refused")), { once: true });
    });
    const welcome = next();
    socket.send(JSON.stringify({ op: "hello", tp: traceparent }));
    const { op } = JSON.parse(await welcome);
    const answer = next();
    socket.send("κόσμε");
    const echoed = await answer;
    // Long enough for heartbeats, which the browser answers by itself.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const closed = new Promise((resolve) => socket.addEventListener("close", resolve, { once: true }));
    socket.close(4001, "done");
    const { code } = await closed;
    return `${socket.protocol} ${op} ${echoed} ${code}`;
  }, [url, traceparent]);
  console.log(said);
} finally {
  await browser.close();
}
