"""Writes cases for the tests of pyregexp, as Python's own re module answers them.

    python3.11 generate.py > cases.json              # the committed file
    python3.11 generate.py SEED COUNT > more.json    # that many random patterns, for a longer comparison

A case is {"p": pattern, "t": [[text, matches], ...]}, or {"p": pattern, "error": true} for a pattern that re refuses.
"""

import json
import random
import re
import signal
import sys
import warnings

warnings.simplefilter("ignore")

TEXTS = [
    "", "a", "b", "ab", "abc", "aab", "aaa", "abab", "abcabc", "ba", "A", "aB", "ABC", "\n", "a\n", "abc\n", "a\nb", "a\nb\n",
    "a\n\n", " ", "\t", "a b", "ab ab", "1", "12", "a1", "1a", "-5", "1.5", "_", "a_1", "é", "É", "aé", "éa", "ß", "ẞ", "ſ", "s",
    "K", "k", "\u212a", "i", "I", "İ", "ı", "σ", "ς", "Σ", "٣", "²", "½", "Ⅷ", "中文", "\u00a0", "\u2028", "\x1c", "\x85",
    "\u3000", "😀", "a😀", "\u0301", "]", "[", "a-z", "^", "\\", "{", "a{1}", "a{,2}", "{,2}", "(", "foo.bar", "foobar",
    "user@example.com", "user@EXAMPLE.com", "1.2.3", "v1.2.3-beta", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa", "\x00", "\x07", "\x08",
    "abba", "abcba", "aXbX", "XaX", "xyz", "x", "y", "z", "xy", "true", "True", "ſs", "Kk", "\u212ak", "éÉ", "ßẞ", "iİ", "ıi", "σς", "Σσ",
]

PATTERNS = r"""
a|b|abc
b|abc
^abc$
abc$
abc\Z
a$\n
a$b
(?m)a$\nb$
(?m)^a$
(?m)^$
a(?m:$)\nb
(?s)a.b
a.b
(?s:.)b
[^a]
[^\n]
\Aabc
a\Ab
\bab\b
\bab\b ab
a\b
\Ba
a\B
\B
\b
(?a)\b
(?a)\Ba
(?a)a\b
\w+$
(?a)\w+$
\W
(?a)\W
\d+
(?a)\d
\D
\s
(?a)\s
\S
[\d]
[\D]
[\s]
[\S]
[\w]
[\W]
[^\w]
[^\W]
[^\W\d]
[^\S\n]
[\W\d]
[\w-]
[a-\d]
[\d-a]
[a-c-e]
[]a]
[^]a]
[]
[^]
[a
[a-
[a-]
[-a]
[a\]b]
[a\-z]
[z-a]
[[]
[[:alpha:]]
[a&&b]
[\b]
\b+
[\n-\r]
[\x41-\x43]
[\101-\103]
[\u00e9]
[\N]
\x41
\x4
\x4g
\u00e9
\u00e
\U0001F600
\U00110000
\ud800
[^\ud800]
[\ud800-\udfff]
[\ud7ff-\ue000]
\0
\07
\078
\101
\400
\1
(a)\1
(a)\2
(a)\10
(ab|a)\1
(a)(b)\2\1
(.)(.)\2\1
(?i)(a)\1
(?i)(.)\1
(?ai)(.)\1
(?P<n>a)(?P=n)
(?P<n>a)(?P=m)
(?P<n>a)(?P<n>b)
(?P<1>a)
(?P<>a)
(?P<n
(?P<né>a)
(?P>n)
(?P=n)
(a\1)
(?:a|(b))\1
(a)?\1
(a)*\1
(?:(a)|b)*\1
((a)|b)+\2
(a(?=b))b
\8
\a
\f
\v
\e
\q
\_
\-
\@
\é
\中
\ 
a\
a\\
\\
*a
+
?
a**
a*?
a*?b
a*+
a*+a
a++b
a?+a
a{2}+a
(?:ab)++a
(?:a|ab)++c
(?:a|ab)*+c
a+*
a??b
a???
a{2}
a{2,}
a{,2}b
a{,}
a{,}b
a{}
a{
a{1
a{1,
a{1,x}
{,2}
{
x{0}
x{0}a
a{2,1}
a{4294967294}
a{4294967295}
a{1001}
a{0,1001}b
(?:a{1001}|b)
(?:a{100}){100}|b
(?:ab){2}
(?:ab){1,2}?c
(?:a?){3}b
(?:a?)*b
(?:a*)*b
(?:a*)+b
(?:a*?)*?b
(?:|a)*b
(?:|a)+b
(?:){5}a
(?:a|b)*?c
^*
^+a
$*
\b*
(?:^)*a
(?:$)*
(?=a)*b
(?=a)?a
(?!a)*b
(?:)*a
()*a
(?#c)a
(?#c
a(?#c)*
(?#a\)b)a
(?=a)a
(?=ab)a
(?!a)b
(?!a)
a(?!c)
a(?=b)
(?=(a))\1
(?!(a))b\1
(?=(ab))a\1
(?<=a)b
a(?<=a)b
a(?<=^a)b
ab(?<=ab)c
ab(?<!b)
ab(?<!a)c
(?<!a)a
(?<=a*)b
(?<=a|bc)b
(?<=a|b)c
(?<=(a))b
(a)(?<=\1)b
(?<=(a)\1)b
(a)b(?<=(?(1)b|c))c
(?<=a{2})b
aa(?<=a{2})b
aa(?<=(?:a){2,2})b
(?<x)a
(?<
(?>a)b
(?>a|ab)c
(?>ab|a)c
(?>a*)a
(?>a*)b
(?>(a))\1
(?:(?>a*)b)*c
(a)?(?(1)b|c)
(?P<x>a)?(?(x)b|c)
(a)?(?(1)b)
(?(1)a|b)
(?(2)a|b)(a)
(?(x)a)
(?(0)a)
(?(1)a|b|c)(z)
(a)(?(1)b|c
(a(?(1)b|c))
(?i)abc
(?i)[a-c]+$
(?i)[^a]
(?i)[k]
(?i)k
(?i)\u212a
(?i)s
(?i)ſ
(?i)ß
(?i)ẞ
(?i)i
(?i)ı
(?i)İ
(?i)σ
(?i)[σ]
(?i)é
(?ai)é
(?ai)k
(?ai)s
(?ai)[a-z]
(?i)[\x00-\uffff]
(?i)[^\x00-\uffff]
(?i)[A-\uffff]
(?i:a)b
(?i:a)B
(?-i:a)
(?i)(?-i:a)b
(?i-i:a)
(?i-s:A.)
(?s-i:a.)
(?-s:.)
(?:a(?i)b)
a(?i)b
(?i)|(?s)a
a|(?i)b
(?i)(?s)A.B
 (?i)a
(?x) a b # comment
(?x)a\ b
(?x)[ ]
(?x)a {2}
(?x)a * b
(?x: a b )c
(?x: a (?-x: )b)
(?x)a #
(?x)#\
(?x) (?i) A
(?x)a* ?
(?x)( ?:a)
(?a)(?u)a
(?u)(?a)a
(?au)a
(?a:\w)
(?u:\w)
(?a)(?u:\w)
(?a:\W)é
(?-a:a)
(?-u:a)
(?L)a
(?z)a
(?i
(?i-
(?i-)
(?-)
(?-:a)
(?-i)
(?ii)A
(?)
(?
(
)
a)
(a
(?:a
((a)
(?P
()
(?:)
(|a)b
a||b
|
.
.*
.*b
.*?b$
.+\n
(.*)x\1
^(?=.*[A-Z])(?=.*\d).+$
^(?!.*foo).*bar
^\w+([-+.']\w+)*@\w+([-.]\w+)*\.\w+([-.]\w+)*$
^(\d+)\.(\d+)\.(\d+)(?:-(\w+))?$
^v?\d+(\.\d+){2}
(a+)+$
(a+)+b
(a|aa)+$
(a|a)*b
(?:a+)+?c
(.+)+x
([a-z]+)*1
^(True|true)$
^$
\A\Z
\Z
\z
\G
\R
\h
\K
\p{L}
\pL
\X
\Q
\cA
\Aa*\Z
""".strip("\n").split("\n")

