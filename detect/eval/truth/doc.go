// Package truth derives from recorded BGP messages what was unreachable, and when: the yardstick for the detector and its rivals.
// It shares no code with them. It reads UPDATE bytes itself, knows nothing of expected peers or of peer
// health, and may look at the whole record before it judges any moment of it, which a detector never can. It imports the standard
// library and bgp/mrt, and of the latter only the framing of records.
//
// # Definition
//
// A prefix is dark while fewer than 10 % of the ASNs that carried it in the hour before still do. Its start is the withdrawal with
// which it last fell under 90 % before it was dark. An entity (a country, or the network of an origin AS; IPv4 and IPv6 apart) has
// an event while at least 4 of its prefixes, and at least its floor (3 % of a country's prefixes, 5 % of a network's), are dark,
// without a break for at least 3 minutes.
//
// # What the definition leaves open, and how it is read here
//
// Cells. A session's word about a prefix holds until its next: announced (up), withdrawn (down). Before its first word, and
// again after the session was lost, the cell is unknown. An ASN is up for a prefix while any of its sessions is, else down if any
// is, else unknown. Messages the collector sent itself are not a peer's word. Table entries (RIB) are announcements.
//
// Carried in the hour before, in a record that begins without a table: an ASN carried the prefix at t when it is up at t, or
// became down less than 3,600 s before t. A first word that is a withdrawal proves that the session carried the prefix from the
// beginning of the record, since a peer withdraws only what it had; a first word that is an announcement proves nothing about the
// time before it. The proof is not accepted from a session more than one in twenty of whose withdrawals (of at least 1,000) repeat
// an earlier one, nor when the session was lost before that first word. An unknown ASN is in neither count.
//
// How many must have carried it: at least 5 ASNs, and at least two thirds of the ASNs that feed a table of the family. An ASN
// feeds one when it names, in the whole record, at least half as many prefixes of the family as the median ASN that names any.
// With fewer known carriers a prefix is not judged and cannot be dark: ASNs that kept silent may still carry it.
//
// Dark, and back. When a prefix becomes dark, the ASNs that carried it in the hour before are fixed. It is back when 10 % of these
// carry it again. An ASN of them that becomes unknown leaves; when fewer than 5 are left the prefix is no longer judged: not dark,
// and not back either.
//
// Its start. At 90 % means that the ASNs up are at least 90 % of those that carried it in the hour before. With 40 ASNs the
// start is the fifth withdrawal, with 9 or fewer the first. A prefix that becomes dark again without having been at 90 % in
// between keeps its first start.
//
// Lost sessions must not make the world dark. A session is lost when its collector records that it left, or came to, Established:
// all its cells become unknown. It has lost its table when it withdraws, in one minute of the clock, at least 1,000 prefixes and
// at least 10 % of all it ever names, in the whole record, of those it had not withdrawn already: its cells become unknown when the
// minute before that one begins, and until the minute after it ends what it withdraws becomes unknown, not down. No event in the
// world takes a tenth of a table in a minute; if one did, this would not see it.
//
// Entities. A prefix belongs, for the whole record, to the origin AS announced most often for it (the first four origins named
// are counted; the smaller number on a tie; 0, no network, when none was), and to the country that the caller's function gives for
// the prefix and that origin. The denominator is the number of prefixes of the entity that anybody names in the record at any
// time. Counting only those named so far would call 19 of 42 prefixes a national outage of a country with a thousand, in the
// first hour of a record without a table.
//
// Gone is not dark for ever. A prefix that has been dark for an hour, while its entity has no run, leaves the entity's count until
// it has been back: else prefixes given up one by one would add up to an outage. Inside a run it stays, and leaves with its end.
//
// Run and event. A run begins when the floor is reached (Begin) and ends when the entity has been under it for 3 minutes (End is
// the beginning of these). It is an event when some stretch of it without any break lasted 3 minutes. Start is the moment at which
// as many of the prefixes dark at Begin as the floor asks for had begun to fall. First is the earliest start of these
// prefixes that is at most 300 s before Start. Recovered is when 90 % of all prefixes that were dark in the run were back, and
// stayed so for 3 minutes: it may lie after End. It is not known when the record ends, or the next run begins, before that.
//
// Not considered, in what is an event: whether a dark prefix lies under a live less specific one, for how long it was there, how many
// addresses it has, and whether it ever comes back. They decide whether anyone was cut off and none decides whether the prefix was
// withdrawn.
//
// Floors. An event says beside that which floors that a method may publish it reached, and which it held for 3 minutes: of the dark
// prefixes neither covered nor young count. Covered: most of the known carriers of a less specific prefix of the same origin, at least
// one, still carry that one; of a block from which nothing was withdrawn more is seldom known. Young: the record did not name the prefix
// an hour before it was dark, and was an hour old by then; what comes for minutes and goes was not lost. Blocks are /24 (IPv4) and /48,
// each counted for the lowest prefix of the record that covers it. It is looked at when the dark prefixes have changed, at the end of
// that second.
//
// Records with ADD-PATH path identifiers are counted and not read. An announcement with a malformed attribute is believed as long
// as the lengths add up; RFC 7606 is not applied.
package truth

// The numbers of the definition. Times in microseconds.
const (
	second = int64(1e6)

	memory      = 3600 * second // "the hour before", and when a dark prefix outside a run is gone
	hold        = 180 * second  // the shortest event, the shortest break between two, and how long a recovery must hold
	firstWindow = 300 * second  // how far First may precede Start

	minCarriers = 5 // known carriers of a prefix, at least
	minPrefixes = 4 // dark prefixes of an entity, at least

	countryFloor = 3 // percent of the entity's prefixes
	networkFloor = 5

	lossPrefixes = 1000 // withdrawals in a minute that are a lost table, when they are
	lossPercent  = 10   // this share of what the session ever names

	repeatMin     = 1000 // withdrawals before a session is judged for repeating itself
	repeatPercent = 5    // more than this: its first-word withdrawals prove nothing

	// Bounds against hostile input: the memory of a derivation is about prefixes × (sessions + 4 × ASNs) bytes.
	maxPrefixes = 4_000_000
	maxSessions = 2048
	maxOrigins  = 4 // counted per prefix
)
