package main

import (
	"fmt"
	"strings"
	"testing"
)

// A curl is what a printed curl command asks for.
type curl struct {
	method, url, body string
	headers           []string // "Name: value"
}

// perform does what the command would do.
func (c curl) perform(t *testing.T) (status int, answer []byte) {
	t.Helper()
	return ask(t, c.method, c.url, c.body, c.headers...)
}

// readCurl reads a command as a shell and curl would, and knows no more than
// the options that ours use. An option that it does not know is an error: a
// person would have pasted it all the same.
func readCurl(line string) (curl, error) {
	words, err := shellWords(line)
	if err != nil || len(words) == 0 || words[0] != "curl" {
		return curl{}, fmt.Errorf("no curl command: %s (%w)", line, err)
	}
	var c curl
	for i := 1; i < len(words); i++ {
		var value *string
		switch word := words[i]; {
		case word == "-s":
			continue
		case word == "-X":
			value = &c.method
		case word == "-d":
			value = &c.body
		case word == "-H":
			c.headers = append(c.headers, "")
			value = &c.headers[len(c.headers)-1]
		case strings.HasPrefix(word, "-"):
			return curl{}, fmt.Errorf("what is %s in %s?", word, line)
		case c.url != "":
			return curl{}, fmt.Errorf("two addresses in %s", line)
		default:
			c.url = word
			continue
		}
		if i++; i == len(words) {
			return curl{}, fmt.Errorf("%s ends with an option", line)
		}
		*value = words[i]
	}
	switch {
	case c.method != "":
	case c.body != "":
		c.method = "POST" // as curl does with -d
	default:
		c.method = "GET"
	}
	return c, nil
}

// shellWords takes a line apart at blanks outside of single quotes. What else
// means something to a shell is an error: our lines do without.
func shellWords(line string) (words []string, err error) {
	var word strings.Builder
	quoted, begun := false, false
	for _, r := range line + " " {
		switch {
		case r == '\'':
			quoted, begun = !quoted, true
		case quoted:
			word.WriteRune(r)
		case r == ' ':
			if begun {
				words = append(words, word.String())
			}
			word.Reset()
			begun = false
		case strings.ContainsRune("\"\\$`&|;<>()*?[]{}~!#\n\t", r):
			return nil, fmt.Errorf("%q would mean something to a shell", r)
		default:
			begun = true
			word.WriteRune(r)
		}
	}
	if quoted {
		return nil, fmt.Errorf("a quote is not closed")
	}
	return words, nil
}