ATOMS = [
    "a", "b", "c", "A", "é", "k", "s", "i", "1", "_", " ", r"\n", ".", r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", "[ab]",
    "[^a]", "[a-c]", r"[\w-]", r"[^\W_]", r"[\s\S]", "[é-ü]", "^", "$", r"\b", r"\B", r"\A", r"\Z", r"\1", r"\2", "(?P=n)",
    "{", "x{2}", "]", r"\.", r"\x61", "", "-", "&",
]
GROUPS = [
    "(", "(", "(?:", "(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:", "(?s:", "(?m:", "(?a:", "(?-i:", "(?P<n>", "(?(1)", "(?x:",
]
REPEATS = ["*", "+", "?", "{2}", "{,2}", "{1,}", "{1,3}", "{0}"]


def random_pattern(rng, depth):
    branches = []
    for _ in range(1 if rng.random() < 0.7 else rng.randint(2, 3)):
        items = []
        for _ in range(rng.randint(0 if rng.random() < 0.15 else 1, 4)):
            if depth > 0 and rng.random() < 0.35:
                item = rng.choice(GROUPS) + random_pattern(rng, depth - 1) + ")"
            else:
                item = rng.choice(ATOMS)
            if rng.random() < 0.35:
                item += rng.choice(REPEATS) + rng.choice(["", "", "", "?", "+"])
            items.append(item)
        branches.append("".join(items))
    return "|".join(branches)


def random_text(rng):
    return "".join(rng.choice("aaabbbccABé ik1_\n.xsſ-") for _ in range(rng.randint(0, 12)))


class Slow(Exception):
    pass


def on_alarm(signum, frame):
    raise Slow


def case(pattern, texts):
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, ValueError):
        return {"p": pattern, "error": True}
    answers = []
    for text in texts:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        try:
            matched = compiled.match(text) is not None
        except Slow:
            continue
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        answers.append([text, matched])
    return {"p": pattern, "t": answers}


def main():
    signal.signal(signal.SIGALRM, on_alarm)
    seed, count = (int(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) > 2 else (1, 600)
    rng = random.Random(seed)
    out = []
    if len(sys.argv) == 1:
        out += [case(p, TEXTS if len(p) < 7 else TEXTS[::3]) for p in PATTERNS]
    while count > 0:
        prefix = rng.choice(["", "", "", "(?i)", "(?s)", "(?m)", "(?a)", "(?im)"])
        pattern = prefix + random_pattern(rng, 3)
        answer = case(pattern, rng.sample(TEXTS, 4) + [random_text(rng) for _ in range(8)])
        if "error" in answer and rng.random() < 0.8:
            continue
        out.append(answer)
        count -= 1
    # Half a surrogate pair has no UTF-8; no case has one but escaped, in a pattern.
    sys.stdout.write("[\n" + ",\n".join(json.dumps(c, ensure_ascii=False, separators=(",", ":")) for c in out) + "\n]\n")


main()
