// @tenure/react with the oldest React that it promises to work with.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ReactSession, status, who } from '../lib/react-site.mjs';

let session;
before(async () => {
  const old = (name) => new URL(`../../e2e-react-18/node_modules/${name}`, import.meta.url).pathname;
  session = await ReactSession.start('tenure-react.jsx', { alias: { react: old('react'), 'react-dom': old('react-dom') } });
});
after(() => session?.stop());

test('React 18: signed in, warned, stays, signed out', async () => {
  const { page, context, problems } = await session.signedIn('/orders');
  assert.match(await page.locator('#react').textContent(), /^18\./);
  const dialog = page.getByRole('alertdialog');
  await session.pass(page, 241);
  await page.getByRole('alertdialog', { name: 'Are you still there?' }).waitFor();
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
  await status(page, 'active');
  await session.pass(page, 241);
  await dialog.waitFor();
  await session.pass(page, 60);
  await dialog.getByRole('button', { name: 'Sign in' }).waitFor();
  for (let presses = 0; presses < 3; presses += 1) await page.keyboard.press('Escape');
  assert.equal(await dialog.isVisible(), true);
  await who(page, 'nobody');
  assert.deepEqual(problems, []);
  await context.close();
});
