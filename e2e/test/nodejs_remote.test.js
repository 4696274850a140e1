import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import { DefaultFlag, Flagsmith, FlagsmithAPIError } from 'flagsmith-nodejs';
import { recorder } from '../lib/recorder.js';
import { api, demo, keys, serverKey, spare } from '../lib/server.js';
import { installed, quiet, suite } from '../lib/suite.js';

const version = installed('flagsmith-nodejs');

const client = (options = {}) => new Flagsmith({ environmentKey: keys.demo, apiUrl: api, logger: quiet, ...options });
const isForbidden = error => error.cause instanceof FlagsmithAPIError && /403/.test(error.cause.message);
const fallback = name => new DefaultFlag(`no ${name}`, true);

/** shown is what an application sees of flags. A null value is undefined in remote mode: the SDK makes it so. */
const shown = flags =>
  Object.fromEntries(flags.allFlags().map(flag => [flag.featureName, { enabled: flag.enabled, value: flag.value ?? null }]));

/** withoutVariants takes out the features whose value depends on the identity. */
const withoutVariants = flags => Object.fromEntries(Object.entries(flags).filter(([name]) => !(name in demo.variants)));

let identities = 0;
const someone = () => `nodejs-remote-${++identities}`;

suite('flagsmith-nodejs', version, 'remote', () => {
  it('environment flags: every feature with its state and the type of its value', async () => {
    assert.deepEqual(shown(await client().getEnvironmentFlags()), demo.environment);
  });

  it('the address may lack the slash at its end', async () => {
    assert.deepEqual(shown(await client({ apiUrl: api.slice(0, -1) }).getEnvironmentFlags()), demo.environment);
  });

  it('a flag by its name: on or off, and its value', async () => {
    const flags = await client().getEnvironmentFlags();
    assert.equal(flags.isFeatureEnabled('dark_mode'), true);
    assert.equal(flags.getFeatureValue('items_per_page'), 24);
    assert.equal(flags.getFeatureValue('reviews_moderated'), true);
    const { isDefault, featureId } = flags.getFlag('banner_text');
    assert.equal(isDefault, false);
    assert.ok(Number.isInteger(featureId) && featureId > 0);
  });

  it('a feature for server-side keys is seen with such a key alone', async () => {
    const server = client({ environmentKey: serverKey(keys.demo) });
    assert.deepEqual(shown(await server.getEnvironmentFlags()), { ...demo.environment, ...demo.serverOnly });
    assert.equal((await server.getIdentityFlags(someone())).getFeatureValue('fraud_score_limit'), 80);
    assert.equal((await client().getIdentityFlags(someone())).getFlag('fraud_score_limit').isDefault, true);
  });

  it('identity without traits: the defaults, and a variant that stays', async () => {
    const identifier = someone();
    const flags = shown(await client().getIdentityFlags(identifier));
    assert.deepEqual(withoutVariants(flags), withoutVariants(demo.environment));
    for (const [name, values] of Object.entries(demo.variants)) {
      assert.ok(values.includes(flags[name].value), `${name}: ${flags[name].value}`);
    }
    for (let i = 0; i < 5; i++) assert.deepEqual(shown(await client().getIdentityFlags(identifier)), flags);
  });

  it('variants come in their shares', async () => {
    const seen = {};
    const flags = await Promise.all(Array.from({ length: 400 }, () => client().getIdentityFlags(someone(), {}, true)));
    for (const f of flags) seen[f.getFeatureValue('button_colour')] = (seen[f.getFeatureValue('button_colour')] ?? 0) + 1;
    for (const [value, share] of [['blue', 0.5], ['green', 0.3], ['orange', 0.2]]) {
      // 400 draws: the deviation is at most 0.025, five of them are never seen.
      assert.ok(Math.abs(seen[value] / 400 - share) < 0.125, `${value}: ${seen[value]} of 400, want about ${share}`);
    }
  });

  it('a trait puts into a segment, whose override wins', async () => {
    const flags = shown(await client().getIdentityFlags(someone(), { plan: 'premium', age: 41, ratio: 0.5, staff: true }));
    assert.deepEqual(withoutVariants(flags), withoutVariants({ ...demo.environment, ...demo.premium }));
  });

  it('traits are stored', async () => {
    const identifier = someone();
    await client().getIdentityFlags(identifier, { plan: 'premium' });
    assert.equal((await client().getIdentityFlags(identifier)).getFeatureValue('items_per_page'), 96);
  });

  it('null deletes a trait', async () => {
    const identifier = someone();
    await client().getIdentityFlags(identifier, { plan: 'premium', other: 1 });
    assert.equal((await client().getIdentityFlags(identifier, { plan: null })).getFeatureValue('items_per_page'), 24);
    assert.equal((await client().getIdentityFlags(identifier)).getFeatureValue('items_per_page'), 24);
  });

  it('a trait changes with its type', async () => {
    const identifier = someone();
    for (const plan of [7, 'premium', false, 'premium', 1.5]) {
      const flags = await client().getIdentityFlags(identifier, { plan });
      assert.equal(flags.getFeatureValue('items_per_page'), plan === 'premium' ? 96 : 24, `plan ${plan}`);
    }
  });

  it('a transient identity is evaluated and not stored', async () => {
    const identifier = someone();
    assert.equal((await client().getIdentityFlags(identifier, { plan: 'premium' }, true)).getFeatureValue('items_per_page'), 96);
    assert.equal((await client().getIdentityFlags(identifier)).getFeatureValue('items_per_page'), 24);
  });

  it('a transient trait is evaluated and not stored, its neighbour is', async () => {
    const identifier = someone();
    const traits = { plan: { value: 'premium', transient: true }, email: { value: 'a@example.com', transient: false } };
    assert.equal((await client().getIdentityFlags(identifier, traits)).getFeatureValue('items_per_page'), 96);
    const record = recorder();
    assert.equal((await client({ fetch: record.fetch }).getIdentityFlags(identifier)).getFeatureValue('items_per_page'), 24);
    const stored = JSON.parse(await record.to('/identities/')[0].text()).traits;
    assert.deepEqual(stored.map(trait => [trait.trait_key, trait.trait_value]), [['email', 'a@example.com']]);
  });

  it('an identity override wins over a segment', async () => {
    const { identifier, banner_text } = demo.override;
    assert.equal((await client().getIdentityFlags(identifier)).getFeatureValue('banner_text'), banner_text);
    const flags = await client().getIdentityFlags(identifier, { plan: 'premium' }, true);
    assert.equal(flags.getFeatureValue('banner_text'), banner_text);
    assert.equal(flags.getFeatureValue('items_per_page'), 96);
  });

  it('an unknown feature: the default handler, or off', async () => {
    const flags = await client({ defaultFlagHandler: fallback }).getIdentityFlags(someone());
    assert.equal(flags.getFeatureValue('nonsense'), 'no nonsense');
    assert.equal(flags.getFeatureValue('banner_text'), demo.environment.banner_text.value);
    const flag = (await client().getEnvironmentFlags()).getFlag('nonsense');
    assert.deepEqual({ ...flag }, { enabled: false, isDefault: true, value: undefined });
  });

  it('a wrong key is an API error with status 403, or the default handler', async () => {
    for (const environmentKey of ['wrong', 'ser.wrong']) {
      for (const ask of [c => c.getEnvironmentFlags(), c => c.getIdentityFlags('x', { plan: 'premium' })]) {
        await assert.rejects(ask(client({ environmentKey })), isForbidden);
        const flags = await ask(client({ environmentKey, defaultFlagHandler: fallback }));
        assert.equal(flags.getFeatureValue('banner_text'), 'no banner_text');
      }
    }
  });

  it('an organisation that is not served is an API error with status 403, or the default handler', async () => {
    for (const environmentKey of [keys.stopped, serverKey(keys.stopped)]) {
      await assert.rejects(client({ environmentKey }).getEnvironmentFlags(), isForbidden);
      const flags = await client({ environmentKey, defaultFlagHandler: fallback }).getIdentityFlags('x');
      assert.equal(flags.getFeatureValue('banner_text'), 'no banner_text');
    }
  });

  it('analytics: what was read is counted and accepted', async () => {
    const record = recorder();
    const original = globalThis.fetch;
    globalThis.fetch = record.fetch; // the SDK hands its fetch option to everything but analytics
    const counting = client({ enableAnalytics: true });
    globalThis.fetch = original;
    const flags = await counting.getEnvironmentFlags();
    for (let i = 0; i < 3; i++) flags.getFeatureValue('banner_text');
    flags.isFeatureEnabled('dark_mode');
    (await counting.getIdentityFlags(someone())).isFeatureEnabled('dark_mode');
    await counting.analyticsProcessor.flush();
    const [call, ...more] = record.to('/analytics/flags/');
    assert.deepEqual([call.method, call.status, JSON.parse(call.body), more.length], ['POST', 200, { banner_text: 3, dark_mode: 2 }, 0]);
  });

  it('two hundred requests at once', async () => {
    const shared = client();
    const asked = Array.from({ length: 200 }, (_, i) => shared.getIdentityFlags(`crowd-${i % 50}`, { plan: 'premium', n: i }));
    const all = await Promise.all(asked);
    for (const flags of all) assert.equal(flags.getFeatureValue('items_per_page'), 96);
  });
});

