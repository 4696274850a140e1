// What e2e/run started, and how to change it.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';

const need = name => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: these tests are started by e2e/run`);
  return value;
};

/** Where the server that all tests share listens, without a slash at the end. */
export const origin = need('FLAGSTAFF_E2E_URL');
export const api = `${origin}/api/v1/`;

/** The client-side keys of the environments. A server-side key is the same after "ser.". */
export const keys = {
  demo: need('FLAGSTAFF_E2E_DEMO_KEY'), // what a first start makes: see demo below
  compare: need('FLAGSTAFF_E2E_COMPARE_KEY'), // every kind of rule: see e2e/seed/environment.go
  live: need('FLAGSTAFF_E2E_LIVE_KEY'), // changes while SDKs watch
  stopped: need('FLAGSTAFF_E2E_STOPPED_KEY'), // its organisation is not served
};
export const serverKey = key => `ser.${key}`;

/** What the demo environment answers. */
export const demo = JSON.parse(readFileSync(new URL('demo.json', import.meta.url), 'utf8'));

const run = promisify(execFile);
let changes = 0;

/** change gives the feature "live" a value that it never had, as the admin API would, and returns the value. */
export async function change() {
  const value = `change ${++changes} of ${process.pid}`;
  await run(need('FLAGSTAFF_E2E_SEED'), [
    'set', '-database', need('FLAGSTAFF_E2E_DATABASE'), '-environment', keys.live, '-feature', 'live', '-value', JSON.stringify(value),
  ]);
  return value;
}

/** document returns the document that SDKs evaluate. */
export async function document(key) {
  const answer = await fetch(`${api}environment-document/`, { headers: { 'X-Environment-Key': serverKey(key) } });
  if (answer.status !== 200) throw new Error(`environment-document: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

/** spare returns a server of the caller's own, with the demo environment, to be stopped once. */
export function spare(name) {
  const [origin, pid] = need(`FLAGSTAFF_E2E_SPARE_${name}`).split(' ');
  return {
    api: `${origin}/api/v1/`,
    async stop() {
      process.kill(Number(pid), 'SIGTERM');
      await eventually(() => fetch(`${origin}/health/liveness`).then(() => false, () => true));
    },
  };
}


/** eventually waits until check returns something true, and returns that. */
export async function eventually(check, { within = 10_000, every = 50 } = {}) {
  const deadline = Date.now() + within;
  for (;;) {
    const result = await check();
    if (result) return result;
    if (Date.now() > deadline) throw new Error(`not within ${within} ms: ${check}`);
    await new Promise(resolve => setTimeout(resolve, every));
  }
}
