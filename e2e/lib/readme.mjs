// Examples of the README of @tenure/browser, pasted one below the other into a page of their own, with a server as the
// README has it. Somebody has signed in there.
import { readFileSync } from 'node:fs';
import { Server } from './server.mjs';
import { bundled, pastedSite } from './tenure-sdk.mjs';

const readme = readFileSync(new URL('../../packages/browser/README.md', import.meta.url), 'utf8');
const [, tenant] = readme.match(/```yaml\n([^]*?)```/);
const blocks = [...readme.matchAll(/```js\n([^]*?)```/g)].map(([, script]) => script);

// The example that contains a text.
export const example = (text) => blocks.find((script) => script.includes(text));
export const [firstExample] = blocks;

export async function pasted(browser, ...scripts) {
  const script = { text: '' };
  const place = await pastedSite(script);
  const its = (text) => text.replaceAll('http://localhost:3000', place.origin);
  const server = await Server.start(its(tenant));
  const context = await browser.newContext();
  const stop = async () => {
    await context.close();
    await server.stop();
    place.close();
  };
  try {
    script.text = bundled(its(scripts.join('\n')).replace('http://localhost:7100/', server.issuer));
    await context.clock.install();
    const page = await context.newPage();
    await page.goto(place.origin);
    await signIn(page);
    const pass = async (seconds) => {
      await server.advance(seconds);
      await context.clock.fastForward(seconds * 1_000);
    };
    return { page, pass, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

export async function signIn(page) {
  await page.getByLabel('E-mail address or user name').fill('ada@example.com');
  await page.getByLabel('Password').fill('change-me-please');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('Hello ada@example.com').waitFor();
  await page.getByText('active').waitFor();
}
