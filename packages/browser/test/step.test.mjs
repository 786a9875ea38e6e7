// The monitor's decisions as a table: what it shows, raises, asks and when it wakes, for each thing that may happen.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { begin, step } from '../.build/monitor/step.js';

const SETTINGS = { warnBefore: 60_000, extendOnActivity: true };
/** The server's clock at the login, in seconds; this page's is right unless a test says otherwise. */
const LOGIN = 1_767_225_600;

/** A session with an idle timeout of ten minutes and a lifetime of an hour, last active `at` seconds after the login. */
function live({ now = 0, at = 0, idle = 600, lifetime = 3600, sid = 'one', today = idle } = {}) {
  const absolute = LOGIN + lifetime;
  const idleEnd = Math.min(LOGIN + at + idle, absolute);
  const todayEnd = LOGIN + at + today;
  const rule = idleEnd === absolute ? 'stored_absolute' : 'stored_idle';
  return {
    active: true,
    sid,
    now: LOGIN + now,
    expires_at: idleEnd,
    idle_expires_at: idleEnd,
    absolute_expires_at: absolute,
    extend_before: Math.min(idleEnd, todayEnd),
    will_end: { reason: rule === 'stored_idle' ? 'idle' : 'absolute', rule },
    limits: {
      idle_timeout: { seconds: idle, since: LOGIN + at, expires_at: idleEnd, rule, today: { seconds: today, expires_at: todayEnd, rule: 'setting_idle' } },
      absolute_lifetime: { seconds: lifetime, since: LOGIN, expires_at: absolute, rule: 'stored_absolute', today: { seconds: lifetime, expires_at: absolute, rule: 'setting_absolute' } },
    },
  };
}

const over = ({ now = 600, reason = 'idle', sid = 'one' } = {}) => ({ active: false, sid, now: LOGIN + now, reason, rule: 'stored_idle', ended_at: LOGIN + now });

/** A monitor in a page whose clocks are moved by hand. */
class Page {
  constructor({ settings = SETTINGS, clockAhead = 0 } = {}) {
    this.state = begin(settings);
    this.seconds = 0;
    this.asleep = 0;
    this.clockAhead = clockAhead;
  }

  get now() {
    return { wall: (LOGIN + this.seconds + this.clockAhead) * 1000, mono: (this.seconds - this.asleep) * 1000 };
  }

  at(seconds) {
    this.seconds = seconds;
    return this;
  }

  take(event) {
    const { state, commands } = step(this.state, event, this.now);
    this.state = state;
    this.commands = commands;
    return this;
  }

  answer(status, by = 'ask', took = 0) {
    return this.take({ type: 'answer', status, by, took });
  }

  get did() {
    return this.commands.filter(({ do: what }) => what !== 'wake').map((command) => command.event ?? command.do);
  }

  get wake() {
    return this.commands.find(({ do: what }) => what === 'wake').after;
  }

  get shown() {
    return this.state.shown;
  }
}

const watching = (options, status = live()) => new Page(options).take({ type: 'ask' }).answer(status);

test('at first nothing is known; what is told by the server is shown', () => {
  const page = new Page();
  assert.equal(page.shown.status, 'unknown');
  assert.deepEqual(page.take({ type: 'ask' }).did, ['ask']);
  assert.deepEqual(page.take({ type: 'ask' }).did, [], 'one question at a time');
  assert.deepEqual(page.answer(live()).did, ['tell', 'change']);
  const { status, idleDeadline, absoluteDeadline, endsAt, rule, reason, extendable } = page.shown;
  assert.deepEqual(
    { status, idleDeadline, absoluteDeadline, endsAt, rule, reason, extendable },
    {
      status: 'active', idleDeadline: endsAt, absoluteDeadline: endsAt + 3_000_000, endsAt, rule: 'stored_idle', reason: 'idle', extendable: true,
    },
  );
  assert.ok(Math.abs(endsAt - (LOGIN + 600) * 1000) < 1_500);
});

