package tail

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
)

const stamp = "2026-11-21T08:21:11.856123456Z "

// line is a Line whose bytes stay.
type line struct {
	text string
	at   int64
}

func (l line) String() string { return fmt.Sprintf("%d:%q", l.at, l.text) }

func lines(t testing.TB, text string, maxLine int) (got []line, tooLong int64) {
	t.Helper()
	n, err := Lines(strings.NewReader(text), maxLine, func(b *Batch) {
		for _, l := range b.Lines {
			got = append(got, line{string(l.Bytes), l.Offset})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return got, n
}

func TestLines(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []line
		long int64
	}{
		"ends of lines":         {text: "a\nb\r\n\nc", want: []line{{"a", 0}, {"b", 2}, {"", 5}, {"c", 6}}},
		"NUL bytes":             {text: "\x00\x00a\x00b\n\x00c\n", want: []line{{"a\x00b", 2}, {"c", 7}}},
		"CRI":                   {text: stamp + "stdout F x y\n", want: []line{{"x y", 0}}},
		"CRI of CRI-O, tags":    {text: "2016-10-06T00:17:09.669794202+02:00 stderr F:a:b x\n", want: []line{{"x", 0}}},
		"CRI without text":      {text: stamp + "stdout F\n" + stamp + "stdout F \n", want: []line{{"", 0}, {"", 40}}},
		"CRI, not quite":        {text: stamp + "stdin F x\n", want: []line{{stamp + "stdin F x", 0}}},
		"CRI, unknown tag":      {text: stamp + "stdout X x\n", want: []line{{stamp + "stdout X x", 0}}},
		"CRI in pieces":         {text: stamp + "stdout P a\r\n" + stamp + "stdout P b\n" + stamp + "stdout F c\r\n", want: []line{{"a\rbc", 0}}},
		"pieces of two streams": {text: stamp + "stdout P a\n" + stamp + "stderr P x\nplain\n" + stamp + "stdout F b\n" + stamp + "stderr F y\n", want: []line{{"plain", 84}, {"ab", 0}, {"xy", 42}}},
		"a stream between":      {text: stamp + "stdout P a\n" + stamp + "stderr F x\n" + stamp + "stdout F b\n", want: []line{{"x", 42}, {"ab", 0}}},
		"pieces without end":    {text: stamp + "stdout P a\n" + stamp + "stdout P b", want: []line{{"ab", 0}}},
		"Docker":                {text: `{"log":"a \"b\"\r\n","stream":"stdout","time":"t"}` + "\n", want: []line{{`a "b"`, 0}}},
		"Docker in pieces": {text: `{"log":"a","stream":"stderr","attrs":{"x":"}"},"time":"t"}` + "\n" + `{"log":"b\n","stream":"stderr","time":"t"}`,
			want: []line{{"ab", 0}}},
		"not Docker":                          {text: `{"log":"a","stream":"x","time":"t"}`, want: []line{{`{"log":"a","stream":"x","time":"t"}`, 0}}},
		"too long":                            {text: strings.Repeat("x", 101) + "\n" + strings.Repeat("y", 100) + "\r\n", want: []line{{strings.Repeat("y", 100), 102}}, long: 1},
		"too long pieces":                     {text: stamp + "stdout P " + strings.Repeat("x", 60) + "\n" + stamp + "stdout P " + strings.Repeat("x", 60) + "\n" + stamp + "stdout F z\n" + "a", want: []line{{"a", 244}}, long: 1},
		"a line that is too long to be kept":  {text: strings.Repeat("x", 1<<20) + "\nb\n", want: []line{{"b", 1<<20 + 1}}, long: 1},
		"a piece that is too long to be kept": {text: stamp + "stdout P " + strings.Repeat("x", 1<<20) + "\n" + stamp + "stdout F y\nb\n", want: []line{{"b", 1<<20 + 83}}, long: 1},
	} {
		t.Run(name, func(t *testing.T) {
			got, long := lines(t, c.text, 100)
			if fmt.Sprint(got) != fmt.Sprint(c.want) || long != c.long {
				t.Errorf("got %.300v and %d too long, want %v and %d", got, long, c.want, c.long)
			}
		})
	}
}

func TestLinesOfAReaderThatFails(t *testing.T) {
	got := 0
	_, err := Lines(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("a\nb\n"))), 100, func(b *Batch) { got += len(b.Lines) })
	if err == nil || got != 0 {
		t.Errorf("%d lines, error %v", got, err)
	}
}

