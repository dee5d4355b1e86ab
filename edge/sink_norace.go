//go:build !race

package edge

// See sink_race.go.

func written() {}

func haveRead(int) {}
