package admin

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"

	"captchagate/private"
)

const (
	tokenBytes   = 24  // of a token that is made, before hex
	minFileToken = 16  // characters that a token in a file must have
	maxFileToken = 512 // bytes that are read of it
)

// OwnTokens returns the tokens of c. If it has none and names a file, that is
// the operator's in the file, which is made (0600) if it is missing. The error
// says what is wrong with the file, which private.Open must take, and what to do.
func (c Config) OwnTokens() ([]Token, error) {
	if len(c.Tokens) > 0 || c.File == "" {
		return c.Tokens, nil
	}
	if err := private.MakeFolder(c.File); err != nil {
		return nil, fmt.Errorf("admin.token_file: its folder cannot be made: %w", err)
	}
	file, err := private.Open(c.File, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, fmt.Errorf("admin.token_file: %w", err)
	}
	defer func() { _ = file.Close() }()
	token, err := tokenIn(file, c.File)
	if err != nil {
		return nil, err
	}
	if token == "" {
		if token, err = makeToken(file); err != nil {
			return nil, fmt.Errorf("admin.token_file: no token could be written to %q: %w", c.File, err)
		}
	}
	return []Token{{Name: "token_file", Role: Operator, Token: token}}, nil
}

// FileToken returns the token that a gateway of c keeps in its file.
func (c Config) FileToken() (string, error) {
	file, err := private.Open(c.File, os.O_RDONLY)
	if err != nil {
		return "", fmt.Errorf("admin.token_file: %w; the gateway makes it when it starts", err)
	}
	defer func() { _ = file.Close() }()
	token, err := tokenIn(file, c.File)
	if err == nil && token == "" {
		err = fmt.Errorf("admin.token_file: %q is empty; the gateway fills it when it starts", c.File)
	}
	return token, err
}

// tokenIn is "" if the file is empty: a process may have died before it wrote.
func tokenIn(file io.Reader, path string) (string, error) {
	text, err := io.ReadAll(io.LimitReader(file, maxFileToken))
	if err != nil {
		return "", fmt.Errorf("admin.token_file: %w", err)
	}
	token := strings.TrimSpace(string(text))
	wrong := strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
	if token != "" && (wrong || len(token) < minFileToken) || len(text) == maxFileToken {
		return "", fmt.Errorf("admin.token_file: %q does not hold a token of at least %d printable characters; remove it, and another is made", path, minFileToken)
	}
	return token, nil
}

func makeToken(file *os.File) (string, error) {
	random := make([]byte, tokenBytes)
	_, _ = rand.Read(random) // it never fails
	token := hex.EncodeToString(random)
	if _, err := file.WriteAt([]byte(token+"\n"), 0); err != nil {
		return "", err
	}
	return token, file.Sync()
}
