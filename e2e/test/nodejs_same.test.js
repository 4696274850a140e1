// The same identity gets the same flags from the server as from the SDK's own evaluation of the server's document.
import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import { Flagsmith } from 'flagsmith-nodejs';
import { generator, population, random } from '../lib/population.js';
import { api, document, keys, serverKey } from '../lib/server.js';
import { installed, quiet, suite } from '../lib/suite.js';

const COUNT = 1000;
const AT_ONCE = 16;

const options = { environmentKey: serverKey(keys.compare), apiUrl: api, logger: quiet };
const remote = new Flagsmith(options);
const local = new Flagsmith({ ...options, enableLocalEvaluation: true, environmentRefreshIntervalSeconds: 3600 });

const shown = flags => new Map(flags.allFlags().map(flag => [flag.featureName, [flag.enabled, flag.value ?? null]]));

/** compare tells where two answers differ, and counts what it compared. */
function compare(identity, here, there, differences) {
  const [a, b] = [shown(here), shown(there)];
  for (const name of new Set([...a.keys(), ...b.keys()])) {
    const [la, lb] = [a, b].map(flags => JSON.stringify(flags.get(name)));
    if (la !== lb) differences.push(`${name}: local ${la}, remote ${lb}, for ${JSON.stringify(identity).slice(0, 500)}`);
  }
  return a.size;
}

/** wrapped gives some traits in the form that says whether they are transient. */
const wrapped = traits =>
  Object.fromEntries(Object.entries(traits).map(([key, value], n) =>
    [key, n % 3 === 0 && value !== null ? { value, transient: n % 2 === 0 } : value]));

/** each runs fn for all items, some at once. */
async function each(items, fn) {
  const queue = items.entries();
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (const [i, item] of queue) await fn(item, i);
  }));
}

function agree(differences, compared) {
  if (differences.length === 0) return;
  assert.fail(`${differences.length} of ${compared} differ (FLAGSTAFF_E2E_RANDOM=${random}):\n${differences.slice(0, 10).join('\n')}`);
}

suite('flagsmith-nodejs', installed('flagsmith-nodejs'), 'remote = local', () => {
  let identities, overridden;
  after(() => local.close());

  it(`draws ${COUNT} identities`, async t => {
    t.diagnostic(`note: FLAGSTAFF_E2E_RANDOM=${random}`);
    overridden = (await document(keys.compare)).identity_overrides.map(o => o.identifier);
    assert.ok(overridden.length >= 30, `${overridden.length} identities with overrides`);
    identities = population(generator(random), COUNT, overridden);
    assert.equal(new Set(identities.map(i => i.identifier)).size, COUNT);
  });

  it('environment flags', async () => {
    const differences = [];
    const compared = compare({}, await local.getEnvironmentFlags(), await remote.getEnvironmentFlags(), differences);
    agree(differences, compared);
    assert.ok(compared >= 40, `${compared} features`);
  });

  it(`every feature for each of ${COUNT} identities; for a tenth of them with stored traits, and again without`, async t => {
    const differences = [];
    const values = new Map(); // of each feature, as evidence that there is something to compare
    let compared = 0;
    await each(identities, async ({ identifier, traits }, i) => {
      const here = await local.getIdentityFlags(identifier, traits);
      const check = async (description, sent, transient, expected = here) => {
        const there = await remote.getIdentityFlags(identifier, sent, transient);
        compared += compare({ identifier, traits, description }, expected, there, differences);
      };
      for (const [name, state] of shown(here)) {
        if (!values.has(name)) values.set(name, new Set());
        values.get(name).add(JSON.stringify(state));
      }
      if (i % 10 !== 1 && i % 100 !== 0) { // the latter have overrides
        await check('transient', wrapped(traits), true);
        return;
      }
      await check('stored', traits, false);
      await check('asked again', {}, false);
      const nothing = Object.fromEntries(Object.keys(traits).map(key => [key, null]));
      const expected = overridden.includes(identifier) ? undefined : await local.getIdentityFlags(identifier, {});
      if (expected) await check('deleted', nothing, false, expected);
      else await remote.getIdentityFlags(identifier, nothing);
    });
    t.diagnostic(`note: ${compared} flags compared`);
    agree(differences, compared);
    const constant = [...values].filter(([, seen]) => seen.size < 2).map(([name]) => name);
    assert.deepEqual(constant.sort(), ['live', 'probe_nobody_by_rules', 'probe_nobody_by_split', 'zero_and_rest'], 'never changed');
  });

  it('every segment has some of the identities and not all', async () => {
    const members = new Map();
    for (const { identifier, traits } of identities) {
      for (const { name } of await local.getIdentitySegments(identifier, traits)) members.set(name, (members.get(name) ?? 0) + 1);
    }
    const { project } = await document(keys.compare);
    const dull = project.segments.map(s => s.name).filter(name => !(members.get(name) >= 3 && members.get(name) <= COUNT - 3));
    assert.deepEqual(dull, ['nobody_by_split', 'everybody', 'nobody_by_rules']);
  });

  it('an identifier that is a number spelt with zeros gets its own override, as text', async () => {
    assert.ok(overridden.includes('007'));
    for (const client of [local, remote]) {
      assert.equal((await client.getIdentityFlags('007', {}, true)).getFeatureValue('two_segments'), 'bond');
      assert.equal((await client.getIdentityFlags('7', {}, true)).getFeatureValue('two_segments'), 'default');
    }
  });
});
