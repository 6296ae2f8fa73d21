"""What every peer said about a prefix, and which ASNs carried it when.

A peer's cell is up after an announcement and down after a withdrawal. Before
its first word it is unknown, except that a first word which is a withdrawal
proves it was up: a peer withdraws only what it had. An ASN with several
sessions carries a prefix while any of them does: one vote per ASN.
"""

import struct
import sys

import elems

_EVENT = struct.Struct("=IiB")  # time, origin AS, session | 128 for a withdrawal
EVENT_SIZE = _EVENT.size


class History:
    """Every elem of the wanted prefixes (all of them when wanted is None).

    Memory: 9 bytes an elem, plus about 200 bytes a prefix.
    """

    def __init__(self, wanted=None):
        self.wanted = wanted  # set of prefixes as bytes
        self.sessions = []    # (AS, address), in order of appearance
        self.said = {}        # prefix -> packed events in order of the feed
        self.first = self.last = None

    def read(self, reader):
        index, said, wanted = {}, self.said, self.wanted
        pack, origin = _EVENT.pack, elems.origin
        t = None
        for f in reader.fields():
            t = f[1]
            if self.first is None:
                self.first = int(t)
            key = f[3], f[4]
            session = index.get(key)
            if session is None:
                session = index[key] = len(index)
                if session > 127:
                    sys.exit("more than 128 sessions: widen _EVENT")
                self.sessions.append((int(f[4]), f[3].decode()))
            prefix = f[5]
            if (wanted is not None and prefix not in wanted) or b":" in prefix:
                continue
            events = said.get(prefix)
            if events is None:
                events = said[prefix] = bytearray()
            if f[2] == b"A":
                path = f[6] if len(f) > 6 else b""
                events += pack(int(t), origin(path), session)
            else:
                events += pack(int(t), 0, session | 128)
        if t is None:
            sys.exit("the files hold no elem")
        self.last = int(t)
        return self

    @property
    def asns(self):
        return sorted({asn for asn, _ in self.sessions})

    def events(self, prefix):
        """(time, session, announced, origin) of a prefix, as they came."""
        for t, origin, s in _EVENT.iter_unpack(self.said.get(prefix, b"")):
            yield t, s & 127, s < 128, origin

    def main_origin(self, prefix):
        """The origin AS announced most often; 0 when only withdrawals were
        seen, -1 when the commonest origin is an AS_SET."""
        count = {}
        for _, _, announced, origin in self.events(prefix):
            if announced:
                count[origin] = count.get(origin, 0) + 1
        return max(sorted(count), key=count.get) if count else 0

    def timelines(self, prefix):
        """ASN -> [(time, up)]: its changes about the prefix in order of time.

        The first entry is the state at time 0: True when the ASN's first word
        was a withdrawal, None when nothing is known of it by then. An ASN that
        never named the prefix is absent.
        """
        events = list(self.events(prefix))
        state = {}
        for _, session, announced, _ in events:
            state.setdefault(session, None if announced else True)
        mine = {}
        for session in state:
            mine.setdefault(self.sessions[session][0], []).append(session)

        def up(asn):
            known = [state[s] for s in mine[asn] if state[s] is not None]
            return any(known) if known else None

        line = {asn: [(0, up(asn))] for asn in mine}
        for t, session, announced, _ in events:
            state[session] = announced
            asn = self.sessions[session][0]
            now = up(asn)
            if line[asn][-1][1] != now:
                line[asn].append((t, now))
        return line


def at(line, t):
    """State of one ASN's timeline after everything said up to second t."""
    now = None
    for when, up in line:
        if when > t:
            break
        now = up
    return now