var (
	criLine    = regexp.MustCompile(`^(?s)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d+:Z-]{1,16} (stdout|stderr) ([PF])(?::[^ ]*)?(?: (.*))?$`)
	dockerLine = regexp.MustCompile(`^(?s)\{"log":("(?:[^"\\]|\\.)*"),"stream":"(stdout|stderr)",.*"\}\r*$`)
)

// oracle cuts text into logical lines in the plainest way.
func oracle(text string, maxLine int) (out []line, tooLong int64) {
	type open struct {
		text string
		at   int64
	}
	streams := map[string]*open{}
	deliver := func(text string, at int64) {
		if text = strings.TrimSuffix(text, "\r"); len(text) > maxLine {
			tooLong++
		} else {
			out = append(out, line{text, at})
		}
	}
	one := func(l string, at int64) {
		stripped := strings.TrimLeft(l, "\x00")
		at += int64(len(l) - len(stripped))
		l = stripped
		stream, text, last := "", "", true
		if m := criLine.FindStringSubmatch(l); m != nil {
			stream, last, text = m[1], m[2] == "F", m[3]
		} else if m := dockerLine.FindStringSubmatch(l); m != nil && strings.Contains(l[strings.Index(l, m[1])+len(m[1]):], `"time":"`) {
			// The decoder refuses control characters and repairs what is not UTF-8, which the runtime writes neither of.
			if err := json.Unmarshal([]byte(m[1]), &text); err == nil {
				stream, last = m[2], strings.HasSuffix(text, "\n")
				text = strings.TrimSuffix(text, "\n")
			}
		}
		if stream == "" {
			deliver(l, at)
			return
		}
		o := streams[stream]
		if o == nil {
			o = &open{at: at}
			streams[stream] = o
		}
		if o.text += text; last {
			delete(streams, stream)
			deliver(o.text, o.at)
		}
	}
	at := int64(0)
	for l := range strings.SplitAfterSeq(text, "\n") {
		if whole := strings.HasSuffix(l, "\n"); whole || strings.Trim(l, "\x00") != "" {
			one(strings.TrimSuffix(l, "\n"), at)
		}
		at += int64(len(l))
	}
	for _, s := range []string{"stdout", "stderr"} {
		if o := streams[s]; o != nil {
			deliver(o.text, o.at)
		}
	}
	return out, tooLong
}

// FuzzSplitter cuts any text in any portions, at each of which the splitter is perhaps replaced by one that goes on from its
// position: the lines are those of the oracle.
func FuzzSplitter(f *testing.F) {
	f.Add("a\nb\r\n\nc\x00\n", uint64(1))
	f.Add("\x00\x00"+stamp+"stdout P a\n"+stamp+"stderr F x\nplain\n"+stamp+"stdout F b\n", uint64(2))
	f.Add(`{"log":"a\u00e9\ud83d\ude00\ud83d x","stream":"stdout","time":"t"}`+"\n"+`{"log":"\n","stream":"stdout","time":"t"}`+"\n", uint64(3))
	f.Add(strings.Repeat(stamp+"stderr P xxxxxxxxxxxxxxxxxxxxxxxxxx\n", 4)+stamp+"stderr F a\n", uint64(4))
	f.Fuzz(func(t *testing.T, text string, seed uint64) {
		if strings.ContainsFunc(text, func(r rune) bool { return r == '�' || r < ' ' && r != '\n' && r != '\r' && r != 0 }) ||
			strings.Contains(text, `{"log"`) && strings.ContainsAny(text, "\x00\r") {
			return
		}
		const maxLine = 80
		want, wantLong := oracle(text, maxLine)
		got, long := inPortions(text, maxLine, rand.New(rand.NewPCG(seed, 0)))
		if fmt.Sprint(got) != fmt.Sprint(want) || long < wantLong {
			t.Errorf("seed %d: %q\ngot  %v, %d too long\nwant %v, %d", seed, text, got, long, want, wantLong)
		}
	})
}

