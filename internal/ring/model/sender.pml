/* gather.go. */

/* Core.due is a load of the counter. */
inline collect() {
	if
	:: d_step { full_bits == 0 -> skip }
	:: d_step { full_bits != 0 -> skip };
#ifdef M_COLLECT_STORE
		d_step { got = full_bits };
		d_step { full_bits = 0; own(got, FULL); pending = pending | got; got = 0 }
#else
		d_step { got = full_bits; full_bits = 0; own(got, FULL); assert((pending & got) == 0); pending = pending | got; got = 0 }
#endif
	fi
}

/* own moves chunks to the sender and asserts whose they were. */
inline own(bitmap, from) {
	b = 0;
	do
	:: b == CHUNKS -> break
	:: b < CHUNKS ->
		if
		:: (bitmap & (1 << b)) != 0 -> assert(owner[b] == from); owner[b] = SENDER
		:: else
		fi;
		b++
	od;
	b = 0
}

/* Core.steal. */
inline steal() {
	do
	:: i == SLOTS -> i = 0; break
	:: i < SLOTS ->
#ifdef M_STEAL_STORE
		d_step { k = slots[i] };
		d_step { slots[i] = NONE; if :: k != NONE -> assert(owner[k] == OPEN); owner[k] = SENDER :: else fi };
#else
		d_step { k = slots[i]; slots[i] = NONE;
			if :: k != NONE -> assert(owner[k] == OPEN); owner[k] = SENDER :: else fi };
#endif
		if
		:: k == NONE -> i++
		:: else -> d_step {
#ifndef M_STEAL_UNCOUNTED
			spans = spans + spans_of[k];
#endif
			pending = pending | (1 << k); k = NONE; i++ }
		fi
	od
}

/* Core.fill, then Gather's return: the batch is its caller's. At least one chunk, and no more spans than LIMIT. */
inline fill() {
	d_step {
		b = 0; n = 0; got = 0;
		do
		:: b == CHUNKS -> break
		:: b < CHUNKS ->
			if
			:: (pending & (1 << b)) != 0 && (got == 0 || n + spans_of[b] <= LIMIT) ->
				assert(owner[b] == SENDER && spans_of[b] > 0);
				n = n + spans_of[b]; got = got | (1 << b); owner[b] = TRANSPORT
			:: else
			fi;
			b++
		od;
		pending = pending & ~got;
		spans = spans - n;
		delivered = delivered + n;
		b = 0; n = 0; got = 0
	}
}

/* Core.Gather and Core.gather in a loop, as senders that take turns. The time is the environment's. */
proctype Sender() {
	byte pending, got, b, n, i, k = NONE;
	bit deadline, flush, was_closed, passed;
	do
	:: d_step { was_closed = closed };
		if
		:: was_closed || deadline ->
			steal(); collect();
			d_step { deadline = 0; flush = 1; passed = 0 }
		:: !was_closed && !passed -> /* no deadline, or not yet */
			if
			:: d_step { spans >= LIMIT -> skip }; collect()
			:: d_step { spans < LIMIT -> skip }
			fi
		fi;
		if
		:: pending != 0 && flush -> fill(); goto gathered
		:: pending != 0 && !flush ->
			if
			:: d_step { spans >= LIMIT -> skip }; fill(); goto gathered
			:: d_step { spans < LIMIT -> skip }
			fi
		:: pending == 0
		fi;
		flush = 0;
		if
		:: was_closed -> break
		:: else
		fi;
		if
		:: !deadline ->
#ifndef M_IDLE_LATE
			d_step { idle = 1 };
#endif
			/* Core.empty */
			n = 0;
			do
			:: i == SLOTS -> i = 0; break
			:: i < SLOTS -> d_step { n = n | (slots[i] != NONE); i++ }
			od;
			n = n | (full_bits != 0) | (pending != 0);
#ifdef M_IDLE_LATE
			d_step { idle = 1 };
#endif
			if
			:: n == 0 -> d_step { sleeping = asleep }
			:: else -> d_step { idle = 0; n = 0; deadline = 1 }
			fi
		:: else
		fi;
		if
		:: sleeping == asleep ->
			d_step { wake == 1 -> wake = 0; sleeping = awake }
		:: else ->
			d_step { assert(deadline); sleeping = timed };
			if
			:: d_step { wake == 1 -> wake = 0; sleeping = awake }
			:: d_step { sleeping = awake; passed = 1 } /* the timer */
			fi
		fi;
		d_step { idle = 0 };
gathered:	skip
	od;
	assert(pending == 0);
	ended = 1
}
