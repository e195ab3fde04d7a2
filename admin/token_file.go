package admin

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"captchagate/private"
)

const (
	tokenBytes   = 24  // of a token that is made, before hex
	minFileToken = 16  // characters that a token in a file must have
	maxFileToken = 512 // bytes that are read of it
)

// OwnTokens returns the tokens of c. If it has none and is no demo, that is the
// operator's in its file, which is made (0600) if it is missing. The error says
// what is wrong with the file, which private.Open must take, and what to do.
func (c Config) OwnTokens() ([]Token, error) {
	if len(c.Tokens) > 0 || c.Demo {
		return c.Tokens, nil
	}
	if err := private.MakeFolder(c.File); err != nil {
		return nil, c.fileFailed(fmt.Errorf("its folder cannot be made: %w", err))
	}
	file, err := private.Open(c.File, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, c.fileFailed(err)
	}
	defer func() { _ = file.Close() }()
	token, err := tokenIn(file, c.File)
	if err != nil {
		return nil, c.fileFailed(err)
	}
	if token == "" {
		if token, err = makeToken(file); err != nil {
			return nil, c.fileFailed(fmt.Errorf("no token could be written to %q: %w", c.File, err))
		}
	}
	return []Token{{Name: "token_file", Role: Operator, Token: token}}, nil
}

// FileToken returns the token that a gateway of c keeps in its file.
func (c Config) FileToken() (string, error) {
	file, err := private.Open(c.File, os.O_RDONLY)
	if err != nil {
		return "", c.fileFailed(unreadable(c.File, err))
	}
	defer func() { _ = file.Close() }()
	token, err := tokenIn(file, c.File)
	if err == nil && token == "" {
		err = fmt.Errorf("%q is empty; the gateway fills it when it starts", c.File)
	}
	return token, c.fileFailed(err)
}

// unreadable says what to do for a command whose token file cannot be opened, which is the
// gateway's: to own it would keep the gateway out.
func unreadable(path string, err error) error {
	other, foreign := errors.AsType[*private.Foreign](err)
	switch {
	case foreign:
		return fmt.Errorf("%s %q belongs to user %d, and this command runs as %d; run it as the gateway's user, or set %s", other.What, other.Path, other.Owner, other.Me, TokenVariable)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%q may not be read by this user; run this command as the gateway's user, or set %s", path, TokenVariable)
	}
	return fmt.Errorf("%w; the gateway makes it when it starts", err)
}

// fileFailed says which file err is about: a relative one is another for who starts
// in another folder. It is opened as it was named, for the folder may be a link.
func (c Config) fileFailed(err error) error {
	if err == nil {
		return nil
	}
	if path, absErr := filepath.Abs(c.File); absErr == nil && path != filepath.Clean(c.File) {
		return fmt.Errorf("admin.token_file: %w (tried was %q: a relative path begins at the folder in which a command is started, so start it in the gateway's, or write the whole path)", err, path)
	}
	return fmt.Errorf("admin.token_file: %w", err)
}

// tokenIn is "" if the file is empty: a process may have died before it wrote.
func tokenIn(file io.Reader, path string) (string, error) {
	text, err := io.ReadAll(io.LimitReader(file, maxFileToken))
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(text))
	wrong := strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
	if token != "" && (wrong || len(token) < minFileToken) || len(text) == maxFileToken {
		return "", fmt.Errorf("%q does not hold a token of at least %d printable characters; remove it, and another is made", path, minFileToken)
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
