// Command alspan turns Envoy access logs into OpenTelemetry spans on every node.
package main

import (
	"os"

	"github.com/alspan/alspan/agent"
)

func main() { os.Exit(agent.Main(os.Args[1:])) }
