// Auth0's React SDK, unmodified, with Tenure's dialog beside it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ReactSession } from '../lib/react-site.mjs';

let session;
before(async () => {
  session = await ReactSession.start('auth0-react.jsx');
});
after(() => session?.stop());

test('the dialog warns at 240 s, and a token that is asked for silently is an answer to it', async () => {
  const { page, context, problems } = await session.signedIn('/orders');
  await session.pass(page, 241);
  await page.getByRole('alertdialog', { name: 'Are you still there?' }).waitFor();
  await page.getByRole('button', { name: 'Stay signed in' }).click();
  await page.getByRole('alertdialog').waitFor({ state: 'hidden' });
  const left = await page.evaluate(() => Math.round((window.monitor.state.endsAt - Date.now()) / 1000));
  assert.ok(left > 290 && left <= 301, `${left} s left`);
  assert.deepEqual(problems, []);
  await context.close();
});
