// Command bench measures the built ten binary from outside, as a visitor and an
// operator would see it; it imports nothing of ours. What it prints it also
// writes, as text and as JSON, to bench/results. What is compared is measured
// in turns (A B A B), each at least 30 times, and given as medians; failures
// are counted, never left out.
//
// A suite is a file named after it, and a line in suites (main.go).
package main
