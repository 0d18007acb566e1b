package agent

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/alspan/alspan/internal/config"
	"github.com/alspan/alspan/traces"
)

func filterCommand() *cobra.Command {
	c := &cobra.Command{Use: "filter", Short: "Try filters and changes of attributes."}
	c.AddCommand(filterTestCommand())
	return c
}

func filterTestCommand() *cobra.Command {
	var file string
	var made, asJSON, verbose bool
	c := &cobra.Command{Use: "test [spans.json|-]", Short: "Show what the rules of a configuration make of spans.", Args: cobra.MaximumNArgs(1),
		Long: "Reads spans in the JSON of OTLP, one request or many, from a file or from standard input, and shows which of them the filters\n" +
			"drop and what changes in the others. Without a file, at a terminal, it shows the rules alone.\n\n" +
			"MATCHES counts the spans, or events, that a rule matches, HITS those of which it was the first to match: that is what the agent's\n" +
			"metrics count.",
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := config.Load(file, os.LookupEnv)
			if err != nil {
				return err
			}
			t, err := newTrial(cfg, made)
			if err != nil {
				return err
			}
			name, in, err := spansToTry(c.InOrStdin(), args)
			if err != nil {
				return err
			}
			// What stands before a mistake is shown.
			failed := t.read(name, in)
			if asJSON {
				err = t.writeJSON(c.OutOrStdout())
			} else {
				err = t.print(c.OutOrStdout(), printing{color: colorful(c.OutOrStdout()), values: verbose, spans: name != ""})
			}
			return errors.Join(failed, err)
		}}
	fileFlag(c, &file)
	c.Flags().BoolVar(&made, "made", false, "take the spans for such as an access-log entry has a part in: their attributes have other names, too")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON: an object with the rules, then one for each span")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "show the values of attributes that change")
	return c
}

// spansToTry reads the file that args name, or in; the name is "" when there is nothing to read.
func spansToTry(in io.Reader, args []string) (name string, data []byte, err error) {
	switch {
	case len(args) > 0 && args[0] != "-":
		if data, err = os.ReadFile(args[0]); err != nil {
			return "", nil, fmt.Errorf("cannot read spans: %w", err)
		}
		return args[0], data, nil
	case len(args) == 0 && isTerminal(in):
		return "", nil, nil
	}
	if data, err = io.ReadAll(in); err != nil {
		return "", nil, fmt.Errorf("cannot read spans from standard input: %w", err)
	}
	return "standard input", data, nil
}

// read tries the spans of all documents in data.
func (t *trial) read(name string, data []byte) error {
	documents := 0
	err := traces.Documents(data, func(m *traces.Message, line int) error {
		documents++
		return t.message(m, documents, line)
	})
	if err == nil && documents > 0 && len(t.spans) == 0 {
		err = errors.New("cannot find spans in it: OTLP has them in resourceSpans")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
