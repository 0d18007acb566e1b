package main

import "strings"

// config is one run of the model.
type config struct {
	defines string // parameters of ring.pml, without -D
	fault   string // the seeded fault, if any, without M_ ...
	why     string // ... and what it is
}

func (c config) String() string {
	if c.fault != "" {
		return strings.TrimSpace(c.fault + " " + c.defines)
	}
	return c.defines
}

func (c config) flags() (flags []string) {
	for d := range strings.FieldsSeq(c.defines) {
		flags = append(flags, "-D"+d)
	}
	if c.fault != "" {
		flags = append(flags, "-DM_"+c.fault)
	}
	return flags
}

// Two producers, two slots, two spans in a message and in a chunk, if nothing else is said. ROOM=1 makes every span fill a
// chunk, LIMIT is how many spans make a batch due, WAIT makes reservations wait, REFUSE ends that at any time, VOID leaves
// reservations without a commit, HOMES lets producers begin to search at different slots.
var small = []config{
	{defines: "CHUNKS=1"},
	{defines: "CHUNKS=2"},
	{defines: "CHUNKS=2 HOMES"},
	{defines: "CHUNKS=2 LIMIT=3"},
	{defines: "CHUNKS=1 ENTRIES=1 VOID"},
	{defines: "CHUNKS=1 WAIT"},
	{defines: "CHUNKS=1 ENTRIES=1 WAIT REFUSE"},
}

var large = []config{
	{defines: "CHUNKS=2 LIMIT=1"},
	{defines: "CHUNKS=2 SLOTS=1"},
	{defines: "CHUNKS=2 VOID"},
	{defines: "CHUNKS=1 WAIT REFUSE"},
	{defines: "CHUNKS=2 ROOM=1"},
	{defines: "CHUNKS=2 ROOM=1 LIMIT=1"},
	{defines: "CHUNKS=2 ROOM=1 LIMIT=3"},
	{defines: "CHUNKS=2 ROOM=1 WAIT"},
	{defines: "CHUNKS=3 ROOM=1"},
	{defines: "CHUNKS=1 MESSAGES=2"},
	{defines: "CHUNKS=2 MESSAGES=2"},
	{defines: "CHUNKS=3 MESSAGES=2 HOMES"},
	{defines: "CHUNKS=1 MESSAGES=2 WAIT"},
	{defines: "CHUNKS=2 PRODUCERS=3 ENTRIES=1"},
}

var faults = []config{
	{"CHUNKS=2", "NO_AWAKEN", "nobody wakes an idle sender"},
	{"CHUNKS=2", "NO_CROSSING", "nobody signals that a batch is due"},
	{"CHUNKS=2", "IDLE_LATE", "the sender sets idle after its last look"},
	{"CHUNKS=2", "COUNT_FIRST", "a full chunk is counted and signalled before it is visible"},
	{"CHUNKS=2", "BEGIN_STORE", "a producer takes an open chunk by Load and Store"},
	{"CHUNKS=2", "TAKE_STORE", "a producer takes a free chunk by Load and Store"},
	{"CHUNKS=2", "END_STORE", "a producer opens its chunk by Load and Store"},
	{"CHUNKS=2", "STEAL_STORE", "the sender takes open chunks by Load and Store"},
	{"CHUNKS=2", "STEAL_UNCOUNTED", "stolen spans are not counted"},
	{"CHUNKS=2 ROOM=1", "COLLECT_STORE", "the sender takes full chunks by Load and Store"},
	{"CHUNKS=1 WAIT", "COUNT_LATE", "a producer is counted as waiting after its last look"},
}
