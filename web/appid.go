package web

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"time"
)

// How an app id is encrypted: Config.EncryptAppID.
const (
	EncryptCBC = "cbc" // AES-256-CBC with PKCS #7
	EncryptGCM = "gcm" // AES-256-GCM
)

// appIDLife is how long an encrypted app id may be used: as long as the ticket
// that comes of it. Tencent takes up to a day.
const appIDLife = 5 * time.Minute

// appIDKept is how long a page keeps one that it asked for ahead: what is left
// is for the captcha to load with it.
const appIDKept = appIDLife - time.Minute

// AppID encrypts an app id for Tencent's page script, which wants that where the
// console enforces it (option aidEncrypted). It is safe for concurrent use.
type AppID struct {
	id    uint64
	block cipher.Block
	gcm   cipher.AEAD // nil: CBC
}

// NewAppID returns the AppID of an app with this AppSecretKey; how is EncryptCBC
// or EncryptGCM.
func NewAppID(how string, id uint64, secret string) (*AppID, error) {
	if secret == "" || how != EncryptCBC && how != EncryptGCM {
		return nil, fmt.Errorf("web: an app id is encrypted by %s or %s with an app_secret_key", EncryptCBC, EncryptGCM)
	}
	key := bytes.Repeat([]byte(secret), 32/len(secret)+1)[:32] // Tencent's rule
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	a := &AppID{id: id, block: block}
	if how == EncryptGCM {
		a.gcm, err = cipher.NewGCM(block)
	}
	return a, err
}

// Encrypt returns the app id, and what proves for five minutes from now that
// who has it was served by the app's owner: Base64 of IV and ciphertext.
func (a *AppID) Encrypt(now time.Time) (id uint64, encrypted string, expires time.Time) {
	plain := fmt.Appendf(nil, "%d&%d&%d", a.id, now.Unix(), int(appIDLife.Seconds()))
	return a.id, base64.StdEncoding.EncodeToString(a.seal(plain)), now.Add(appIDLife)
}

// seal is IV and ciphertext, in GCM with its tag at the end.
func (a *AppID) seal(plain []byte) []byte {
	if a.gcm != nil {
		iv := random(a.gcm.NonceSize())
		return a.gcm.Seal(iv, iv, plain, nil)
	}
	n := aes.BlockSize - len(plain)%aes.BlockSize
	plain = append(plain, bytes.Repeat([]byte{byte(n)}, n)...)
	iv := random(aes.BlockSize)
	sealed := make([]byte, len(plain))
	cipher.NewCBCEncrypter(a.block, iv).CryptBlocks(sealed, plain)
	return append(iv, sealed...)
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails: it ends the process instead
	return b
}
