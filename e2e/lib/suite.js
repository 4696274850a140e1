// How tests are named so that the reporter can count them: a top-level suite for each SDK and mode.
import { describe } from 'node:test';
import { readFileSync } from 'node:fs';

/** The reporter tells such suites from others by this. */
export const separator = ' · ';

/** installed returns the version of a package in node_modules. */
export const installed = name =>
  JSON.parse(readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url), 'utf8')).version;

/** suite is describe for the checks of one SDK in one mode. */
export const suite = (sdk, version, mode, checks) => describe([sdk, version, mode].join(separator), checks);

/** quiet is a logger for SDKs that are meant to fail. */
export const quiet = Object.fromEntries(['trace', 'debug', 'info', 'warn', 'error', 'fatal'].map(level => [level, () => {}]));
