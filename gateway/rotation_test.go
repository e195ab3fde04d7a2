package gateway_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"captchagate/config"
	"captchagate/public"
	"captchagate/simulator"
	"captchagate/tc3"
)

// signed is what an API answers that looks at nothing but the account.
func (h *house) signed(r *http.Request) *string {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	if _, err := h.signers.Load().Check(r, body, nil, time.Now()); err != nil || r.Header.Get("X-Tc-Token") == "" {
		h.t.Errorf("a call is signed with a key that the API does not take: %v", err)
		return new(`{"Response":{"Error":{"Code":"AuthFailure.SignatureFailure","Message":""},"RequestId":"1"}}`)
	}
	return new(passed)
}

// An account is a pair of keys and its session token.
type account struct{ id, key, token string }

var (
	formerly  = account{"AKIDFORMERLY00000000", "former-key-0123456789", "former-token-0123456789"}
	hereafter = account{"AKIDHEREAFTER0000000", "later-key-0123456789", "later-token-0123456789"}
)

func accepting(accounts ...account) map[string]string {
	keys := map[string]string{}
	for _, a := range accounts {
		keys[a.id] = a.key
	}
	return keys
}

// write puts an account's keys into the files that the configuration names.
func (a account) write(t *testing.T, folder string) {
	t.Helper()
	for name, text := range map[string]string{"id": a.id, "key": a.key, "token": a.token, "app": simulator.DefaultAppSecretKey} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// fromFiles has a configuration take its keys from a folder's files, those of one backend
// for the drop-in too.
func fromFiles(t *testing.T, folder string) func(*config.Config) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gateway.yaml")
	text := strings.ReplaceAll(fmt.Sprintf(`upstream:
  secret_id: ${file:F/id}
  secret_key: ${file:F/key}
  session_token: ${file:F/token}
  apps: [{captcha_app_id: %d, app_secret_key: "${file:F/app}"}]
drop_in:
  scene: default
  credentials: [{secret_id: AKIDSHOP, secret_key: "${file:F/key}"}]
`, simulator.DefaultAppID), "F/", folder+"/")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, err := config.Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return func(c *config.Config) {
		c.DropIn.Scene = "login"
		*c = c.TakeKeys(loaded)
	}
}

