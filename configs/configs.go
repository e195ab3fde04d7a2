// Package configs holds the configuration that comes with the gateway: the
// defaults, which are part of the program, and samples.
package configs

import (
	_ "embed"
	"strings"
)

//go:embed defaults.yaml
var defaults string

// Defaults is defaults.yaml: every key with its default, explained.
func Defaults() string { return defaults }

//go:embed demo.yaml
var demo string

// Demo is demo.yaml: what the demonstration runs with.
func Demo() string { return demo }

// DemoFleet is demo.yaml with a token, which the instances of a fleet must have.
func DemoFleet() string {
	return strings.Replace(demo, "admin:\n", "admin:\n  tokens: [{name: demo, role: operator, token: \"${DEMO_TOKEN}\"}]\n", 1)
}
