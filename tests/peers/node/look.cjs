// Uses vc-server as a person would, in headless Chromium: sends a message on the chat page, opens
// the live page, and looks for the trace of that message.
//
// usage: node look.cjs CHAT_URL PAGE_URL SCREENSHOT_FOLDER
// Prints what it saw as one JSON object.

const { chromium } = require("playwright-core");

const [chat, page, folder] = process.argv.slice(2);
const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

async function main() {
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: flags });
  const seen = { complaints: [] };
  try {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: "light" });
    const tab = await context.newPage();
    tab.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) seen.complaints.push(message.text());
    });
    tab.on("pageerror", (error) => seen.complaints.push(String(error)));

    await tab.goto(chat);
    const name = tab.getByRole("dialog").getByRole("textbox");
    await name.fill("Ines");
    await name.press("Enter");
    await tab.getByRole("dialog").waitFor({ state: "hidden" });
    const composer = tab.getByPlaceholder(/message/i);
    await composer.fill("hello from a real browser");
    await composer.press("Enter");
    const sent = tab.getByText("hello from a real browser").first();
    await sent.waitFor();
    const link = tab.locator('a[href*="/traces/"]').last();
    await link.waitFor();
    seen.traceUrl = await link.getAttribute("href");
    await tab.screenshot({ path: `${folder}/chat.png` });

    const traceId = seen.traceUrl.match(/[0-9a-f]{32}/)[0];
    await tab.goto(`${page}/traces`);
    const row = tab.locator(`a[href*="${traceId}"]`).first();
    await row.waitFor();
    await row.click();
    await tab.getByText("chat.store_message").first().waitFor();
    await tab.getByRole("treegrid").getByText("POST /rooms/{id}/messages").first().click();
    await tab.getByText("http.response.status_code").first().waitFor();
    seen.url = tab.url();
    seen.text = await tab.locator("main").innerText();
    await tab.screenshot({ path: `${folder}/trace.png` });
    await tab.goto(page);
    await tab.getByText("/rooms/{id}/messages").first().waitFor();
    await tab.screenshot({ path: `${folder}/overview.png` });
  } finally {
    await browser.close();
  }
  console.log(JSON.stringify(seen));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
