package gateway_test

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"captchagate/config"
)

// opened is what an encrypted app id says, by the key of secret. It is written
// out here by Tencent's rules alone.
func opened(t *testing.T, how, secret, encrypted string) string {
	t.Helper()
	sealed, err := base64.StdEncoding.DecodeString(encrypted)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher([]byte(strings.Repeat(secret, 32)[:32]))
	if err != nil {
		t.Fatal(err)
	}
	if how == "gcm" {
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := gcm.Open(nil, sealed[:12], sealed[12:], nil)
		if err != nil {
			t.Fatal(err)
		}
		return string(plain)
	}
	plain := make([]byte, len(sealed)-16)
	cipher.NewCBCDecrypter(block, sealed[:16]).CryptBlocks(plain, sealed[16:])
	padding := int(plain[len(plain)-1])
	for _, b := range plain[len(plain)-padding:] {
		if int(b) != padding {
			t.Fatalf("padded by %x", plain)
		}
	}
	return string(plain[:len(plain)-padding])
}

// A page gets the app id encrypted where the configuration says so, anew each
// time, and nowhere else.
func TestPage_GetsItsAppIDEncrypted(t *testing.T) {
	for _, secret := range []string{"k", "a-secret-of-25-characters", "a-secret-of-just-32-characters..", strings.Repeat("longer-than-32-", 4)} {
		for _, how := range []string{"cbc", "gcm"} {
			inHouse(t, func(c *config.Config) {
				c.Client.EncryptAppID, c.Client.AllowedOrigins = how, []string{"https://shop.example"}
				c.Upstream.Apps[0].AppSecretKey = secret
			}, func(h *house) {
				seen := map[string]bool{}
				for range 3 {
					w, _ := h.send(h.public, "GET", "/v1/app?scene=login", "", "Origin", "https://shop.example")
					var a struct {
						ID        uint64    `json:"captcha_app_id"`
						Encrypted string    `json:"aid_encrypted"`
						Expires   time.Time `json:"expires"`
					}
					if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != http.StatusOK || w.Header().Get("Access-Control-Allow-Origin") != "https://shop.example" {
						t.Fatalf("%d %s: %v", w.Code, w.Body, err)
					}
					now := time.Now()
					if got, want := opened(t, how, secret, a.Encrypted), fmt.Sprintf("190000001&%d&300", now.Unix()); got != want || a.ID != 190000001 || !a.Expires.Equal(now.Add(5*time.Minute).Truncate(time.Second)) {
						t.Errorf("%s: %q for %d until %v, want %q", how, got, a.ID, a.Expires, want)
					}
					seen[a.Encrypted] = true
					time.Sleep(time.Second)
				}
				if len(seen) != 3 {
					t.Errorf("%s: %d different ones of 3", how, len(seen))
				}
				if w, _ := h.send(h.public, "GET", "/v1/app?scene=nowhere", ""); w.Code != http.StatusBadRequest {
					t.Errorf("an unknown scene: %d", w.Code)
				}
				if w, _ := h.send(h.public, "HEAD", "/v1/app", ""); w.Code != http.StatusOK {
					t.Errorf("HEAD: %d", w.Code)
				}
			})
		}
	}
	inHouse(t, nil, func(h *house) {
		if w, _ := h.send(h.public, "GET", "/v1/app?scene=login", ""); w.Code != http.StatusNotFound {
			t.Errorf("switched off: %d %s", w.Code, w.Body)
		}
	})
}
