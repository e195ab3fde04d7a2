//go:build !unix

package simulator

import "errors"

func dig(string) (*hole, error) { return nil, errors.New("black holes need a Unix system") }