// inPortions splits a text in random portions and goes on with a new splitter now and then.
func inPortions(text string, maxLine int, rnd *rand.Rand) (got []line, long int64) {
	s, b, restarts := NewSplitter(maxLine), &Batch{}, 10
	take := func() {
		for _, l := range b.Lines {
			got = append(got, line{string(l.Bytes), l.Offset})
		}
		b.reset()
	}
	for s.at < int64(len(text)) {
		p := []byte(text[s.at:min(int(s.at)+1+rnd.IntN(40), len(text))])
		s.Split(b, p)
		take()
		clear(p) // nothing of it may be kept
		if restarts > 0 && rnd.IntN(4) == 0 {
			restarts--
			long += s.TooLong
			s = newSplitter(maxLine, s.position())
		}
	}
	s.Flush(b)
	take()
	return got, long + s.TooLong
}

func TestSplitterAgainstOracle(t *testing.T) {
	for seed := range uint64(3000) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var text strings.Builder
		for range rnd.IntN(30) {
			word := strings.Repeat("ab\\", rnd.IntN(12))
			stream := []string{"stdout", "stderr"}[rnd.IntN(2)]
			switch rnd.IntN(6) {
			case 0:
				text.WriteString(word)
			case 1:
				text.WriteString(strings.Repeat("\x00", rnd.IntN(3)))
			case 2, 3:
				fmt.Fprintf(&text, "%s%s %c %s", stamp, stream, "PPF"[rnd.IntN(3)], word)
			case 4:
				quoted, _ := json.Marshal(word + []string{"", "\n"}[rnd.IntN(2)])
				fmt.Fprintf(&text, `{"log":%s,"stream":%q,"time":"x"}`, quoted, stream)
			}
			text.WriteString([]string{"", "\n", "\n", "\r\n"}[rnd.IntN(4)])
		}
		want, _ := oracle(text.String(), 80)
		if got, _ := inPortions(text.String(), 80, rnd); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("seed %d: %q\ngot  %v\nwant %v", seed, text.String(), got, want)
		}
	}
}

func TestUnquote(t *testing.T) {
	for _, s := range []string{``, `a`, `\"\\\/\b\f\n\r\t`, `é\uD83D\uDE00`, `\ud83d\ud83d\ude00`, `\ude00x`, `\ud83d\u0041`} {
		var want string
		if err := json.Unmarshal([]byte(`"`+s+`"`), &want); err != nil {
			t.Fatal(err)
		}
		if got, ok := unquote(nil, []byte(s)); !ok || string(got) != want {
			t.Errorf("%s gives %q, want %q", s, got, want)
		}
	}
	for _, s := range []string{`\`, `\x`, `\u12`, `\u12g4`} {
		if got, ok := unquote(nil, []byte(s)); ok {
			t.Errorf("%s gives %q", s, got)
		}
	}
}

func BenchmarkSplitter(b *testing.B) {
	access := `{"start_time":"2026-11-21T08:21:11.856Z","method":"GET","path":"/a/b?c=d","response_code":200,"duration":12,"request_id":"2f2b1c5e-7f0e-9d3b-8a3c-1d2e3f4a5b6c"}`
	quoted, _ := json.Marshal(access + "\n")
	for name, l := range map[string]string{
		"plain":  access + "\n",
		"cri":    stamp + "stdout F " + access + "\n",
		"pieces": stamp + "stdout P " + access[:80] + "\n" + stamp + "stdout F " + access[80:] + "\n",
		"docker": fmt.Sprintf("{\"log\":%s,\"stream\":\"stdout\",\"time\":\"2026-11-21T08:21:11.8Z\"}\n", quoted),
	} {
		b.Run(name, func(b *testing.B) {
			p := bytes.Repeat([]byte(l), portion/len(l))
			s, batch := NewSplitter(1<<20), &Batch{}
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				for n := 0; n < len(p); batch.reset() {
					n += s.Split(batch, p[n:])
				}
			}
		})
	}
}