// Keys in files are changed under load: nobody notices, whichever way the files change,
// and no call is signed with half a key (O5).
func TestRotation_KeysFromFilesChangeUnderLoad(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, folder string){
		"files written anew": func(t *testing.T, folder string) { hereafter.write(t, folder) },
		"files written slowly": func(t *testing.T, folder string) {
			for _, share := range []int{0, 2, 1} {
				for _, f := range []struct{ name, text string }{{"id", hereafter.id}, {"key", hereafter.key}, {"token", hereafter.token}} {
					if share > 0 {
						f.text = f.text[:len(f.text)/share]
					} else {
						f.text = ""
					}
					if err := os.WriteFile(filepath.Join(folder, f.name), []byte(f.text), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(1500 * time.Millisecond)
			}
		},
		"a folder changed by its symbolic link, as Kubernetes does": func(t *testing.T, folder string) {
			next := t.TempDir()
			hereafter.write(t, next)
			if err := os.Symlink(next, folder+".next"); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(folder+".next", folder); err != nil {
				t.Fatal(err)
			}
		},
		"files that vanish and come back": func(t *testing.T, folder string) {
			for _, name := range []string{"id", "key"} {
				if err := os.Remove(filepath.Join(folder, name)); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(10 * time.Second)
			hereafter.write(t, folder)
		},
	} {
		t.Run(name, func(t *testing.T) {
			first, folder := t.TempDir(), filepath.Join(t.TempDir(), "keys")
			formerly.write(t, first)
			if err := os.Symlink(first, folder); err != nil {
				t.Fatal(err)
			}
			inHouse(t, fromFiles(t, folder), func(h *house) {
				h.signers.Store(tc3.NewChecker(accepting(formerly)))
				var crowd []answer
				over := make(chan struct{})
				go func() { crowd = h.crowd("login", 20, 25*time.Second); close(over) }()
				time.Sleep(2 * time.Second)
				h.signers.Load().SetKeys(accepting(formerly, hereafter))
				change(h.t, folder)
				time.Sleep(5 * time.Second)
				h.signers.Load().SetKeys(accepting(hereafter))
				<-over
				h.all("while the keys changed", crowd, "allow verified normal -")
				h.rotated()
			})
		})
	}
}

// rotated checks what is told of a rotation: once, and no secret.
func (h *house) rotated() {
	h.t.Helper()
	want := "gateway: keys were read again from their files; changed: drop_in.credentials[0].secret_key, upstream.secret_id, upstream.secret_key, upstream.session_token"
	if got := h.audits("reload"); !slices.Equal(got, []string{want}) {
		h.t.Errorf("audit: %q", got)
	}
	log := h.log.String()
	if n := strings.Count(log, "keys were read again from their files"); n != 1 {
		h.t.Errorf("the log tells it %d times", n)
	}
	for _, secret := range []string{formerly.id, formerly.key, formerly.token, hereafter.id, hereafter.key, hereafter.token, hereafter.key[:10]} {
		if strings.Contains(log, secret) {
			h.t.Errorf("the log holds %q", secret)
		}
	}
}

// Files that cannot be used change nothing, and are told of once.
func TestRotation_BadFilesChangeNothing(t *testing.T) {
	long(t)
	for name, spoil := range map[string]func(file string) error{
		"missing":          os.Remove,
		"empty":            func(file string) error { return os.Truncate(file, 0) },
		"not a key":        func(file string) error { return os.WriteFile(file, []byte("later key with spaces"), 0o600) },
		"a folder instead": func(file string) error { return firstError(os.Remove(file), os.Mkdir(file, 0o700)) },
		"far too long":     func(file string) error { return os.Truncate(file, 2<<20) },
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			formerly.write(t, folder)
			inHouse(t, fromFiles(t, folder), func(h *house) {
				h.signers.Store(tc3.NewChecker(accepting(formerly)))
				if err := spoil(filepath.Join(folder, "key")); err != nil {
					t.Fatal(err)
				}
				h.all("with a bad file", h.crowd("login", 5, 2*time.Minute), "allow verified normal -")
				if n := strings.Count(h.log.String(), "keys were not read again"); n != 1 {
					t.Errorf("it is told %d times, want once:\n%s", n, h.log.String())
				}
				if got := h.audits("reload"); len(got) > 0 {
					t.Errorf("audit: %q", got)
				}
			})
		})
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// The drop-in takes its callers' new keys from files and by a reload, and the old ones no
// more, unless both are configured.
func TestRotation_KeysOfTheDropIn(t *testing.T) {
	folder := t.TempDir()
	formerly.write(t, folder)
	inHouse(t, fromFiles(t, folder), func(h *house) {
		h.signers.Store(tc3.NewChecker(accepting(formerly, hereafter)))
		call := func(id, key string) string {
			s := h.throughGateway()
			s.id, s.key = id, key
			got, err := s.asks(t, h.ticket(simulator.TicketValid), false, nil)
			if err != nil {
				return said(err)
			}
			return fmt.Sprint(got["CaptchaCode"])
		}
		expect := func(when, id, key, want string) {
			t.Helper()
			if got := call(id, key); got != want {
				t.Errorf("%s: %s, want %s", when, got, want)
			}
		}
		expect("the backend's key", "AKIDSHOP", formerly.key, "1")
		expect("upstream's key", formerly.id, formerly.key, "1")
		hereafter.write(t, folder)
		time.Sleep(5 * time.Second)
		expect("the backend's old key", "AKIDSHOP", formerly.key, "AuthFailure.SignatureFailure")
		expect("the backend's new key", "AKIDSHOP", hereafter.key, "1")
		expect("upstream's old key", formerly.id, formerly.key, "AuthFailure.SecretIdNotFound")
		expect("upstream's new key", hereafter.id, hereafter.key, "1")

		h.reloads(func(c *config.Config) {
			c.Upstream.SecretID, c.Upstream.SecretKey, c.Upstream.SessionToken = hereafter.id, hereafter.key, hereafter.token
			c.DropIn = public.DropIn{Scene: "login", Credentials: []public.Credential{{SecretID: "AKIDSHOP", SecretKey: hereafter.key}, {SecretID: "AKIDBLOG", SecretKey: "key-of-the-blog"}}}
		})
		expect("a key that stays", "AKIDSHOP", hereafter.key, "1")
		expect("a key that a reload brings", "AKIDBLOG", "key-of-the-blog", "1")
		expect("upstream's key", hereafter.id, hereafter.key, "1")
		formerly.write(t, folder) // which nothing names any more
		time.Sleep(5 * time.Second)
		expect("a key whose file is no longer named", "AKIDSHOP", hereafter.key, "1")
	})
}
