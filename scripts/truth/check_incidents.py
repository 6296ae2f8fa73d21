#!/usr/bin/env python3
"""Checks reported country outages against the raw elements.

For every confirmed country incident, and every prefix the detector lists as
lost at the incident's peak, the ASNs that carried the prefix just before it
was lost are looked up in the update files, and how many of them have it
withdrawn at the peak. Nothing but the incident's times and the list of its
prefixes is taken from the detector.

  carried    the ASN had the prefix announced at the earlier of the incident's
             start and the prefix's own first withdrawal, less one second: it
             had announced it and not withdrawn it, or its first word about it
             in the whole record, after that moment, was a withdrawal
  withdrawn  of those, the ASNs on none of whose sessions it is announced after
             the last elem of the second of the peak
  share      withdrawn / carried, over all (ASN, prefix) pairs of the incident
             pooled; the median and mean are over its prefixes

An incident passes when its pooled share is at least --pass (0.80). The column
"strict" is the pooled share over every ASN of the feed not known to be without
the prefix before: one that never named it counts as carrying it, undisturbed,
and one whose first word came later as having carried it. A lower bound.
"""

import argparse
import calendar
import csv
import json
import statistics
import sys
import time

import elems
import history


def seconds(text):
    """Epoch seconds of a UTC time such as 2008-02-21T03:20:02Z."""
    text = text.strip().rstrip("Z").split(".")[0].replace(" ", "T")
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%S"))


def stamp(t):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t))


def read_incidents(path):
    """The last revision of each confirmed country outage, in order of start."""
    last = {}
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            if not line.strip():
                continue
            try:
                incident = json.loads(line)
            except ValueError as err:
                sys.exit(f"{path}:{number}: not JSON: {err}")
            old = last.get(incident["id"])
            if old is None or incident.get("revision", 0) >= old.get("revision", 0):
                last[incident["id"]] = incident
    chosen = []
    for incident in last.values():
        confirmed = "confirmed_at" in incident or incident["state"] == "confirmed"
        if (incident["entity"]["type"] == "country" and confirmed
                and incident["state"] != "retracted"
                and incident.get("kind", "outage") == "outage"):
            if not all(incident.get(k, {}).get("time") for k in ("start", "peak")):
                sys.exit(f"{path}: incident {incident['id']} has no start.time"
                         " or peak.time")
            chosen.append(incident)
    return sorted(chosen, key=lambda i: (i["start"]["time"], i["id"]))


def read_members(path):
    """Incident id -> rows (prefix, lost_at, first_withdrawal, returned_at).

    The file is one or more members.csv of evidence bundles, one after the
    other, each with its header line.
    """
    members, columns = {}, None
    with open(path, encoding="utf-8", newline="") as f:
        for number, row in enumerate(csv.reader(f), 1):
            if not row or row[0].startswith("#"):
                continue
            if row[0] == "incident":
                columns = {name: i for i, name in enumerate(row)}
                continue
            if columns is None or len(row) != len(columns):
                sys.exit(f"{path}:{number}: not a row of a members.csv")
            cell = {name: row[i].strip() for name, i in columns.items()}
            lost = seconds(cell["lost_at"])
            members.setdefault(cell["incident"], []).append((
                cell["prefix"].encode(), lost,
                seconds(cell["first_withdrawal"]) if cell["first_withdrawal"] else lost,
                seconds(cell["back_at"]) if cell["back_at"] else None))
    return members


def check(incident, rows, past):
    """The figures of one incident."""
    start = incident["start"]
    began = seconds(start.get("earliest", start["time"]))
    peak = seconds(incident["peak"]["time"])
    shares, carried, withdrawn, presumed, presumed_gone = [], 0, 0, 0, 0
    not_lost = unknown = 0
    seen, asns = set(), past.asns
    for prefix, lost_at, first, returned in rows:
        if lost_at > peak or (returned is not None and returned <= peak):
            not_lost += 1
            continue
        if prefix in seen:
            continue
        seen.add(prefix)
        lines = past.timelines(prefix)
        before = min(began, first) - 1
        had = [a for a, line in lines.items() if history.at(line, before)]
        gone = sum(history.at(lines[a], peak) is False for a in had)
        if not had:
            unknown += 1
            continue
        shares.append(gone / len(had))
        carried += len(had)
        withdrawn += gone
        without = [a for a, line in lines.items()
                   if history.at(line, before) is False]
        presumed += len(asns) - len(without)
        presumed_gone += sum(history.at(line, peak) is False
                             for a, line in lines.items() if a not in without)
    return {"began": began, "peak": peak, "shares": shares, "carried": carried,
            "withdrawn": withdrawn, "presumed": presumed,
            "presumed_gone": presumed_gone, "not_lost": not_lost,
            "unknown": unknown}


def main():
    ap = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("incidents", help="incident JSON lines")
    ap.add_argument("members", help="CSV: incident, prefix, lost_at,"
                    " first_withdrawal, origin, returned_at")
    ap.add_argument("updates", help="folder of MRT update files")
    ap.add_argument("--pass", dest="needed", type=float, default=0.80,
                    metavar="SHARE")
    args = ap.parse_args()

    incidents = read_incidents(args.incidents)
    members = read_members(args.members)
    if not incidents:
        sys.exit(f"{args.incidents}: no confirmed country outage in it")
    wanted = {row[0] for i in incidents for row in members.get(i["id"], [])}
    print(f"{len(incidents)} incidents, {len(wanted)} prefixes", file=sys.stderr)
    past = history.History(wanted)
    past.read(elems.Reader(elems.update_files(args.updates)))

    print(f"{'incident':34} {'start':20} {'peak':20} {'prefixes':>8} {'pairs':>6}"
          f" {'gone':>6} {'share':>7} {'median':>7} {'mean':>7} {'strict':>7}")
    passed = 0
    for incident in incidents:
        r = check(incident, members.get(incident["id"], []), past)
        if not r["shares"]:
            print(f"{incident['id']:34} {stamp(r['began']):20} {stamp(r['peak']):20}"
                  f" {0:8}  nothing to check: {r['not_lost']} prefixes not lost at"
                  f" the peak, {r['unknown']} that no ASN carried  FAIL")
            continue
        share = r["withdrawn"] / r["carried"]
        good = share >= args.needed
        passed += good
        notes = []
        if r["not_lost"]:
            notes.append(f"{r['not_lost']} rows not lost at the peak")
        if r["unknown"]:
            notes.append(f"{r['unknown']} prefixes no ASN carried")
        print(f"{incident['id']:34} {stamp(r['began']):20} {stamp(r['peak']):20}"
              f" {len(r['shares']):8} {r['carried']:6} {r['withdrawn']:6}"
              f" {share:7.1%} {statistics.median(r['shares']):7.1%}"
              f" {statistics.mean(r['shares']):7.1%}"
              f" {r['presumed_gone'] / r['presumed']:7.1%}"
              f"  {'pass' if good else 'FAIL'}"
              + (f"  ({'; '.join(notes)})" if notes else ""))
    print(f"{passed} of {len(incidents)} incidents pass"
          f" ({passed / len(incidents):.1%}): at least {args.needed:.0%} of the"
          " (ASN, prefix) pairs carried before the loss were withdrawn at the peak")
    return 0 if passed == len(incidents) else 1


if __name__ == "__main__":
    sys.exit(main())
