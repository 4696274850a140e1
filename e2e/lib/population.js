// Random identities for the comparison of remote with local evaluation.
//
// The server evaluates as the reference engine does, and the SDK's engine is known to differ from that in places. Segments
// (seed/environment.go) and traits (below) leave out what follows, and nothing else. Rows are those of section 7 of the engine
// specification, paragraphs (§) those of its text.
//
//   left out                                                          | row or §          | how
//   ------------------------------------------------------------------+-------------------+---------------------------------------
//   text that reads as a number (the reference makes it one), except  | 13-20, 39-42, 46, | no such values; app_version has some
//     where only semver looks at it                                   | 49, 66, 86-88     |
//   1.0 beside 1, integers with more digits than a double has         | 1, 7, 9, 26, 84,  | JavaScript has one kind of number
//                                                                     | 171               |
//   an integer compared with text that is no integer                  | 4-8, 11, 12       | age has integer targets only; score is
//                                                                     |                   |   never an integer
//   a number against NOT_EQUAL with text that is no number            | 6, 8              | plan is never a number
//   order of text beyond the first plane                              | 43                | city stays inside it
//   CONTAINS and REGEX with the empty text                            | 45, 56            | no such conditions
//   REGEX without ^, with inline flags, on line ends, on booleans,    | 53, 59, 60, 62-65 | anchored patterns that no boolean fits;
//     on numbers that print with an exponent                          |                   |   no such numbers
//   MODULO of a negative number, of a boolean, of text that begins    | 70-72, 76, 78     | visits has no such values
//     with a number                                                   |                   |
//   IN with "", 0 or a number with decimals in the list, with numbers | 80, 81, 83, 84,   | lists of text and of integers from 18
//     in a JSON list, with blanks before it                           | 92, 93, 95        |
//   semver of a boolean, with "v" or blanks around, beyond 64 bits;   | 29, 106, 107,     | app_version and api_version have no
//     CONTAINS; NOT_EQUAL of what is no version or names a build      | 112, 113, 116,    |   such values
//                                                                     | 117, 119          |
//   no identity                                                       | 123, 125, 127,    | a comparison has identities; without
//                                                                     | 208               |   one, no segment counts on either side
//   property "" except for PERCENTAGE_SPLIT                           | 128, 129          | no such conditions
//   traits named like a path, paths to a dotted name, to lists and to | 130-132, 137, 143,| no such traits, no such conditions
//     objects                                                         | 157               |
//   identifiers that are numbers but not spelt so (007) in paths,     | 135, 150-152, 169 | not drawn; 007 has a check of its own
//     CONTAINS on one that is a number                                |                   |
//   PERCENTAGE_SPLIT on a plain trait                                 | 173               | splits are on "" and on paths
//   PERCENTAGE_SPLIT on "", 0, a boolean; thresholds that are no      | 162, 163, 171,    | cohort has no such values; thresholds
//     number                                                          | 172, 174          |   are numbers
//   identifiers with commas                                           | 242, 243, §2.4    | not drawn, no overrides for them
//   identities with an override: "", 0, false and null delete a trait | sdk-api §5.3      | not drawn for them; each is asked once
//     of an earlier call, others stay                                 |                   |
//   identifiers with blanks around, which the server trims            | sdk-api §2.3      | not drawn
//   what the reference refuses: bad patterns, MODULO by 0, conditions | 57, 73, 149, 158- | no such conditions
//     with null                                                       | 160               |
//   what the store does not make: equal or absent priorities, variants| 199-204, 222, 232 |
//     without an id                                                   |                   |
//
// Of remote answers the SDK shows a null value as undefined, of local ones as null: these count as equal.

import { createHash } from 'node:crypto';

/** random is the number from which everything random is drawn. */
export const random = Number(process.env.FLAGSTAFF_E2E_RANDOM || Date.now() % 2 ** 31);

/** generator returns random numbers in [0, 1) that depend on nothing but the seed. */
export function generator(seed) {
  let drawn = 0;
  return () => createHash('sha256').update(`${seed} ${drawn++}`).digest().readUInt32BE() / 2 ** 32;
}

const absent = Symbol('absent');

