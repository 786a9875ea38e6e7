// The dialog of @tenure/browser without a framework: the README's example, pasted below the first one.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { example, firstExample, pasted, signIn } from '../lib/readme.mjs';
import { launch } from '../lib/sites.mjs';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

test('the dialog of the README warns, stays, says that it is over, and signs in again', async () => {
  const { page, pass, stop } = await pasted(browser, firstExample, example('SessionDialog'));
  try {
    const dialog = page.locator('dialog');
    assert.equal(await dialog.isVisible(), false);
    await pass(1_750);
    await dialog.getByText(/^Sie werden in \d+ Sekunden abgemeldet\.$/).waitFor();
    const focused = () => page.evaluate(() => document.activeElement.textContent);
    assert.equal(await focused(), 'Angemeldet bleiben');
    await page.keyboard.press('Tab');
    assert.equal(await focused(), 'Abmelden', 'a new second takes the focus from nobody');
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
    await page.getByText('active').waitFor();
    await pass(1_801);
    await dialog.getByText('Sie waren eine Weile nicht da.').waitFor();
    for (let presses = 0; presses < 3; presses += 1) await page.keyboard.press('Escape');
    assert.equal(await focused(), 'Anmelden');
    await page.keyboard.press('Enter');
    await signIn(page);
  } finally {
    await stop();
  }
});