test('an application may have but one limit', () => {
  const absolute = live();
  absolute.idle_expires_at = absolute.limits.idle_timeout = null;
  absolute.expires_at = absolute.extend_before = absolute.absolute_expires_at;
  absolute.will_end = { reason: 'absolute', rule: 'absolute_duration' };
  const page = watching({}, absolute);
  const { idleDeadline, absoluteDeadline, endsAt, extendable, rule } = page.shown;
  assert.deepEqual({ idleDeadline, absoluteDeadline, extendable, rule }, { idleDeadline: Infinity, absoluteDeadline: endsAt, extendable: false, rule: 'absolute_duration' });
  page.at(3_545).take({ type: 'activity' }).answer({ ...absolute, now: LOGIN + 3_545 });
  assert.equal(page.shown.status, 'warning');
  assert.ok(!page.did.includes('extend'));

  const rolling = live();
  rolling.absolute_expires_at = rolling.limits.absolute_lifetime = null;
  assert.equal(watching({}, rolling).shown.absoluteDeadline, Infinity);
  assert.equal(watching({}, rolling).at(100).take({ type: 'activity' }).did.join(), 'extend');
});

test('the state is the same object until something changes', () => {
  const page = watching();
  const { shown } = page;
  page.at(30).take({ type: 'tick' }).at(31).answer(live({ now: 31 }));
  assert.equal(page.shown, shown);
  assert.deepEqual(page.did, []);
});

test('naps are a minute at most, and end when the warning is due', () => {
  const page = watching();
  assert.equal(page.wake, 60_000);
  page.at(500).take({ type: 'tick' });
  assert.ok(page.wake > 38_000 && page.wake <= 40_500, `${page.wake}`);
});

test('the warning comes a minute before the end, after the server has been asked', () => {
  const page = watching().at(541).take({ type: 'tick' });
  assert.deepEqual(page.did, ['ask']);
  assert.equal(page.shown.status, 'active', 'this clock alone raises no warning');
  page.answer(live({ now: 541 }));
  assert.deepEqual(page.did, ['warning', 'change']);
  assert.equal(page.shown.status, 'warning');
  assert.ok(page.shown.secondsLeft >= 58 && page.shown.secondsLeft <= 59, `${page.shown.secondsLeft}`);
  assert.ok(page.wake <= 1_000);
  const { shown } = page;
  page.at(550).take({ type: 'tick' });
  assert.notEqual(page.shown, shown, 'it counts down');
  assert.deepEqual(page.did, ['change'], 'and is raised once');
});

for (const [warnBefore, idle, comes] of [[120_000, 600, 480], [60_000, 80, 40], [0, 600, 600], [60_000, 120, 60]]) {
  test(`with ${warnBefore / 1000} s before the end of ${idle} s idle, the warning comes after ${comes} s`, () => {
    const page = watching({ settings: { ...SETTINGS, warnBefore } }, live({ idle }));
    page.at(comes - 2).take({ type: 'tick' });
    assert.deepEqual(page.did, []);
    page.at(comes + 0.6).take({ type: 'tick' }).answer(live({ now: comes, idle }));
    assert.equal(page.shown.status, 'warning');
  });
}

test('at the deadline the server is asked before anybody is told', () => {
  const page = watching().at(545).take({ type: 'tick' }).answer(live({ now: 545 }));
  page.at(600.6).take({ type: 'tick' });
  assert.deepEqual(page.did, ['ask', 'change']);
  assert.equal(page.shown.status, 'warning');
  assert.equal(page.shown.secondsLeft, 0);
  page.answer(over());
  assert.deepEqual(page.did, ['tell', 'change', 'ended']);
  assert.equal(page.shown.status, 'ended');
  assert.equal(page.shown.reason, 'idle');
  assert.equal(page.wake, undefined);
});

test('another application kept it alive: the answer at the deadline says so', () => {
  const page = watching().at(545).take({ type: 'tick' }).answer(live({ now: 545 }));
  page.at(600.6).take({ type: 'tick' }).answer(live({ now: 600, at: 580 }));
  assert.deepEqual(page.did, ['tell', 'extended', 'change']);
  assert.equal(page.shown.status, 'active');
});

test('"not yet" at the deadline is rounding: it is asked again shortly, not at once', () => {
  const page = watching().at(545).take({ type: 'tick' }).answer(live({ now: 545 }));
  page.at(600.6).take({ type: 'tick' }).answer(live({ now: 599 }));
  assert.ok(!page.did.includes('ask'), page.did.join());
  assert.ok(page.wake <= 1_100 && page.wake > 0, `${page.wake}`);
  page.at(602).take({ type: 'tick' });
  assert.deepEqual(page.did.filter((one) => one === 'ask'), ['ask']);
});

