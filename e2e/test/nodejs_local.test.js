import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import { DefaultFlag, Flagsmith, FlagsmithAPIError } from 'flagsmith-nodejs';
import { recorder } from '../lib/recorder.js';
import { api, change, demo, eventually, keys, serverKey } from '../lib/server.js';
import { installed, quiet, suite } from '../lib/suite.js';

const clients = [];
const client = (options = {}) => {
  const made = new Flagsmith({ environmentKey: serverKey(keys.demo), apiUrl: api, logger: quiet, enableLocalEvaluation: true, ...options });
  clients.push(made);
  return made;
};

const shown = flags => Object.fromEntries(flags.allFlags().map(({ featureName, enabled, value }) => [featureName, { enabled, value }]));

suite('flagsmith-nodejs', installed('flagsmith-nodejs'), 'local', () => {
  after(() => clients.forEach(c => c.close()));

  it('environment flags: every feature, those for server-side keys too', async () => {
    assert.deepEqual(shown(await client().getEnvironmentFlags()), { ...demo.environment, ...demo.serverOnly });
  });

  it('one request for the document, whatever is asked after', async () => {
    const record = recorder();
    const shared = client({ fetch: record.fetch });
    await Promise.all(Array.from({ length: 20 }, (_, i) => shared.getIdentityFlags(`local-${i}`, { plan: 'premium' })));
    assert.deepEqual(record.calls.map(call => [new URL(call.url).pathname, call.status]), [['/api/v1/environment-document/', 200]]);
  });

  it('a trait puts into a segment, whose override wins', async () => {
    const flags = await client().getIdentityFlags('local', { plan: 'premium' });
    for (const [name, { enabled, value }] of Object.entries(demo.premium)) {
      assert.deepEqual([flags.isFeatureEnabled(name), flags.getFeatureValue(name)], [enabled, value]);
    }
  });

  it('segments of an identity', async () => {
    const names = async traits => (await client().getIdentitySegments('local', traits)).map(s => s.name);
    assert.ok((await names({ plan: 'premium' })).includes('premium_customers'));
    assert.ok(!(await names({ plan: 'free' })).includes('premium_customers'));
  });

  it('variants are those of remote evaluation', async () => {
    const local = client();
    const remote = new Flagsmith({ environmentKey: serverKey(keys.demo), apiUrl: api, logger: quiet });
    for (let i = 0; i < 50; i++) {
      const [here, there] = await Promise.all([local, remote].map(c => c.getIdentityFlags(`variant-${i}`, {}, true)));
      for (const name of Object.keys(demo.variants)) {
        assert.equal(here.getFeatureValue(name), there.getFeatureValue(name), `${name} of variant-${i}`);
      }
    }
  });

  it('an identity override wins over a segment', async () => {
    const flags = await client().getIdentityFlags(demo.override.identifier, { plan: 'premium' });
    assert.equal(flags.getFeatureValue('banner_text'), demo.override.banner_text);
    assert.equal(flags.getFeatureValue('items_per_page'), 96);
  });

  it('polling brings a change', async () => {
    let updates = 0;
    const polling = client({
      environmentKey: serverKey(keys.live),
      environmentRefreshIntervalSeconds: 0.2,
      onEnvironmentChange: error => { if (!error) updates++; },
    });
    await polling.getEnvironmentFlags();
    for (let i = 0; i < 2; i++) {
      const value = await change();
      await eventually(async () => (await polling.getEnvironmentFlags()).getFeatureValue('live') === value);
    }
    assert.ok(updates >= 2);
    await polling.close();
  });

  it('an unknown feature: the default handler', async () => {
    const flags = await client({ defaultFlagHandler: name => new DefaultFlag(name, false) }).getIdentityFlags('local');
    assert.equal(flags.getFeatureValue('nonsense'), 'nonsense');
  });

  it('a client-side key is refused, by the SDK and by the server', async () => {
    assert.throws(() => client({ environmentKey: keys.demo }), /server-side/);
    const headers = { 'X-Environment-Key': keys.demo };
    const answer = await fetch(`${api}environment-document/`, { headers });
    assert.equal(answer.status, 403);
  });

  it('a wrong server-side key is an API error with status 403', async () => {
    const wrong = client({ environmentKey: 'ser.wrong-server-side-key' });
    await assert.rejects(wrong.getEnvironmentFlags(), error => error.cause instanceof FlagsmithAPIError && /403/.test(error.cause.message));
  });

  it('analytics of local evaluation are accepted', async () => {
    const record = recorder();
    const original = globalThis.fetch;
    globalThis.fetch = record.fetch; // the SDK hands its fetch option to everything but analytics
    const counting = client({ enableAnalytics: true });
    globalThis.fetch = original;
    (await counting.getIdentityFlags('local')).getFeatureValue('banner_text');
    await counting.analyticsProcessor.flush();
    const [call] = record.to('/analytics/flags/');
    assert.deepEqual([call.status, JSON.parse(call.body)], [200, { banner_text: 1 }]);
  });
});
