package challenge

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"strings"
)

// MaxSolution is the longest solution that is looked at, in bytes.
const MaxSolution = 4096

// A solution is what a solver sends: this as JSON, or base64 of that.
type solution struct {
	Challenge Challenge `json:"challenge"`
	Solution  struct {
		Counter    uint32  `json:"counter"`
		DerivedKey string  `json:"derivedKey"`     // hex, keyLength bytes
		Time       float64 `json:"time,omitempty"` // what it took, in milliseconds; not looked at
	} `json:"solution"`
}

// parse reads a solution and reports whether it has the form of one that this
// package could have asked for. Nothing in it is to be believed yet.
func parse(text string) (solution, bool) {
	var s solution
	if len(text) > MaxSolution {
		return s, false
	}
	raw := []byte(text)
	if !strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") {
		var err error
		if raw, err = base64.StdEncoding.Strict().DecodeString(text); err != nil {
			return s, false
		}
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if dec.Decode(&s) != nil {
		return s, false
	}
	if _, err := dec.Token(); err != io.EOF { // something follows
		return s, false
	}
	p := s.Challenge.Parameters
	return s, p.Algorithm == algorithm && p.KeyLength == keyLength && p.KeyPrefix == keyPrefix &&
		p.Cost >= 1 && p.Cost <= MaxCost &&
		isHex(p.Nonce, nonceBytes) && isHex(p.Salt, nonceBytes) && isHex(s.Solution.DerivedKey, keyLength)
}

// isHex reports whether s is n bytes as lower-case hex, the only form that
// solvers write.
func isHex(s string, n int) bool {
	if len(s) != 2*n {
		return false
	}
	return strings.Trim(s, "0123456789abcdef") == ""
}