test('an end by the absolute limit is warned of, and cannot be put off', () => {
  const page = watching({}, live({ now: 3_500, at: 3_400 }));
  assert.equal(page.shown.extendable, false);
  assert.equal(page.shown.reason, 'absolute');
  page.at(45);
  const near = new Page().at(3_550).take({ type: 'ask' }).answer(live({ now: 3_550, at: 3_400 }));
  assert.deepEqual(near.did, ['tell', 'warning', 'change']);
  assert.equal(near.shown.rule, 'stored_absolute');
});

test("an end by the upstream session is told as that, and cannot be put off", () => {
  const status = live({ now: 3_550, at: 3_400 });
  const will_end = { reason: 'upstream_expired', rule: 'upstream_session_expiry' };
  const page = new Page().at(3_550).take({ type: 'ask' }).answer({ ...status, will_end });
  assert.equal(page.shown.reason, 'upstream_expired');
  assert.equal(page.shown.rule, 'upstream_session_expiry');
  assert.equal(page.shown.extendable, false);
});

test('a lowered setting: the end counted down to is the earlier one, and is over for all only later', () => {
  const lowered = { now: 100, today: 200 };
  const page = watching().at(100).answer(live(lowered), 'told');
  assert.equal(page.shown.rule, 'setting_idle');
  assert.ok(Math.abs(page.shown.endsAt - (LOGIN + 200) * 1000) < 1_500);
  page.at(201).take({ type: 'tick' }).answer(live({ ...lowered, now: 201 }));
  assert.equal(page.shown.status, 'warning');
  assert.equal(page.shown.secondsLeft, 0);
  assert.ok(page.wake > 10_000, 'nothing to ask until it is over');
});

describe('extending', () => {
  test('in this tab: one request, and the deadline moves', () => {
    const page = watching().at(545).take({ type: 'tick' }).answer(live({ now: 545 }));
    assert.deepEqual(page.take({ type: 'extend' }).did, ['extend']);
    assert.deepEqual(page.take({ type: 'extend' }).did, [], 'one at a time');
    page.answer(live({ now: 546, at: 546 }), 'extend');
    assert.deepEqual(page.did, ['tell', 'extended', 'change']);
    assert.equal(page.shown.status, 'active');
  });

  test('told by another tab or by the stream: the same, and not told on', () => {
    const page = watching().at(545).take({ type: 'tick' }).answer(live({ now: 545 }));
    page.answer(live({ now: 546, at: 546 }), 'told');
    assert.deepEqual(page.did, ['extended', 'change']);
    assert.equal(page.shown.status, 'active');
  });

  test('a second warning is raised for the next deadline', () => {
    const page = watching().at(545).take({ type: 'tick' }).answer(live({ now: 545 }));
    page.at(546).answer(live({ now: 546, at: 546 }), 'extend');
    page.at(1_100).take({ type: 'tick' }).answer(live({ now: 1_100, at: 546 }));
    assert.ok(page.did.includes('warning'));
  });

  test('an answer that was overtaken changes nothing', () => {
    const page = watching().at(300).take({ type: 'extend' }).answer(live({ now: 300, at: 300 }), 'extend');
    const { shown } = page;
    page.answer(live({ now: 299 }));
    assert.equal(page.shown, shown);
  });

  test('an application that may not extend says so, and does not try by itself', () => {
    const page = watching().at(300).take({ type: 'extend' }).take({ type: 'failure', of: 'extend', why: 'refused' });
    assert.equal(page.shown.extendable, false);
    assert.deepEqual(page.at(400).take({ type: 'activity' }).did, []);
  });
});

