#!/usr/bin/env python3
"""National-scale losses in a folder of update files, from the raw elements.

A prefix goes dark when fewer than 10 % of the ASNs that carried it in the hour
before still do, and at least --peers (20) carried it; it is dark until 10 % of
those carry it again. An ASN carried it in the hour before when it carries it
now or withdrew it less than 3,600 s ago; a first word that is a withdrawal
proves that it was carried until then. A prefix that never comes back in the
record is left out unless --gone is given: most are re-aggregations.

A country's event is a run of at least 180 s with at least 4 and at least
--floor (3 %) of its known prefixes dark. Known: named in the record at all.
Countries by address block (ipverse, "ip") or by the origin announced most
often (CAIDA as2org, "as"). Column "class":

  low   at least 3 %, 8 prefixes and 3 origins dark at the worst second
  high  at least 30 % and 8 prefixes (under 16 known: 90 %, 3 prefixes)
  -     neither; "one" added when one origin is 90 % of the loss

Prints CSV: reading, country, first withdrawal, start, worst, end, dark, known,
share, class, origins.
"""

import argparse
import collections
import csv
import sys

import check_incidents
import country
import elems
import history

stamp = check_incidents.stamp


def darkness(lines, peers, memory=3600):
    """Dark spans (first withdrawal, dark from, dark until or None) of a prefix.

    First withdrawal: the earliest less than 300 s before it went dark, of the
    ASNs that have it withdrawn then.
    """
    changes = sorted((when, asn, up) for asn, line in lines.items()
                     for when, up in line)
    up_now, left = set(), {}
    spans, frozen, first, since = [], None, None, None
    for when, asn, up in changes:
        if up is None:
            continue
        if up:
            up_now.add(asn)
            left.pop(asn, None)
            if frozen and len(up_now & frozen) >= 0.1 * len(frozen):
                spans.append((first, since, when))
                frozen = None
        else:
            up_now.discard(asn)
            left[asn] = when
            if frozen:
                continue
            recent = {a for a, t in left.items() if when - t <= memory}
            had = len(up_now) + len(recent)
            if had >= peers and len(up_now) < 0.1 * had:
                frozen, since = up_now | recent, when
                first = min(t for t in left.values() if when - t <= 300)
    if frozen:
        spans.append((first, since, None))
    return spans


def runs(spans, known, floor, end, least=180):
    """Events of one country: (first withdrawal, start, worst, end, members).

    spans: (prefix, first, from, until). members: those dark at the worst second.
    """
    edges = sorted([(a, 1, s) for s in spans for a in [s[2]]]
                   + [(s[3] if s[3] is not None else end, 0, s) for s in spans])
    need = max(4, floor * known)
    dark, start, found = {}, None, []
    for when, begins, s in edges:
        if begins:
            dark[s[0]] = s
        else:
            dark.pop(s[0], None)
        if len(dark) >= need:
            if start is None:
                start, early, worst = when, list(dark.values()), {}
            elif begins and when <= start + 60:
                early.append(s)
            if len(dark) > len(worst):
                worst, worst_at = dict(dark), when
        elif start is not None:
            if when - start >= least:
                first = [e[1] for e in early if e[2] >= start - 300]
                found.append((min(first, default=start), start, worst_at, when,
                              sorted(worst)))
            start = None
    if start is not None and end - start >= least:
        found.append((min(e[1] for e in early), start, worst_at, end, sorted(worst)))
    return found


def grade(dark, known, origins):
    """Which branch of the country floor a loss reaches."""
    share = dark / known
    if share >= 0.3 and dark >= 8 or known < 16 and share >= 0.9 and dark >= 3:
        name = "high"
    elif share >= 0.03 and dark >= 8 and len(origins) >= 3:
        name = "low"
    else:
        name = "-"
    return name + (" one" if max(origins.values()) >= 0.9 * dark else "")


def main():
    ap = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("updates", help="folder of MRT update files")
    ap.add_argument("reference", help="folder with ipverse and as2org tables")
    ap.add_argument("--as2org", default="20080402")
    ap.add_argument("--peers", type=int, default=20)
    ap.add_argument("--floor", type=float, default=0.03)
    ap.add_argument("--gone", action="store_true",
                    help="count prefixes that never come back")
    args = ap.parse_args()

    blocks = country.Blocks(country.reference(args.reference, "ipverse", ".tar.gz"))
    home = country.as_countries(country.reference(
        args.reference, args.as2org, "as-org2info.jsonl.gz"))
    past = history.History().read(elems.Reader(elems.update_files(args.updates)))

    known = collections.Counter()
    spans = collections.defaultdict(list)
    origin = {}
    for n, prefix in enumerate(past.said, 1):
        text = prefix.decode()
        origin[text] = past.main_origin(prefix)
        of = [("ip", blocks.country(text)), ("as", home.get(origin[text]))]
        known.update(key for key in of if key[1])
        if len(past.said[prefix]) >= args.peers * history.EVENT_SIZE:
            for first, a, b in darkness(past.timelines(prefix), args.peers):
                if b is not None or args.gone:
                    for key in of:
                        spans[key].append((text, first, a, b))
        if n % 25000 == 0:
            print(f"{n}/{len(past.said)} prefixes", file=sys.stderr, flush=True)

    rows = []
    for key, list_ in spans.items():
        if not key[1]:
            continue
        for first, start, worst, end, members in runs(
                list_, known[key], args.floor, past.last + 1):
            origins = collections.Counter(origin[p] for p in members)
            rows.append([*key, stamp(first), stamp(start), stamp(worst), stamp(end),
                         len(members), known[key],
                         f"{len(members) / known[key]:.4f}",
                         grade(len(members), known[key], origins),
                         " ".join(f"AS{a}:{c}" for a, c in origins.most_common(6))])
    rows.sort(key=lambda r: (r[0], -r[6], r[3], r[1]))
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["reading", "country", "first_withdrawal", "start", "worst", "end",
                  "dark", "known", "share", "class", "origins"])
    out.writerows(rows)


if __name__ == "__main__":
    main()