suite('flagsmith-nodejs', version, 'server stopped', () => {
  const server = spare('NODEJS');
  const hasty = { apiUrl: server.api, retries: 1, requestRetryDelayMilliseconds: 10, requestTimeoutSeconds: 2 };
  const local = client({
    ...hasty, environmentKey: serverKey(keys.demo), enableLocalEvaluation: true, environmentRefreshIntervalSeconds: 0.2,
  });
  after(() => local.close());

  it('before: remote and local evaluation answer', async () => {
    assert.deepEqual(shown(await client(hasty).getEnvironmentFlags()), demo.environment);
    assert.deepEqual(shown(await local.getEnvironmentFlags()), { ...demo.environment, ...demo.serverOnly });
  });

  it('remote: an error, or the default handler', async () => {
    await server.stop();
    await assert.rejects(client(hasty).getEnvironmentFlags());
    await assert.rejects(client(hasty).getIdentityFlags('x'));
    const flags = await client({ ...hasty, defaultFlagHandler: fallback }).getIdentityFlags('x');
    assert.deepEqual({ ...flags.getFlag('banner_text') }, { enabled: true, isDefault: true, value: 'no banner_text' });
  });

  it('local evaluation goes on', async () => {
    await local.updateEnvironment(); // fails, and says so to the logger only
    assert.equal((await local.getIdentityFlags('x', { plan: 'premium' })).getFeatureValue('items_per_page'), 96);
    assert.deepEqual(shown(await local.getEnvironmentFlags()), { ...demo.environment, ...demo.serverOnly });
  });
});
