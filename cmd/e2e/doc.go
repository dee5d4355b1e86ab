// Package e2e holds no code of its own: its tests run the real ten binary with
// real apps over real sockets and look at it from outside, as a user, a
// neighbour and a stranger would. They import nothing of ours, so that nothing
// passes because both sides share a mistake. The apps are examples/ and
// testdata/apps; those that are not installed are skipped by name.
package e2e
