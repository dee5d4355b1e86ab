// Command bench measures the built ten binary, and others that do the same, from
// outside, as a visitor and an operator would see them; it imports nothing of ours.
// What it prints it also writes, as text, as JSON and for benchstat, to
// bench/results. What is compared is measured in turns (turns.go) and given as
// medians; failures are counted, never left out; noise.go says what else went on.
//
// A suite is a file named after it, and a line in suites (main.go). docs/bench.md
// says what each measures, and how.
package main
