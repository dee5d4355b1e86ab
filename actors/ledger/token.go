package ledger

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// Scope says what a token may do.
type Scope string

// An admin token may do everything; a service token acts on that service's
// instances, a tenant token on those whose id is its own.
const (
	ScopeAdmin   Scope = "admin"
	ScopeService Scope = "service"
	ScopeTenant  Scope = "tenant"
)

// tokenPrefix lets people and secret scanners see what a leaked string is.
const tokenPrefix = "ten_"

// Token is a valid token as the registry keeps it: by its hash, never in plain.
type Token struct {
	Hash        [32]byte  `json:"-"` // HashToken of the plain text; the record's key
	Scope       Scope     `json:"scope"`
	Service     string    `json:"service,omitempty"` // "" = any service
	ID          string    `json:"id,omitempty"`      // of the tenant; "" for the other scopes
	ReadOnly    bool      `json:"read_only,omitempty"`
	Description string    `json:"description,omitempty"`
	Created     time.Time `json:"created,omitzero"`
	Expires     time.Time `json:"expires,omitzero"` // zero = never
}

// handleBytes of a hash name a token among all that one registry will ever have.
const handleBytes = 6

// Handle names the token to people; it opens nothing.
func (t Token) Handle() string { return hex.EncodeToString(t.Hash[:handleBytes]) }

// Primary reports the operator's own admin token, of which there is one: making
// another replaces it. One that may only look, or that expires, is beside it.
func (t Token) Primary() bool { return t.Scope == ScopeAdmin && !t.ReadOnly && t.Expires.IsZero() }

// Expired reports that the token is valid no more.
func (t Token) Expired(now time.Time) bool { return !t.Expires.IsZero() && now.After(t.Expires) }

// NewToken makes a token of 256 random bits: its plain text, to be shown once,
// and the hash to keep.
func NewToken() (plain string, hash [32]byte) {
	var secret [32]byte
	rand.Read(secret[:]) // never fails: it ends the program instead
	plain = tokenPrefix + hex.EncodeToString(secret[:])
	return plain, HashToken(plain)
}

// HashToken is how a presented token is looked up. Any text has a hash, so a
// token of the original's, whatever its form, stays valid. Plain SHA-256 is
// enough: what is hashed is not a password that could be guessed.
func HashToken(plain string) [32]byte { return sha256.Sum256([]byte(plain)) }

// check refuses a token that would be valid for nothing or for too much.
func (t Token) check() error {
	switch {
	case t.Scope == ScopeAdmin && t.ID == "" && t.Service == "":
		return nil
	case t.Scope == ScopeAdmin:
		return fmt.Errorf("an admin token has no tenant, this one says %q", t.Service+":"+t.ID)
	case t.Scope == ScopeService && t.Service != "" && t.ID == "":
		return nil
	case t.Scope == ScopeService:
		return fmt.Errorf("a service token names its service and nothing else, this one says %q", t.Service+":"+t.ID)
	case t.Scope == ScopeTenant && t.ID != "":
		return nil
	case t.Scope == ScopeTenant:
		return errors.New("a tenant token names its tenant's id, this one does not")
	}
	return fmt.Errorf("unknown scope %q", t.Scope)
}
