package config

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"
	"time"
)

const defaultHead = `# The configuration of alspan: every key with its default. A file needs only the keys that differ.
# ${VAR} and ${VAR:-default} in a value come from the environment, $$ is a dollar sign.
`

// DefaultYAML gives a file with every key, its default, and its text as a comment. Reading it gives Default.
func DefaultYAML() []byte {
	_, root := declare()
	return writeFile(root)
}

func writeFile(root *node) []byte {
	var b bytes.Buffer
	b.WriteString(defaultHead)
	for _, n := range root.keys {
		b.WriteByte('\n')
		writeYAML(&b, n, "")
	}
	return b.Bytes()
}

func writeYAML(b *bytes.Buffer, n *node, indent string) {
	writeComment(b, n.doc, indent+"# ")
	for i, s := range n.samples {
		if i == 0 {
			writeComment(b, "For example:", indent+"# ")
		} else {
			b.WriteString(indent + "#\n")
		}
		for line := range strings.Lines(s) {
			b.WriteString(indent + "#   " + line)
		}
	}
	if n.at == nil {
		fmt.Fprintf(b, "%s%s:\n", indent, n.name)
		for _, k := range n.keys {
			writeYAML(b, k, indent+"  ")
		}
		return
	}
	facts := "Accepts: " + n.accepted()
	if vars := n.envNames(); vars != nil {
		facts += ". Environment: " + strings.Join(vars, ", ")
	}
	writeComment(b, facts, indent+"# ")
	if n.elements != nil && !n.elements.told {
		for _, k := range n.elements.kind.keys {
			writeComment(b, k.name+" ("+k.accepted()+"): "+k.doc, indent+"#   ")
		}
	}
	list, ok := n.at.(*[]string)
	if v := n.yaml(); !ok || len(v) < 100 {
		fmt.Fprintf(b, "%s%s: %s\n", indent, n.name, v)
		return
	}
	fmt.Fprintf(b, "%s%s:\n", indent, n.name)
	for _, v := range *list {
		fmt.Fprintf(b, "%s  - %s\n", indent, yamlText(v))
	}
}

// writeComment writes text as YAML comment lines of at most 110 columns that begin with head.
func writeComment(b *bytes.Buffer, text, head string) {
	line := head
	for word := range strings.FieldsSeq(strings.ReplaceAll(text, "`", "")) {
		if len(line)+len(word) > 110 {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line = head
		}
		line += word + " "
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
}

// accepted says what a key takes, for users.
func (n *node) accepted() string {
	text := n.accepts
	if n.words != nil {
		text = n.wordList()
	}
	switch n.at.(type) {
	case *bool:
		return cmp.Or(text, "true, false")
	case *int:
		return "number, " + n.span()
	case *Size:
		return "size, " + n.span()
	case *time.Duration:
		return "duration, " + n.span()
	case *Percent:
		return "percentage, " + n.span()
	case *[]string, *[]Text, *[]Conditions, *[]Action, *[]SampleRule:
		return "list of " + text
	case *map[string]string:
		return "map of " + n.keyAccepts + " to " + text
	}
	return text
}

const markdownHead = `# Configuration

alspan reads one YAML file. Every key has a default that suits a DaemonSet, so the file is optional, and it holds only
what differs:

` + "```yaml" + `
correlate:
  headers: [b3]
export:
  endpoint: https://otlp.example.com:4317
  headers:
    authorization: Bearer ${TOKEN}
` + "```" + `

Its sections are in the order in which data flows. ` + "`alspan config default`" + ` prints all keys with their
defaults, ` + "`alspan config schema`" + ` prints a JSON Schema for editors ([config.schema.json](config.schema.json)).

**The file is read strictly.** An unknown key, a key given twice, a value of the wrong type or out of range stops the
start, with the line, the path of the key, and what was probably meant:

` + "```" + `
cannot read configuration alspan.yaml: line 12: export.compresion: unknown key (did you mean "compression"?)
` + "```" + `

All problems are reported at once, one a line, unless the text is not YAML at all. A key without a value keeps its
default. A list or a map in the file replaces the default one. Of YAML, anchors, aliases, merge keys and tags are not
read.

**Variables.** In a value, but not in a key, ` + "`${VAR}`" + ` is replaced by the environment variable ` + "`VAR`" + `, which must be set, and
` + "`${VAR:-text}`" + ` by ` + "`text`" + ` if it is unset or empty. ` + "`$$`" + ` is a dollar sign, and so is one before anything but ` + "`{`" + `, as at the end
of a regular expression. ` + "`${env:VAR}`" + ` is the same as ` + "`${VAR}`" + `. Inside ` + "`[...]`" + ` and ` + "`{...}`" + ` put quotes around it.

**OpenTelemetry's variables** set the default of some keys of ` + "`export`" + `; a key in the file wins. The tables name them. The
one with ` + "`TRACES`" + ` in its name wins over the general one, and an empty one counts as unset.

**Units.** A size is a whole number of bytes, or of ` + "`KiB`, `MiB`, `GiB`" + ` (powers of 1024), ` + "`KB`, `MB`, `GB`" + ` (powers of
1000). A duration is a number with a unit, or several: ` + "`200ms`, `10s`, `1m30s`, `1h`" + `.
`

// Markdown gives the reference for users, docs/config.md.
func Markdown() []byte {
	_, root := declare()
	var b bytes.Buffer
	b.WriteString(markdownHead)
	for _, n := range root.keys {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| Key | Default | Accepts | Meaning |\n|---|---|---|---|\n", n.name, n.doc)
		for _, k := range n.keys {
			writeRows(&b, k, n.name)
		}
		for _, s := range n.samples {
			fmt.Fprintf(&b, "\n```yaml\n%s```\n", s)
		}
	}
	return b.Bytes()
}

// writeRows writes the table rows of a key, or of a section and all its keys.
func writeRows(b *bytes.Buffer, n *node, path string) {
	path = join(path, n.name)
	if n.at == nil {
		fmt.Fprintf(b, "| **`%s`** | | | %s |\n", path, cell(n.doc))
		for _, k := range n.keys {
			writeRows(b, k, path)
		}
		return
	}
	doc := n.doc
	if vars := n.envNames(); vars != nil {
		doc += " The default comes from `" + strings.Join(vars, "`, else `") + "`, if set."
	}
	def := ""
	if n.hasDefault() {
		def = "`" + cell(n.yaml()) + "`"
	}
	fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", path, def, cell(n.accepted()), cell(doc))
	if n.elements != nil && !n.elements.told {
		for _, k := range n.elements.kind.keys {
			writeRows(b, k, path+"[]")
		}
	}
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
