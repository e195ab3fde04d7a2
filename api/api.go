// Package api holds the machine-readable contract of the gateway's HTTP doors.
package api

import "embed"

// OpenAPI is the contract as OpenAPI 3.0 YAML; do not write to it.
//
//go:embed openapi.yaml
var OpenAPI []byte

// Docs is the contract for people: docs/index.html, which a test makes of OpenAPI, and
// its style.
//
//go:embed docs
var Docs embed.FS