/** The values that a trait may have. A function draws one. */
const traits = random => {
  const below = n => Math.floor(random() * n);
  const quarters = (from, to) => from + below(to - from) + [0.25, 0.5, 0.75][below(3)];
  return {
    plan: ['free', 'pro', 'team', 'enterprise', 'Pro', 'free,pro', '', true, false, null, absent, absent],
    age: [() => below(61), () => below(61), () => below(61), 18, 42, 0, -5, () => quarters(0, 60), true, false, 'unknown', '1e3', '+42',
      ' 42', '42 years', '', null, absent],
    score: [() => quarters(-20, 30), () => quarters(-20, 30), 12.5, -1.25, 'high', '12.5 points', '', true, false, null, absent],
    beta: [true, true, false, 'true', 'True', 'false', 'yes', 0, 1, absent],
    city: ['Aachen', 'Zürich', 'Ōsaka', 'måløv', 'München', 'M', 'Lyon', '', true, 7, absent],
    nickname: ['\u{1f600}', 'smile \u{1f600}\u{1f3fd}!', '\u{1f601}', 'é', 'e\u0301', 'plain', '', 12, false, absent],
    email: ['anna@example.com', 'b.c@example.org', 'B@example.com', 'x@example.net', 'tag+1@example.com', 'someone@elsewhere.test',
      'no address', '', 5, true, null, absent, absent, absent],
    country: ['DE', 'AT', 'CH', 'FR', 'IT', 'US', 'de', 'DE,AT', 'a,b', '', true, 18, absent],
    visits: [() => below(20), () => below(20), () => quarters(0, 20), () => below(1e9), 'many', '', absent],
    cohort: ['red', 'green', 'blue', 'größer', () => `cohort ${below(50)}`, () => 1 + below(50), () => quarters(1, 9), absent],
    app_version: ['1.4.0', '1.4.0', '1.4.0+build.5', '1.4.0-rc.1', '1.4.0-rc.0', '1.9.10', () => `1.${below(12)}.${below(12)}`,
      () => `2.0.0-alpha.${below(20)}`, '2.0.0-alpha.beta', '2.0.0', '10.0.0', '1.4', '2', '1.4.0.0', '01.4.0', 'latest', '', 2, 1.4, null,
      absent],
    api_version: ['2.0.0', '2.0.0', '2.0.0-rc.1', '1.0.0', () => `${below(4)}.0.0`, absent],
    // No segment looks at these.
    'favourite colour': ['blue', 'größer als grün', '<b>&"\\', 'line\nbreak', 'x'.repeat(2000), 0, 2147483647, -2147483648, 0.1, absent,
      absent],
    'a.b': ['dotted', 1, absent, absent, absent],
  };
};

const identifiers = [
  (random, i) => `user-${i}@example.com`,
  (random, i) => `${'abcdefghijklmnopqrstuvwxyz'[Math.floor(random() * 26)]}${i}`,
  (random, i) => `${Math.floor(random() * 2 ** 32).toString(16).padStart(8, '0')}-${i}-uuid`,
  (random, i) => String(100_000 + i), // a number
  (random, i) => `Größe ${i} \u{1f600}`,
  (random, i) => `a&b=${i}?#%20/"<>\\`,
];

/**
 * population draws count identities, no two with one identifier: [{ identifier, traits }]. A tenth of them, as far as they
 * reach, are of overridden, the identifiers that have identity overrides.
 */
export function population(random, count, overridden) {
  const pick = from => from[Math.floor(random() * from.length)];
  const special = overridden.filter(identifier => !/^-?0\d+$/.test(identifier) && !identifier.includes(','));
  const values = Object.entries(traits(random));
  return Array.from({ length: count }, (_, i) => {
    const hasOverride = i % 10 === 0 && special.length > 0;
    const identifier = hasOverride ? special.splice(Math.floor(random() * special.length), 1)[0] : pick(identifiers)(random, i);
    const drawn = {};
    for (const [name, from] of values) {
      let value = pick(from);
      if (typeof value === 'function') value = value();
      if (value !== absent && !(hasOverride && !value)) drawn[name] = value;
    }
    return { identifier, traits: drawn };
  });
}
