// What the dialog and the private part of a page say and show: decisions and words, as tables.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countdown, english, german, notice } from '../.build/dialog/texts.js';
import { accessOf } from '../.build/page.js';

for (const [texts, seconds, words] of [
  [english, 59, 'You will be signed out in 59 seconds.'],
  [english, 1, 'You will be signed out in 1 second.'],
  [english, 0, 'You will be signed out in 0 seconds.'],
  [english, 60, 'You will be signed out in 1 minute.'],
  [english, 125, 'You will be signed out in 2 minutes 5 seconds.'],
  [english, 605, 'You will be signed out in 10 minutes.'],
  [german, 61, 'Sie werden in 1 Minute 1 Sekunde abgemeldet.'],
  [{ ...english, lang: 'pl', willEnd: '{time}' }, 22, '22 sekundy'],
]) {
  test(`${seconds} s in ${texts.lang}: ${words}`, () => assert.equal(countdown(texts, seconds), words));
}

for (const [status, reason, error, words] of [
  ['ended', 'idle', undefined, 'You are signed out. You were away for a while.'],
  ['ended', 'policy_change', undefined, 'You are signed out. Your session is over.'],
  ['ended', undefined, undefined, 'You are signed out. Your session is over.'],
  ['unknown', undefined, undefined, 'You are signed out. '],
  ['ended', 'idle', new Error('access_denied'), 'The sign-in did not succeed.'],
]) {
  test(`the notice for ${status}, ${reason}, ${error}`, () => assert.equal(notice(english, { status, reason }, error), words));
}

const loading = { isLoading: true, isAuthenticated: false };
const nobody = { isLoading: false, isAuthenticated: false };
const failed = { ...nobody, error: new Error('access_denied') };
const ada = { isLoading: false, isAuthenticated: true };
const [active, idle, absolute, logout] = [{ status: 'active' }, ...['idle', 'absolute', 'user_logout'].map((reason) => ({ status: 'ended', reason }))];
const unknown = { status: 'unknown' };
for (const [name, who, session, known, atEnd, expected] of [
  ['nothing is known yet', loading, unknown, undefined, 'leave', 'gone waiting'],
  ['the page came back by the back button', loading, active, 'ada', 'unmount', 'hidden waiting'],
  ['a stranger', nobody, unknown, undefined, 'leave', 'gone waiting, to the login page'],
  ['a stranger whose login failed', failed, unknown, undefined, 'leave', 'gone notice'],
  ['somebody', ada, active, 'ada', 'unmount', 'shown nothing'],
  ['somebody whose offline refresh token outlives the session', ada, idle, 'ada', 'unmount', 'shown nothing'],
  ['the idle end, unmount', nobody, idle, 'ada', 'unmount', 'gone notice'],
  ['the idle end, hide', nobody, idle, 'ada', 'hide', 'hidden notice'],
  ['the idle end, leave', nobody, idle, 'ada', 'leave', 'shown nothing'],
  ['the absolute end, leave', nobody, absolute, 'ada', 'leave', 'shown nothing'],
  ['a logout, hide', nobody, logout, 'ada', 'hide', 'gone notice'],
  ['a logout, leave', nobody, logout, 'ada', 'leave', 'gone notice'],
  ['nothing proves a session any more', nobody, unknown, 'ada', 'leave', 'gone notice'],
  ['a login after the end that failed', failed, idle, 'ada', 'hide', 'hidden notice'],
]) {
  test(`a private part, ${name}: ${expected}`, () => {
    const { part, instead, leave } = accessOf(who, session, known, atEnd);
    assert.equal(`${part} ${instead}${leave ? ', to the login page' : ''}`, expected);
  });
}
