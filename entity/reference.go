package entity

// Quality says how far a reference table may be trusted. The list is open.
type Quality string

const (
	// QualityRegistry marks a table built from the registries' own files of a stated day.
	QualityRegistry Quality = "registry"
	// QualityProvisional marks the built-in table: good enough to start with, from a republisher who warns of errors in it.
	QualityProvisional Quality = "provisional"
	// QualityOperator marks what the person running corewatch supplied: overrides, regions and zones.
	QualityOperator Quality = "operator"
	// QualityResearch marks a research data set that infers rather than records, such as CAIDA's AS to organisation mapping.
	QualityResearch Quality = "research"
)

// Reference identifies a reference table exactly: the entry of an incident's "references". How far its vintage is from the
// event ("vintage_gap_days") belongs to the incident, not to the table: see Day.GapDays.
type Reference struct {
	Name    string  `json:"name"`              // "nro-delegated", "caida-as2org", "overrides", "regions"
	Vintage string  `json:"vintage,omitempty"` // the day whose state it shows, YYYY-MM-DD; of several files the oldest; absent when the file says none
	SHA256  string  `json:"sha256"`            // lower-case hex of the file as stored; of several files see reference.Digest
	Quality Quality `json:"quality,omitempty"`
}

// Day is the vintage as a Day, zero when absent or not a date.
func (r Reference) Day() Day {
	d, err := ParseDay(r.Vintage)
	if err != nil {
		return 0
	}
	return d
}
