//go:build race

package e2e

// raceEnabled: the daemon is built with the race detector as well. Its memory
// then says nothing, and a race it finds fails the test.
const raceEnabled = true
