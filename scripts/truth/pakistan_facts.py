#!/usr/bin/env python3
"""Measured facts of the Pakistan outage of 2008-02-21, from the raw elements.

Writes into the folder --out:
  lost.csv      prefix,origin,peer_as,lost_at,back_at: one row for every span in
                which an ASN that had carried a lost prefix did not, within the
                window; back_at is empty when it was still gone at its end, and
                lost_at when it was gone already at its beginning. A pair
                with path exploration has several rows.
  prefixes.csv  prefix,origin,status,reading,carried,gone,lost_from,lost_until:
                every Pakistani prefix of the feed; status lost, touched or
                steady; carried at --start; the most of them gone at one second
  peers.csv     peer_as,address,prefixes: sessions; how many prefixes of the
                whole feed the ASN named in the record
  scenario.txt  the same facts as named groups and timed lines
and prints the statistics.

Pakistani: the address block is Pakistan's (ipverse) or the origin announced
most often is a Pakistani organisation's (CAIDA as2org).
Lost: for at least --hold (60) seconds on end, at least --share (0.5) of the
ASNs that carried the prefix at --start do not, and at least --peers (10)
carried it. Dark: at some second 90 % of them do not.
Touched: not lost, but some ASN changed its mind about it in the window.
"""

import argparse
import collections
import csv
import ipaddress
import os
import sys

import check_incidents
import country
import elems
import history
import scenario_text

seconds, stamp = check_incidents.seconds, check_incidents.stamp


def spans(line, start, end):
    """Down spans (lost_at, back_at) of a timeline that meet [start, end).

    None for an end that lies outside of the window.
    """
    found = []
    for i, (when, up) in enumerate(line):
        after = line[i + 1][0] if i + 1 < len(line) else None
        if up is not False or (after is not None and after < start) or when >= end:
            continue
        found.append((when if when >= start else None,
                      after if after is not None and after < end else None))
    return found


def lost_span(lines, start, end, share):
    """Longest span in [start, end) with at least share of the ASNs gone.

    (from, until, most gone), where until may be end; (None, None, most) when
    there is no such span.
    """
    changes = sorted((when, asn, up) for asn, line in lines.items()
                     for when, up in line if start <= when < end)
    gone = {asn for asn, line in lines.items()
            if history.at(line, start - 1) is False}
    best, since, most = (None, None), None, 0
    for i, (when, asn, up) in enumerate(changes):
        (gone.discard if up else gone.add)(asn)
        if i + 1 < len(changes) and changes[i + 1][0] == when:
            continue  # the state of a second is what it ends with
        most = max(most, len(gone))
        if len(gone) >= share * len(lines):
            since = when if since is None else since
        elif since is not None:
            if best[0] is None or when - since > best[1] - best[0]:
                best = since, when
            since = None
    if since is not None and (best[0] is None or end - since > best[1] - best[0]):
        best = since, end
    return best + (most,)


def classify(past, prefixes, args):
    """prefix -> (status, carried, most gone, lost from, lost until), and the
    timelines of the lost ones."""
    start, end = seconds(args.start), seconds(args.end)
    status, lost = {}, {}
    for prefix in prefixes:
        every = past.timelines(prefix)
        lines = {a: line for a, line in every.items()
                 if history.at(line, start - 1)}
        since, until, most = lost_span(lines, start, end, args.share)
        if (len(lines) >= args.peers and since is not None
                and until - since >= args.hold):
            status[prefix] = "lost", len(lines), most, since, until
            lost[prefix] = lines
        else:
            moved = any(start <= when < end for line in every.values()
                        for when, _ in line[1:])
            status[prefix] = ("touched" if moved else "steady", len(lines), most,
                              None, None)
    return status, lost


