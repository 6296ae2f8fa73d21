"""Compact text of which ASN lost and regained which prefix, and when.

  day YYYY-MM-DD
  peers NAME AS...
  prefixes NAME [ORIGIN] PREFIX-OR-NAME...
  start have PEERS PREFIXES
  HH:MM:SS withdraw|announce PEERS PREFIXES

PEERS and PREFIXES are comma lists of names, or of plain ASNs. Every line holds
for each pair of its peers and its prefixes; a line without a time is of the
time of the line before. Times are the steps in which the change was seen; a
pair that changed and changed back within one step is left out, so the state
after every step is exact.
"""

import collections
import ipaddress
import itertools
import time


def changes(rows, step):
    """(time, verb, prefix, asn) for rows of lost.csv with times in seconds."""
    spans = collections.defaultdict(list)
    for prefix, _, asn, lost, back in rows:
        a = None if lost is None else lost // step * step
        b = None if back is None else back // step * step
        if a is None or a != b:
            spans[prefix, asn].append([a, b])
    found = []
    for (prefix, asn), list_ in spans.items():
        list_.sort(key=lambda s: (s[0] is not None, s[0] or 0))
        merged = [list_[0]]
        for a, b in list_[1:]:
            if merged[-1][1] is not None and a == merged[-1][1]:
                merged[-1][1] = b  # back and lost again within one step
            else:
                merged.append([a, b])
        for a, b in merged:
            if a is not None:
                found.append((a, "withdraw", prefix, asn))
            if b is not None:
                found.append((b, "announce", prefix, asn))
    return sorted(found)


def rectangles(pairs):
    """Splits a set of (prefix, asn) into (prefixes, asns) blocks: the fewer of
    the blocks by equal prefixes and the blocks by equal ASNs."""
    def group(pairs, key, value):
        sets = collections.defaultdict(set)
        for pair in pairs:
            sets[pair[key]].add(pair[value])
        same = collections.defaultdict(set)
        for k, members in sets.items():
            same[frozenset(members)].add(k)
        return same
    by_asn = [(p, frozenset(a)) for p, a in group(pairs, 1, 0).items()]
    by_prefix = [(frozenset(p), a) for a, p in group(pairs, 0, 1).items()]
    return min(by_asn, by_prefix, key=len)


def pairing(sets, least=5):
    """Names pairs of members that often occur together, over and over.

    sets: frozenset -> how often it is written. Returns the spelling of each
    set and the definitions (name -> members) in order, each used twice or more.
    """
    spelled = {members: set(members) for members in sets}
    made, number = {}, max(int(m[1:]) for s in sets for m in s)
    while True:
        together = collections.Counter()
        for members, names in spelled.items():
            for pair in itertools.combinations(sorted(names), 2):
                together[pair] += sets[members]
        if not together:
            break
        pair, times = max(together.items(), key=lambda x: (x[1], x[0]))
        if times < least:
            break
        number += 1
        made[f"g{number}"] = pair
        for names in spelled.values():
            if names.issuperset(pair):
                names -= set(pair)
                names.add(f"g{number}")

    used = collections.Counter(m for pair in made.values() for m in pair)
    for members, names in spelled.items():
        for name in names:
            used[name] += sets[members]

    def unfold(names):
        for name in names:
            if name in made and used[name] < 2:
                yield from unfold(made[name])
            else:
                yield name

    def order(names):
        return sorted(unfold(names), key=lambda n: int(n[1:]))

    return ({members: order(names) for members, names in spelled.items()},
            {name: order(pair) for name, pair in made.items() if used[name] > 1})


def render(rows, carried, step=1):
    """The scenario text.

    rows: those of lost.csv, times in epoch seconds or None.
    carried: prefix -> ASNs that had it at the start.
    """
    origin = {r[0]: r[1] for r in rows}
    done = changes(rows, step)
    if not done:
        return "# nothing was lost\n"
    history = collections.defaultdict(list)
    for t, verb, prefix, asn in done:
        history[prefix].append((t, verb, asn))
    alike = collections.defaultdict(list)  # prefixes that shared every change
    for prefix in sorted(carried, key=ipaddress.ip_network):
        alike[origin.get(prefix, 0), tuple(carried[prefix]),
              tuple(history[prefix])].append(prefix)
    atom, text = {}, []
    for n, (key, prefixes) in enumerate(sorted(alike.items()), 1):
        text.append(f"prefixes g{n} AS{key[0]} {' '.join(prefixes)}")
        atom.update((prefix, f"g{n}") for prefix in prefixes)

    steps = collections.defaultdict(set)
    for t, verb, prefix, asn in done:
        steps[t, verb].add((atom[prefix], asn))
    had = {(atom[p], a) for p, asns in carried.items() for a in asns}
    blocks = [(None, "have", p, a) for p, a in rectangles(had)]
    for (t, verb), pairs in sorted(steps.items()):
        blocks += [(t, verb, p, a) for p, a in rectangles(pairs)]
    blocks.sort(key=lambda b: (b[0] or 0, b[1], sorted(b[3]), sorted(b[2])))

    spelling, named = pairing(collections.Counter(b[2] for b in blocks))
    text += [f"prefixes {n} {' '.join(names)}" for n, names in named.items()]
    peers, out = {}, []
    times = collections.Counter(b[3] for b in blocks)
    for asns in sorted(times, key=lambda s: (len(s), sorted(s))):
        plain = [f"AS{a}" for a in sorted(asns)]
        peers[asns] = ",".join(plain)
        if (len(peers[asns]) - 3) * (times[asns] - 1) > 15:
            peers[asns] = f"p{len(out) + 1}"
            out.append(f"peers {peers[asns]} {' '.join(plain)}")

    out = [f"# the state after every {step} s is exact for every pair",
           "day " + time.strftime("%Y-%m-%d", time.gmtime(done[0][0]))] + out + text
    before = ""
    for t, verb, prefixes, asns in blocks:
        when = "start" if t is None else time.strftime("%H:%M:%S", time.gmtime(t))
        out.append(f"{when if when != before else ''} {verb} {peers[asns]} "
                   f"{','.join(spelling[prefixes])}")
        before = when
    return "\n".join(out) + "\n"
