// Package sandbox starts, watches and ends the operating system's processes of
// tenants: a Spec goes in, a Process comes out. It owns process identity
// (pidfd, start time, boot id), cgroups, output pipes, readiness and the ending
// of whole process trees. It decides nothing: when to start, whether to restart
// and whom to tell is the actors' business. It knows nothing of tenement.toml.
package sandbox
