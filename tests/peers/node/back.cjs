// Uses the chat page of vc-server over a line that breaks, in headless Chromium.
//
// usage: node back.cjs CHAT_URL
// Goes away twice: once the line is cut, once (told by the first line of standard input, which
// names it) another server has taken the place of the first. Prints what it saw, a JSON object a
// line.

const net = require("node:net");
const readline = require("node:readline");
const { chromium } = require("playwright-core");

const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** A way to the server that can be cut, and led to another one. */
class Gate {
  sockets = new Set();
  isShut = false;

  async open(target) {
    this.target = new URL(target);
    const server = net.createServer((client) => this.pass(client));
    await new Promise((done) => server.listen(0, "127.0.0.1", done));
    return `http://127.0.0.1:${server.address().port}/`;
  }

  pass(client) {
    client.on("error", () => {});
    if (this.isShut) return client.resetAndDestroy();
    const server = net.connect(Number(this.target.port), this.target.hostname);
    for (const [one, other] of [[client, server], [server, client]]) {
      this.sockets.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => { this.sockets.delete(one); other.destroy(); });
      one.pipe(other);
    }
  }

  shut() {
    this.isShut = true;
    for (const socket of this.sockets) socket.resetAndDestroy();
  }
}

const tell = (seen) => console.log(JSON.stringify(seen));

/** Says something as Jun, straight to the server. */
async function say(server, text) {
  const options = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ author: "Jun", text }) };
  const sent = await fetch(new URL("rooms/general/messages", server), options);
  if (!sent.ok) throw new Error(`${text}: ${sent.status}`);
}

async function main() {
  const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const server = process.argv[2] + "/";
  const gate = new Gate();
  const chat = await gate.open(server);
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: flags });
  try {
    const tab = await browser.newPage();
    const errors = [];
    tab.on("pageerror", (error) => errors.push(String(error)));
    await tab.goto(chat);
    const name = tab.getByRole("dialog").getByRole("textbox");
    await name.fill("Ines");
    await name.press("Enter");
    await tab.getByText(/^Connected/).first().waitFor();
    const shown = async () => (await tab.locator("#messages li[data-id] p").allInnerTexts());

    await say(server, "before");
    await tab.getByText("before", { exact: true }).waitFor();
    gate.shut();
    await tab.getByText(/^Reconnecting, attempt/).waitFor();
    for (const text of ["while away 1", "while away 2", "while away 3"]) await say(server, text);
    gate.isShut = false;
    await tab.getByText(/^Reconnected after .* 3\u00a0messages replayed, none missed\.$/).waitFor();
    await say(server, "after");
    await tab.getByText("after", { exact: true }).waitFor();
    tell({ shown: await shown(), errors });

    const next = (await lines.next()).value.trim() + "/";
    await tab.getByText(/^(The connection was lost|Reconnecting, attempt)/).last().waitFor();
    await say(next, "elsewhere");
    gate.target = new URL(next);
    await tab.getByText(/^Reconnected after .* 1\u00a0message reloaded\.$/).waitFor();
    await say(next, "at last");
    await tab.getByText("at last", { exact: true }).waitFor();
    tell({ shown: await shown(), errors });
  } finally {
    await browser.close();
  }
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
