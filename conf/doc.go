// Package conf owns tenement.toml and the names of tenants: types, defaults,
// checks with the line to mend, templates. A Config never changes after Load.
// It knows nothing of processes, actors or HTTP, and imports nothing of ours.
package conf