describe('what the person does', () => {
  for (const [name, seconds, did] of [
    ['soon after the last activity waits', 10, []],
    ['after a tenth of the idle timeout is passed on', 61, ['extend']],
    ['at any later time is passed on', 500, ['extend']],
  ]) {
    test(name, () => assert.deepEqual(watching().at(seconds).take({ type: 'activity' }).did, did));
  }

  test('what had to wait is passed on when its time comes', () => {
    const page = watching().at(10).take({ type: 'activity' });
    assert.ok(page.wake > 48_000 && page.wake <= 50_500, `${page.wake}`);
    assert.deepEqual(page.at(61).take({ type: 'tick' }).did, ['extend']);
  });

  test('what another tab passed on meanwhile is not passed on again', () => {
    const page = watching().at(10).take({ type: 'activity' }).at(20).answer(live({ now: 20, at: 20 }), 'told');
    assert.deepEqual(page.at(200).take({ type: 'tick' }).did, []);
  });

  test('does not answer a warning: that is for the person to decide', () => {
    const page = watching().at(545).take({ type: 'tick' }).answer(live({ now: 545 }));
    assert.deepEqual(page.take({ type: 'activity' }).did, []);
    assert.equal(page.shown.status, 'warning');
  });

  test('counts for nothing where the application does not want it', () => {
    const page = watching({ settings: { ...SETTINGS, extendOnActivity: false } });
    assert.deepEqual(page.at(300).take({ type: 'activity' }).did, []);
    assert.deepEqual(page.at(301).take({ type: 'tick' }).did, []);
  });

  test('cannot help against the absolute limit, and is not sent', () => {
    assert.deepEqual(watching({}, live({ at: 0, idle: 3600, now: 0 })).at(1000).take({ type: 'activity' }).did, []);
  });

  test('a stream and a background refresh are no deeds', () => {
    const page = watching();
    page.at(200).answer(live({ now: 200 }), 'told').at(300).take({ type: 'ask' }).answer(live({ now: 300 }));
    assert.ok(!page.did.includes('extend'));
    assert.equal(page.state.active, false);
  });
});

describe('clocks', () => {
  for (const clockAhead of [-86_400, -90, 90, 86_400]) {
    test(`a clock that is ${clockAhead} s ahead warns and ends at the right instants`, () => {
      const page = watching({ clockAhead });
      assert.ok(Math.abs(page.shown.endsAt - (LOGIN + clockAhead + 600) * 1000) < 1_500, 'in terms of the wrong clock');
      assert.deepEqual(page.at(530).take({ type: 'tick' }).did, []);
      page.at(541).take({ type: 'tick' }).answer(live({ now: 541 }));
      assert.equal(page.shown.status, 'warning');
      page.at(601).take({ type: 'tick' });
      assert.ok(page.did.includes('ask'));
    });
  }

  test('after a sleep the server is asked, and nothing is claimed until it answers', () => {
    const page = watching();
    page.asleep = 3_000;
    page.at(3_100).take({ type: 'tick' });
    assert.deepEqual(page.did, ['ask']);
    assert.equal(page.shown.status, 'active');
    page.answer(over({ now: 3_100 }));
    assert.equal(page.shown.status, 'ended');
  });

  test('after a sleep in which the counting clock ran on, too', () => {
    const page = watching().at(3_100).take({ type: 'tick' });
    assert.deepEqual(page.did, ['ask']);
    assert.equal(page.shown.status, 'active');
  });

  for (const jump of [3_600, -3_600]) {
    test(`a clock that is set by ${jump} s in between is noticed, and the server asked`, () => {
      const page = watching();
      page.clockAhead = jump;
      page.at(60).take({ type: 'tick' });
      assert.deepEqual(page.did, ['ask']);
      page.answer(live({ now: 60 }));
      assert.equal(page.shown.status, 'active');
      assert.ok(Math.abs(page.shown.endsAt - (LOGIN + jump + 600) * 1000) < 1_500);
      assert.deepEqual(page.at(120).take({ type: 'tick' }).did, []);
    });
  }

  test('an answer that arrives together with a jump may be older than it: it is asked once more', () => {
    const page = watching().at(60).take({ type: 'ask' });
    page.asleep = 1_000;
    page.at(1_060).answer(live({ now: 60 }));
    assert.equal(page.state.doubtful, true);
    page.at(1_061).take({ type: 'tick' });
    assert.ok(page.did.includes('ask'));
  });

  test('a late word of the stream does not move the clock', () => {
    const page = watching().at(400).answer(live({ now: 100, at: 100 }), 'told');
    assert.ok(Math.abs(page.state.skew) < 1_000, `${page.state.skew}`);
  });
});

