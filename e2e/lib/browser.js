// The checks of the browser SDK, which is published under two names.
import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import { EventSource } from 'eventsource';
import { crossOrigin } from './cors.js';
import { recorder } from './recorder.js';
import { api, change, demo, eventually, keys, origin, spare } from './server.js';
import { installed, suite } from './suite.js';

// The SDK looks for these when it is loaded. Realtime updates and stored counts want a window.
globalThis.window = globalThis;
globalThis.EventSource = EventSource;

/** storage is what a browser keeps for a page. */
function storage() {
  const items = new Map();
  return {
    async getItem(key, done) {
      done?.(null, items.get(key) ?? null);
      return items.get(key) ?? null;
    },
    async setItem(key, value) { items.set(key, value); },
    async removeItem(key) { items.delete(key); },
  };
}

/** judge declares the checks of a package; the last of them stop the server with the name spareName. */
export async function judge(name, spareName) {
  const { createFlagsmithInstance } = await import(`${name}/isomorphic`);
  const version = installed(name);
  // Underneath the rules of a browser, so that it sees preflights too.
  const record = recorder();
  const fetch = crossOrigin(record.fetch);

  const started = [];
  /** load makes an instance and initialises it. */
  async function load(options = {}) {
    const flagsmith = createFlagsmithInstance();
    started.push(flagsmith);
    await flagsmith.init({ environmentID: keys.demo, api, fetch, AsyncStorage: storage(), ...options });
    return flagsmith;
  }
  const stopAll = () => {
    for (const flagsmith of started) {
      flagsmith.stopListening();
      clearInterval(flagsmith.analyticsInterval);
      flagsmith.eventSource?.close();
    }
  };

  let people = 0;
  const someone = () => `${spareName.toLowerCase()}-${++people}`;
  const shown = flagsmith =>
    Object.fromEntries(Object.entries(flagsmith.getAllFlags()).map(([key, { enabled, value }]) => [key, { enabled, value }]));
  const perPage = flagsmith => flagsmith.getValue('items_per_page');

  suite(name, version, 'browser SDK under Node.js', () => {
    after(stopAll);

    it('environment flags: every feature with its state and the type of its value', async () => {
      const flagsmith = await load();
      assert.deepEqual(shown(flagsmith), demo.environment);
      assert.equal(flagsmith.hasFeature('dark_mode'), true);
      assert.equal(flagsmith.hasFeature('Dark Mode'), true, 'the SDK folds names');
      assert.deepEqual(flagsmith.getValue('theme', { json: true, fallback: null }), JSON.parse(demo.environment.theme.value));
      assert.ok(Object.values(flagsmith.getAllFlags()).every(flag => Number.isInteger(flag.id) && flag.id > 0));
    });

    it('an unknown feature, and one for server-side keys alone: off, or the fallback', async () => {
      const flagsmith = await load();
      for (const name of ['nonsense', 'fraud_score_limit']) {
        assert.equal(flagsmith.hasFeature(name), false);
        assert.equal(flagsmith.hasFeature(name, { fallback: true }), true);
        assert.equal(flagsmith.getValue(name, { fallback: 'f' }), 'f');
      }
    });

    it('the document\'s moment can be read across origins', async () => {
      const flagsmith = await load();
      assert.ok(flagsmith.timestamp > 1e9 && flagsmith.timestamp < 1e10, `timestamp ${flagsmith.timestamp}, want Unix seconds`);
    });

    it('identify with traits: segment overrides, and traits come back with their types', async () => {
      const flagsmith = await load();
      const traits = {
        plan: 'premium', number: -3, ratio: 1.5, yes: true, no: false, empty: '', word: 'Größe \u{1f600} <&"\\', digits: '1.50',
      };
      await flagsmith.identify(someone(), traits);
      assert.equal(perPage(flagsmith), 96);
      assert.equal(flagsmith.getValue('banner_text'), demo.premium.banner_text.value);
      assert.deepEqual(flagsmith.getAllTraits(), traits);
      assert.equal(flagsmith.getTrait('ratio'), 1.5);
    });

    it('identify without traits: the stored ones apply and come back', async () => {
      const identifier = someone();
      await (await load()).identify(identifier, { plan: 'premium', age: 41 });
      const flagsmith = await load();
      await flagsmith.identify(identifier);
      assert.equal(perPage(flagsmith), 96);
      assert.deepEqual(flagsmith.getAllTraits(), { plan: 'premium', age: 41 });
    });

    it('init with an identity', async () => {
      const identifier = someone();
      assert.equal(perPage(await load({ identity: identifier, traits: { plan: 'premium' } })), 96);
      assert.equal(perPage(await load({ identity: identifier })), 96);
      const other = await load({ evaluationContext: { identity: { identifier, traits: { plan: { value: 'free' } } } } });
      assert.equal(perPage(other), 24);
    });

    it('setTrait and setTraits change flags', async () => {
      const flagsmith = await load({ identity: someone() });
      assert.equal(perPage(flagsmith), 24);
      await flagsmith.setTrait('plan', 'premium');
      assert.equal(perPage(flagsmith), 96);
      await flagsmith.setTraits({ plan: 'free', visits: 1 });
      assert.equal(perPage(flagsmith), 24);
      assert.deepEqual(flagsmith.getAllTraits(), { plan: 'free', visits: 1 });
      await flagsmith.setTrait('visits', flagsmith.getTrait('visits') + 1);
      assert.equal(flagsmith.getTrait('visits'), 2);
    });

    it('null deletes a trait', async () => {
      const identifier = someone();
      const flagsmith = await load({ identity: identifier, traits: { plan: 'premium', other: 'x' } });
      await flagsmith.setTraits({ plan: null });
      assert.equal(perPage(flagsmith), 24);
      assert.deepEqual(flagsmith.getAllTraits(), { other: 'x' });
      assert.deepEqual((await load({ identity: identifier })).getAllTraits(), { other: 'x' });
    });

    it('an identity override', async () => {
      const flagsmith = await load({ identity: demo.override.identifier });
      assert.equal(flagsmith.getValue('banner_text'), demo.override.banner_text);
    });

    it('variants stay with an identity', async () => {
      const identifier = someone();
      const [first, again] = [await load({ identity: identifier }), await load({ identity: identifier, traits: { plan: 'free' } })];
      for (const [name, values] of Object.entries(demo.variants)) {
        assert.ok(values.includes(first.getValue(name)));
        assert.equal(again.getValue(name), first.getValue(name));
      }
    });

    it('logout brings back the environment flags', async () => {
      const flagsmith = await load({ identity: someone(), traits: { plan: 'premium' } });
      await flagsmith.logout();
      assert.deepEqual(shown(flagsmith), demo.environment);
      assert.deepEqual(flagsmith.getAllTraits(), {});
    });

    it('anonymous: the server makes an identifier, the same for the same traits', async () => {
      const identity = { transient: true, traits: { plan: { value: 'premium' }, n: { value: people } } };
      const anonymous = () => load({ evaluationContext: { identity } });
      const [one, two] = [await anonymous(), await anonymous()];
      assert.equal(perPage(one), 96);
      assert.match(one.getContext().identity.identifier, /^[0-9a-f]{64}$/);
      assert.equal(two.getContext().identity.identifier, one.getContext().identity.identifier);
      const named = await load({ identity: one.getContext().identity.identifier });
      assert.deepEqual([perPage(named), named.getAllTraits()], [24, {}], 'nothing was stored');
    });

    it('a transient identity is not stored', async () => {
      const identifier = someone();
      const flagsmith = await load();
      await flagsmith.identify(identifier, { plan: 'premium' }, true);
      assert.equal(perPage(flagsmith), 96);
      assert.deepEqual((await load({ identity: identifier })).getAllTraits(), {});
      const other = someone();
      await (await load()).identify(other, undefined, true); // by GET
      assert.equal(perPage(await load({ identity: other })), 24);
    });

    it('a transient trait is not stored, its neighbour is', async () => {
      const identifier = someone();
      const flagsmith = await load({ identity: identifier });
      await flagsmith.setTraits({ plan: { value: 'premium', transient: true }, kept: 1 });
      assert.equal(perPage(flagsmith), 96);
      const again = await load({ identity: identifier });
      assert.deepEqual([perPage(again), again.getAllTraits()], [24, { kept: 1 }]);
    });

    it('startListening polls, stopListening ends it', async () => {
      const flagsmith = await load({ environmentID: keys.live });
      flagsmith.startListening(100);
      const value = await change();
      await eventually(() => flagsmith.getValue('live') === value);
      flagsmith.stopListening();
      await flagsmith.getFlags(); // what was under way is done before this is
      const calls = record.calls.length;
      await new Promise(resolve => setTimeout(resolve, 300));
      assert.equal(record.calls.length, calls);
    });

    it('a realtime event makes it fetch', async () => {
      const changes = [];
      const flagsmith = await load({
        environmentID: keys.live,
        realtime: true,
        eventSourceUrl: `${origin}/`,
        onChange: (_, { flagsChanged }) => changes.push(flagsChanged),
      });
      await eventually(() => flagsmith.eventSource.readyState === 1);
      for (let i = 0; i < 2; i++) {
        const value = await change();
        await eventually(() => flagsmith.getValue('live') === value);
      }
      assert.ok(changes.some(c => c?.includes('live')));
      flagsmith.eventSource.close();
    });

    it('the realtime stream is one, also for a page from elsewhere', async () => {
      const done = new AbortController();
      const stream = await globalThis.fetch(`${origin}/sse/environments/${keys.live}/stream`, {
        headers: { Origin: 'https://shop.example', Accept: 'text/event-stream' }, signal: done.signal,
      });
      assert.equal(stream.status, 200);
      assert.equal(stream.headers.get('content-type'), 'text/event-stream');
      assert.equal(stream.headers.get('access-control-allow-origin'), '*');
      let text = '';
      for await (const piece of stream.body.pipeThrough(new TextDecoderStream())) {
        text += piece;
        if (text.includes('\n\n')) break;
      }
      done.abort();
      assert.match(text, /^event: environment_updated\ndata: \{"updated_at": ?\d+\.\d+\}\n/);
    });

    it('analytics: what was read is counted and accepted', async () => {
      const flagsmith = await load({ enableAnalytics: true });
      await eventually(() => flagsmith.evaluationEvent);
      for (let i = 0; i < 3; i++) flagsmith.getValue('banner_text');
      flagsmith.hasFeature('dark_mode');
      await flagsmith.analyticsFlags();
      const call = record.to('/analytics/flags/').filter(c => c.method === 'POST').pop();
      assert.deepEqual([call.status, JSON.parse(call.body)], [200, { banner_text: 3, dark_mode: 1 }]);
      assert.deepEqual(flagsmith.evaluationEvent[keys.demo], {}, 'the SDK saw that they were accepted');
    });

    it('the application\'s name and version may be sent', async () => {
      await load({ applicationMetadata: { name: 'shop', version: '1.2.3' }, identity: someone(), traits: { a: 1 } });
      const headers = record.calls.at(-1).headers;
      assert.deepEqual([headers.get('flagsmith-application-name'), headers.get('flagsmith-application-version')], ['shop', '1.2.3']);
    });

    it('a wrong key is an error, and defaults hold', async () => {
      const errors = [];
      const flagsmith = createFlagsmithInstance();
      started.push(flagsmith);
      await assert.rejects(flagsmith.init({
        environmentID: 'wrong', api, fetch, onError: e => errors.push(e), defaultFlags: { a: { enabled: true, value: 'd' } },
      }));
      assert.equal(errors.length, 1);
      assert.equal(record.to('/flags/').at(-1).status, 403);
      assert.equal(flagsmith.getValue('a'), 'd');
    });

    it('every request above was allowed by a preflight of its own', () => {
      const asked = record.calls.filter(c => c.method !== 'OPTIONS');
      const permissions = record.calls.filter(c => c.method === 'OPTIONS');
      assert.equal(permissions.length, asked.length);
      const names = new Set(permissions.flatMap(c => c.headers.get('access-control-request-headers').split(',')));
      assert.deepEqual([...names].sort(), [
        'content-type', 'flagsmith-application-name', 'flagsmith-application-version', 'flagsmith-sdk-user-agent', 'x-environment-key',
      ]);
    });
  });

  suite(name, version, 'server stopped', () => {
    after(stopAll);
    const server = spare(spareName);
    const kept = storage();
    let flagsmith;

    it('before: it answers', async () => {
      flagsmith = await load({ api: server.api, AsyncStorage: kept, cacheFlags: true, identity: someone(), traits: { plan: 'premium' } });
      assert.equal(perPage(flagsmith), 96);
    });

    it('flags stay, asking is an error', async () => {
      await server.stop();
      await assert.rejects(flagsmith.getFlags());
      assert.equal(perPage(flagsmith), 96);
    });

    it('a new page has the cached flags', async () => {
      const page = await load({ api: server.api, AsyncStorage: kept, cacheFlags: true, onError: () => {} });
      assert.equal(perPage(page), 96);
    });
  });
}
