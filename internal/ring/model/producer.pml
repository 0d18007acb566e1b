/* producer.go, and waiters of core.go. */

/* Producer.next with no chunk in hand: an open chunk with room, else a free one. */
inline next() {
	do
	:: i == SLOTS -> break
	:: i < SLOTS ->
		if
		:: d_step { slots[AT(i)] == NONE -> i++ }
		:: d_step { slots[AT(i)] != NONE -> skip };
#ifdef M_BEGIN_STORE
			d_step { chunk = slots[AT(i)] };
			d_step { slots[AT(i)] = NONE;
				if :: chunk != NONE -> assert(owner[chunk] == OPEN); owner[chunk] = me :: else fi };
#else
			d_step { chunk = slots[AT(i)];
				slots[AT(i)] = NONE;
				if :: chunk != NONE -> assert(owner[chunk] == OPEN); owner[chunk] = me :: else fi };
#endif
			if
			:: chunk == NONE -> i++
			:: chunk != NONE && spans_of[chunk] < ROOM -> break
			:: chunk != NONE && spans_of[chunk] >= ROOM -> push(); i++
			fi
		fi
	od;
	i = 0;
	if
	:: chunk != NONE
	:: else ->
#ifdef WAIT
		if
		:: d_step { count == 0 -> skip }; take()
		:: d_step { count > 0 -> skip }
		fi;
		if
		:: chunk != NONE
		:: else -> wait()
		fi
#else
		take()
#endif
	fi
}

#ifdef WAIT
/* waiters.wait; Refuse comes from the environment. */
inline wait() {
#ifdef M_COUNT_LATE
	skip;
#else
	d_step { count++ };
#endif
	if
	:: d_step { first == 0 -> first = 1 };
		do
		:: take();
			if
			:: chunk != NONE -> break
			:: else ->
#ifdef M_COUNT_LATE
				d_step { count++ };
#endif
				if
				:: d_step { chunk_token == 1 -> chunk_token = 0 }
#ifdef M_COUNT_LATE
				; d_step { count-- }
#endif
				:: d_step { refused == 1 -> skip }; take(); break
				fi
			fi
		od;
		first = 0
	:: d_step { refused == 1 -> skip }; take()
	fi;
#ifdef M_COUNT_LATE
	skip
#else
	d_step { count-- }
#endif
}
#endif

/* Producer.End. */
inline end_message() {
	if
	:: chunk == NONE
	:: chunk != NONE && spans_of[chunk] == 0 -> release(chunk); chunk = NONE
	:: chunk != NONE && spans_of[chunk] > 0 ->
		do
		:: i == SLOTS -> push(); break
		:: i < SLOTS ->
			if
			:: d_step { slots[AT(i)] != NONE -> i++ }
			:: d_step { slots[AT(i)] == NONE -> skip };
#ifdef M_END_STORE
				d_step { slots[AT(i)] = chunk; owner[chunk] = OPEN; chunk = NONE; publishing++ };
				awaken(); d_step { publishing-- }; break
#else
				if
				:: d_step { slots[AT(i)] == NONE ->
					assert(owner[chunk] == me);
					slots[AT(i)] = chunk;
					owner[chunk] = OPEN;
					chunk = NONE;
					publishing++ };
#ifndef M_NO_AWAKEN
					awaken();
#endif
					d_step { publishing-- };
					break
				:: d_step { slots[AT(i)] != NONE -> i++ }
				fi
#endif
			fi
		od;
		i = 0
	fi
}

proctype Producer(byte me) {
	byte chunk = NONE, i, b, seen, n, message, entry;
	bit crossed;
	do
	:: message == MESSAGES -> break
	:: message < MESSAGES ->
		do
		:: entry == ENTRIES -> break
		:: entry < ENTRIES ->
			if
			:: chunk != NONE && spans_of[chunk] >= ROOM -> push()
			:: else
			fi;
			if
			:: chunk == NONE -> next()
			:: else
			fi;
			if
			:: chunk == NONE -> d_step { dropped++; entry++ }
			:: chunk != NONE -> d_step { assert(owner[chunk] == me); spans_of[chunk]++; entry++ }
#ifdef VOID
			:: chunk != NONE -> d_step { dropped++; entry++ }
#endif
			fi
		od;
		end_message();
		d_step { entry = 0; message++ }
	od;
	live--
}