describe('the server cannot be reached', () => {
  const offline = () => watching().at(100).take({ type: 'ask' }).take({ type: 'failure', of: 'ask', why: 'unreachable' });

  test('is shown, with the deadlines that are known', () => {
    const page = offline();
    assert.equal(page.shown.status, 'offline');
    assert.ok(page.shown.endsAt > 0);
    assert.equal(page.wake, 2_000);
  });

  test('is tried again, at growing distances, at most a minute', () => {
    const page = offline();
    for (const pause of [4_000, 8_000, 16_000, 32_000, 60_000, 60_000]) {
      page.at(page.seconds + 61).take({ type: 'tick' });
      assert.deepEqual(page.did.filter((one) => one === 'ask'), ['ask']);
      page.take({ type: 'failure', of: 'ask', why: 'unreachable' });
      assert.equal(page.wake, pause);
    }
  });

  test('the server may ask for more patience', () => {
    const page = watching().at(100).take({ type: 'ask' }).take({ type: 'failure', of: 'ask', why: 'unreachable', retryAfter: 30 });
    assert.equal(page.wake, 30_000);
  });

  test('past the deadline nobody is told of an end that nobody knows of', () => {
    const page = offline().at(700).take({ type: 'tick' });
    assert.equal(page.shown.status, 'offline');
    assert.ok(!page.did.includes('ended'));
    page.answer(live({ now: 700, at: 650 }));
    assert.equal(page.shown.status, 'active');
    assert.ok(page.did.includes('extended'));
  });

  test('when the network is back, the server is asked at once', () => {
    assert.deepEqual(offline().at(101).take({ type: 'look' }).did, ['ask']);
  });

  test('from the start: offline, and tried again', () => {
    const page = new Page().take({ type: 'ask' }).take({ type: 'failure', of: 'ask', why: 'unreachable' });
    assert.equal(page.shown.status, 'offline');
    assert.deepEqual(page.at(3).take({ type: 'tick' }).did, ['ask']);
  });
});

describe('looking at the page again', () => {
  for (const [name, make, did] of [
    ['asks', () => watching().at(100), ['ask']],
    ['asks nothing just after an answer', () => watching().at(1), []],
    ['asks nothing where nobody is signed in', () => new Page(), []],
    ['asks nothing after the end', () => watching().at(600).answer(over()), []],
  ]) {
    test(name, () => assert.deepEqual(make().take({ type: 'look' }).did, did));
  }
});

describe('ends', () => {
  test('told by the stream', () => {
    const page = watching().at(50).answer(over({ now: 50, reason: 'user_logout' }), 'told');
    assert.deepEqual(page.did, ['change', 'ended']);
    assert.equal(page.shown.reason, 'user_logout');
  });

  test('are told once', () => {
    const page = watching().at(50).answer(over({ now: 50 }), 'told').answer(over({ now: 50 }), 'told').answer(over({ now: 51 }));
    assert.deepEqual(page.did, []);
  });

  test('are not undone by an answer that was on its way', () => {
    const page = watching().at(50).answer(over({ now: 50 }), 'told').answer(live({ now: 49 }));
    assert.equal(page.shown.status, 'ended');
  });

  test('of another session are no concern: this page asks for its own', () => {
    const page = watching().at(50).answer(over({ now: 50, sid: 'other' }), 'told');
    assert.deepEqual(page.did, ['ask']);
    assert.equal(page.shown.status, 'active');
  });

  test('a new session after the end is followed', () => {
    const page = watching().at(600).answer(over()).at(700).take({ type: 'ask' });
    page.answer(live({ now: 700, at: 700, sid: 'two' }));
    assert.equal(page.shown.status, 'active');
    assert.deepEqual(page.did, ['tell', 'change']);
  });

  for (const [why, shown] of [['gone', 'ended'], ['unknown', 'unknown'], ['refused', 'unknown']]) {
    test(`a question that fails as ${why} shows ${shown}`, () => {
      const page = watching().at(50).take({ type: 'ask' }).take({ type: 'failure', of: 'ask', why });
      assert.equal(page.shown.status, shown);
      assert.equal(page.shown.reason, undefined);
      assert.equal(page.did.includes('ended'), shown === 'ended');
    });
  }

  test('two tabs of different sessions do not talk each other into endless questions', () => {
    const [one, two] = [watching(), watching({}, live({ sid: 'two' }))];
    // One's session is over; two hears of it, asks for its own, and finds it unchanged: nothing to tell.
    one.at(50).answer(over({ now: 50 }));
    assert.ok(one.did.includes('tell'));
    two.at(50).answer(over({ now: 50 }), 'told');
    assert.deepEqual(two.did, ['ask']);
    two.answer(live({ now: 50, sid: 'two' }));
    assert.deepEqual(two.did, []);
  });
});