def statistics(past, rows, status, origin, args):
    """Prints what the reconstruction must reproduce."""
    count = collections.Counter(s[0] for s in status.values())
    lost = {p for p, s in status.items() if s[0] == "lost"}
    dark = [p for p in lost if status[p][2] >= 0.9 * status[p][1]]
    print(f"sessions {len(past.sessions)}, ASNs {len(past.asns)}")
    print(f"Pakistani prefixes {len(status)}: lost {count['lost']} (dark at some"
          f" second: {len(dark)}), touched {count['touched']},"
          f" steady {count['steady']}")
    pairs = {(p, a) for p, _, a, _, _ in rows}
    print(f"rows {len(rows)}, pairs {len(pairs)}, prefixes"
          f" {len({r[0] for r in rows})}, origins {len({r[1] for r in rows})},"
          f" ASNs {len({r[2] for r in rows})}")
    first = sorted({(r[3], r[2]) for r in rows if r[3]})[:5]
    print("first losses " + ", ".join(f"{stamp(t)[11:19]} AS{a}" for t, a in first))
    for name, of in (("lost", lost), ("dark", dark),
                     ("all Pakistani", status)):
        by = collections.Counter(origin[p] for p in of)
        print(f"{name} by origin: " + " ".join(
            f"AS{a}:{n}" for a, n in sorted(by.items(), key=lambda x: (-x[1], x[0]))))
    edges = collections.Counter()
    for p in lost:
        edges[status[p][3]] += 1
        edges[status[p][4]] -= 1
    level, levels = 0, {}
    for t in sorted(edges):
        level += edges[t]
        levels[t // 60] = level
    print("lost prefixes at the end of the minute: " + " ".join(
        f"{stamp(m * 60)[11:16]}={n}" for m, n in sorted(levels.items())))
    for name, column in (("losses", 3), ("returns", 4)):
        by = collections.Counter(r[column] // 60 for r in rows if r[column])
        print(f"{name} per minute: " + " ".join(
            f"{stamp(m * 60)[11:16]}={n}" for m, n in sorted(by.items())))


def main():
    ap = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("updates", help="folder of MRT update files")
    ap.add_argument("reference", help="folder with ipverse and as2org tables")
    ap.add_argument("--out", required=True)
    ap.add_argument("--start", default="2008-02-21T03:17:00Z")
    ap.add_argument("--end", default="2008-02-21T05:46:00Z")
    ap.add_argument("--share", type=float, default=0.5)
    ap.add_argument("--hold", type=int, default=60)
    ap.add_argument("--peers", type=int, default=10)
    ap.add_argument("--country", default="PK")
    ap.add_argument("--as2org", default="20080402")
    ap.add_argument("--step", type=int, default=1,
                    help="seconds of resolution of scenario.txt")
    args = ap.parse_args()

    blocks = country.Blocks(country.reference(args.reference, "ipverse", ".tar.gz"))
    home = country.as_countries(country.reference(
        args.reference, args.as2org, "as-org2info.jsonl.gz"))
    past = history.History().read(elems.Reader(elems.update_files(args.updates)))

    origin, reading, named = {}, {}, collections.Counter()
    for raw in past.said:
        for asn in {past.sessions[s][0] for _, s, _, _ in past.events(raw)}:
            named[asn] += 1
        prefix = raw.decode()
        by_ip = blocks.country(prefix) == args.country
        main_origin = past.main_origin(raw)
        by_as = home.get(main_origin) == args.country
        if by_ip or by_as:
            origin[prefix] = main_origin
            reading[prefix] = "both" if by_ip and by_as else "ip" if by_ip else "as"

    order = sorted(origin, key=ipaddress.ip_network)
    raw_status, lost = classify(past, [p.encode() for p in order], args)
    status = {p.decode(): s for p, s in raw_status.items()}
    start, end = seconds(args.start), seconds(args.end)
    rows = [(p.decode(), origin[p.decode()], asn, a, b)
            for p, lines in lost.items() for asn in sorted(lines)
            for a, b in spans(lines[asn], start, end)]

    os.makedirs(args.out, exist_ok=True)

    def table(name, head, body):
        with open(os.path.join(args.out, name), "w", encoding="utf-8",
                  newline="") as f:
            out = csv.writer(f, lineterminator="\n")
            out.writerow(head)
            out.writerows(body)

    table("lost.csv", ["prefix", "origin", "peer_as", "lost_at", "back_at"],
          ([p, o, a, stamp(x) if x else "", stamp(y) if y else ""]
           for p, o, a, x, y in rows))
    table("prefixes.csv", ["prefix", "origin", "status", "reading", "carried", "gone",
                            "lost_from", "lost_until"],
          ([p, origin[p], status[p][0], reading[p], status[p][1], status[p][2]]
           + [stamp(t) if t else "" for t in status[p][3:]] for p in order))
    table("peers.csv", ["peer_as", "address", "prefixes"],
          ([a, ip, named[a]] for a, ip in sorted(past.sessions)))
    with open(os.path.join(args.out, "scenario.txt"), "w", encoding="utf-8") as f:
        carried = {p.decode(): sorted(lines) for p, lines in lost.items()}
        f.write(scenario_text.render(rows, carried, args.step))
    statistics(past, rows, status, origin, args)


if __name__ == "__main__":
    sys.exit(main())
