/*
 * The protocol of internal/ring, for Spin. Every d_step is one atomic operation of the Go code (or several of which
 * only one touches what others can see); names are those of the Go code. Ghosts (owner, publishing, sleeping) are
 * only asserted. What is left out: the bytes (the counter of bytes has the same rules as the one of spans), large
 * spans (a stack in place of a word), the leaving of chunks to dead transports (chunk.go: leave).
 *
 * Parameters: -DCHUNKS -DMESSAGES -DLIMIT (spans that make a batch due) -DPRODUCERS -DSLOTS -DENTRIES -DROOM.
 * -DWAIT: a reservation waits for a chunk. -DVOID: a reservation may stay without a commit. -DM_...: a seeded fault.
 */
#ifndef CHUNKS
#define CHUNKS 2
#endif
#ifndef MESSAGES
#define MESSAGES 1
#endif
#ifndef LIMIT
#define LIMIT 2
#endif
#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef ENTRIES
#define ENTRIES 2
#endif
#ifndef ROOM
#define ROOM 2 /* spans that fit in a chunk */
#endif
#ifdef HOMES /* each producer begins to search at a slot of its own; else all at the same one, which is the hardest */
#define AT(i) (me + i) % SLOTS
#else
#define AT(i) i
#endif
#define NONE 7

/* Owners: 0..PRODUCERS-1 is a producer. */
#define FREE 10
#define OPEN 11
#define FULL 12
#define SENDER 13
#define TRANSPORT 14
#define RELEASING 15

#if SLOTS == 1
#define SOME_OPEN (slots[0] != NONE)
#else
#define SOME_OPEN (slots[0] != NONE || slots[1] != NONE)
#endif

byte free_bits = (1 << CHUNKS) - 1;
byte full_bits;
byte slots[SLOTS] = NONE;
byte spans_of[CHUNKS]; /* Chunk.spans: its owner's only */
short spans;           /* Core.spans, may be negative for a moment */
bit idle, closed;
bit wake; /* the channel with room for one token */
#ifdef WAIT
byte count;
bit first, chunk_token, refused;
#endif

byte owner[CHUNKS] = FREE;
byte live = PRODUCERS, dropped, delivered;
byte publishing;  /* producers between making a span visible and the end of their signal */
bit ended;        /* the sender saw the end */
mtype = { awake, asleep, timed };
mtype sleeping = awake;

#include "core.pml"
#include "producer.pml"
#include "sender.pml"

/* The last references go at any time after the batch was given out, in any order. */
proctype Transport() {
	byte c;
end:	do
	:: d_step { owner[0] == TRANSPORT -> owner[0] = RELEASING; c = 0 }; release(c); c = 0
#if CHUNKS > 1
	:: d_step { owner[1] == TRANSPORT -> owner[1] = RELEASING; c = 1 }; release(c); c = 0
#endif
#if CHUNKS > 2
	:: d_step { owner[2] == TRANSPORT -> owner[2] = RELEASING; c = 2 }; release(c); c = 0
#endif
	od
}

/* Nobody may wait for ever: these guards are closed in every state of a right protocol, so this process adds no state. */
active proctype Monitor() {
end:	if
	:: d_step { sleeping == asleep && wake == 0 && publishing == 0 && (full_bits != 0 || SOME_OPEN) ->
		assert(wake) /* lost wake-up: something is there, nobody is about to signal, and there is no timer */ }
	:: d_step { sleeping == timed && wake == 0 && publishing == 0 && spans >= LIMIT ->
		assert(wake || spans < LIMIT) /* a due batch waits for its age */ }
	fi
}

init {
	byte p;
	atomic {
		run Sender(); run Transport();
		do :: p == PRODUCERS -> p = 0; break :: p < PRODUCERS -> run Producer(p); p++ od
	};
#ifdef REFUSE
	refused = 1; /* at any time */
#endif
	/* Close */
	live == 0;
#ifdef WAIT
	refused = 1;
#endif
	d_step { closed = 1 };
	signal();
	d_step { ended && free_bits == (1 << CHUNKS) - 1 -> skip };
	d_step {
		assert(full_bits == 0 && spans == 0 && publishing == 0);
		assert(delivered + dropped == PRODUCERS * MESSAGES * ENTRIES);
		do
		:: p == SLOTS -> break
		:: else -> assert(slots[p] == NONE); p++
		od;
		p = 0
	}
}
