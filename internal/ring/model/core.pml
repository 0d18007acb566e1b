/* core.go: what producers, senders and transports share. */

inline signal() { d_step { wake = 1 } }

/* Core.awaken, and the signal if it tells so. */
inline awaken() {
	if
	:: d_step { idle == 1 -> skip };
		if
		:: d_step { idle == 1 -> idle = 0 };
			signal()
		:: d_step { idle == 0 -> skip }
		fi
	:: d_step { idle == 0 -> skip }
	fi
}

/* Core.push. Ends with chunk == NONE. */
inline push() {
#ifdef M_COUNT_FIRST
	d_step { publishing++; n = spans_of[chunk]; spans = spans + n };
	if :: d_step { spans >= LIMIT && spans - n < LIMIT -> skip }; signal() :: else fi;
	awaken();
	d_step { assert(owner[chunk] == me); owner[chunk] = FULL; full_bits = full_bits | (1 << chunk); chunk = NONE; n = 0; publishing-- }
#else
	d_step {
		assert(owner[chunk] == me && (full_bits & (1 << chunk)) == 0);
		n = spans_of[chunk];
		owner[chunk] = FULL;
		full_bits = full_bits | (1 << chunk);
		chunk = NONE;
		publishing++
	};
	d_step {
		spans = spans + n;
		crossed = (spans >= LIMIT && spans - n < LIMIT);
#ifdef M_NO_CROSSING
		crossed = 0;
#endif
		n = 0
	};
	if
	:: crossed -> d_step { crossed = 0; wake = 1; publishing-- }
#ifdef M_NO_AWAKEN
	:: else -> d_step { publishing-- }
#else
	:: else -> awaken(); d_step { publishing-- }
#endif
	fi
#endif
}

/* Core.release, and waiters.freed. */
inline release(c) {
	d_step { assert((free_bits & (1 << c)) == 0); owner[c] = FREE; spans_of[c] = 0; free_bits = free_bits | (1 << c) }
#ifdef WAIT
	; if
	:: d_step { count > 0 -> skip }; d_step { chunk_token = 1 }
	:: d_step { count == 0 -> skip }
	fi
#endif
}

/* Core.take. Several chunks of one word: the CAS compares the whole word. */
inline take() {
	do
	:: d_step { seen = free_bits; b = 0;
		do
		:: b < CHUNKS && (seen & (1 << b)) == 0 -> b++
		:: else -> break
		od;
		skip };
		if
		:: seen == 0 -> break
#ifdef M_TAKE_STORE
		:: else ->
			d_step { free_bits = seen & ~(1 << b); assert(owner[b] == FREE); owner[b] = me; chunk = b };
			break
#else
		:: else ->
			if
			:: d_step { free_bits == seen ->
				assert(owner[b] == FREE && spans_of[b] == 0);
				free_bits = seen & ~(1 << b);
				owner[b] = me;
				chunk = b };
				break
			:: d_step { free_bits != seen -> skip }
			fi
#endif
		fi
	od;
	b = 0; seen = 0
}
