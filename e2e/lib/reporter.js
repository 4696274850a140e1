// Prints one line a check and, at the end, one line for each SDK and mode. Exit codes are the runner's.
import { separator } from './suite.js';

export default async function* report(events) {
  const began = Date.now();
  const path = []; // names of the tests under way, by nesting
  const rows = new Map();
  let row;
  for await (const { type, data } of events) {
    if (type === 'test:start') {
      path.length = data.nesting;
      path[data.nesting] = data.name;
      const name = path.find(p => p.includes(separator));
      if (name !== undefined && name !== row?.name) {
        row = { name, checks: 0, passed: 0, notes: [] };
        rows.set(name, row);
        yield `\n${name}\n`;
      }
    }
    if (type === 'test:diagnostic' && row && data.nesting > 0 && data.message.startsWith('note: ')) {
      row.notes.push(data.message.slice('note: '.length));
    }
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    if (data.details?.type === 'suite' && type === 'test:pass') continue;
    const passed = type === 'test:pass';
    if (!passed && isOnlyAboutChildren(data.details?.error)) continue;
    if (row && path.includes(row.name) && data.name !== row.name) {
      if (data.skip !== undefined) {
        row.notes.push(`not judged: ${data.skip}`);
        yield `  - ${data.name}: ${data.skip}\n`;
        continue;
      }
      row.checks++;
      if (passed) row.passed++;
    }
    if (passed && data.nesting === 0 && data.name.includes('.test.')) continue; // a file, as older runners count
    const ms = Math.round(data.details?.duration_ms ?? 0);
    yield `  ${passed ? '✔' : '✖'} ${data.name}${ms < 100 ? '' : ` (${ms} ms)`}\n`;
    if (!passed) yield indent(explain(data.details?.error));
  }
  yield '\n' + table(rows) + `\n${((Date.now() - began) / 1000).toFixed(1)} s in tests\n`;
}

/** A suite fails because a check in it did: that one has been reported. */
const isOnlyAboutChildren = error => error?.failureType === 'subtestsFailed';

const explain = error => String(error?.cause?.stack ?? error?.cause ?? error?.stack ?? error);

const indent = text => text.split('\n').map(line => `      ${line}\n`).join('');

function table(rows) {
  const cells = [['SDK', 'version', 'mode', 'checks', 'passed', '']];
  for (const { name, checks, passed, notes } of rows.values()) {
    cells.push([...name.split(separator), checks, passed, passed < checks ? 'FAILED' : notes.join('; ')].map(String));
  }
  const widths = cells[0].map((_, i) => Math.max(...cells.map(row => row[i].length)));
  const isNumber = i => i === 3 || i === 4;
  return cells
    .map(row => row.map((cell, i) => (isNumber(i) ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join('  ').trimEnd())
    .join('\n');
}
