// Checks that are written in another language. The program prints a JSON object a line for each check: mode, check, ok, error
// and, if it has something to tell, note; the last line is {"done": true}.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { it } from 'node:test';
import { suite } from './suite.js';

/** run runs a program and returns the lines it printed, as objects, and why it did not end well, if so. */
async function run(command, input) {
  const child = spawn(command[0], command.slice(1), { stdio: ['pipe', 'pipe', 'pipe'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), 90_000);
  let out = '', errors = '';
  child.stdout.setEncoding('utf8').on('data', text => { out += text; });
  child.stderr.setEncoding('utf8').on('data', text => { errors = (errors + text).slice(-5000); });
  child.stdin.on('error', () => {}); // it may end without reading
  child.stdin.end(JSON.stringify(input));
  const status = await new Promise(resolve => {
    child.on('error', error => { errors += error; resolve('no start'); });
    child.on('close', (code, signal) => resolve(signal ?? code));
  });
  clearTimeout(timer);
  const lines = out.split('\n').filter(Boolean).map(line => JSON.parse(line));
  const complete = status === 0 && lines.pop()?.done === true;
  return { lines, trouble: complete ? undefined : `ended with ${status}\n${errors}` };
}

/**
 * judge declares the checks of a program. Without a command the SDK could not be had, for the reason given; then it counts as
 * not judged, and nothing fails.
 */
export async function judge({ sdk, version, command, reason, input = {} }) {
  if (!command) {
    suite(sdk, version, '-', () => it('can be had here', { skip: reason }, () => {}));
    return;
  }
  const { lines, trouble } = await run(command, input);
  for (const mode of new Set(lines.map(line => line.mode))) {
    suite(sdk, version, mode, () => {
      for (const { check, ok, error, note, ms } of lines.filter(line => line.mode === mode)) {
        it(ms < 100 ? check : `${check} (${ms} ms)`, t => {
          if (note) t.diagnostic(`note: ${note}`);
          if (!ok) assert.fail(error);
        });
      }
    });
  }
  suite(sdk, version, 'the program', () => it('ran to its end', () => assert.equal(trouble, undefined)));
}
