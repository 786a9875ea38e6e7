// The first example of the README, pasted.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { ReactSession } from '../lib/react-site.mjs';
import { fillIn } from '../lib/tenure-sdk.mjs';

const readme = readFileSync(new URL('../../packages/react/README.md', import.meta.url), 'utf8');
const [, example] = readme.match(/```jsx\n(.*?)```/s);

let session;
before(async () => {
  session = await ReactSession.start(example);
});
after(() => session?.stop());

test('the first example works as it stands: signed in, warned, signed out', async () => {
  const { page, context, problems } = await session.visit('/');
  await page.waitForURL(/\/authorize\?/);
  await fillIn(page);
  await page.getByText('Hello ada@example.com.').waitFor();
  await session.pass(page, 241);
  await page.getByRole('alertdialog').getByRole('button', { name: 'Stay signed in' }).click();
  await page.getByRole('alertdialog').waitFor({ state: 'hidden' });
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.waitForURL(/\/authorize\?/);
  await page.getByLabel('Password').waitFor();
  assert.deepEqual(problems, []);
  await context.close();
});
