// Package ledger owns the registry: the one file that says which tenants exist
// and which tokens are valid. It is a bbolt store with one fsync for any number
// of changes. A damaged, foreign or newer file is refused with a sentence that
// says what to do; it never panics, hangs or is written to. Who may change what,
// and what a change means for a running tenant, is the business of actors.
package ledger
