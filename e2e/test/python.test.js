import { fileURLToPath } from 'node:url';
import { judge } from '../lib/driver.js';
import { generator, population, random } from '../lib/population.js';
import { document, keys } from '../lib/server.js';

/**
 * comparable tells whether the SDK gives the identity the override as the server does. It is known (engine spec 2.4 and rows
 * 238, 240, 241 of section 7) to drop variants of overrides, to take overrides with 1 and with true for one, and to lose those
 * of identifiers that are spelt like other numbers. It also files overrides by a hash that is the same for 0, false and "".
 */
const comparable = ({ identifier, identity_features }) =>
  !(/^-?\d+(\.\d+)?$/.test(identifier) && String(Number(identifier)) !== identifier) &&
  identity_features.every(state => state.multivariate_feature_state_values.length === 0 &&
    ![true, false, 0, 1, ''].includes(state.feature_state_value));

const command = process.env.FLAGSTAFF_E2E_PYTHON;
let identities = [];
if (command) {
  const { identity_overrides: overrides } = await document(keys.compare);
  const others = new Set(overrides.filter(o => !comparable(o)).map(o => o.identifier));
  identities = population(generator(random), 300, overrides.map(o => o.identifier)).filter(i => !others.has(i.identifier));
}
await judge({
  sdk: 'flagsmith (PyPI)',
  version: process.env.FLAGSTAFF_E2E_PYTHON_VERSION ?? '',
  command: command && [command, fileURLToPath(new URL('../python/judge.py', import.meta.url))],
  reason: process.env.FLAGSTAFF_E2E_PYTHON_MISSING,
  input: { identities, random, odd: 300 },
});
