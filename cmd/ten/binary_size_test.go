package main

import (
	"debug/elf"
	"strings"
	"testing"
)

// heaviest is how many bytes of ten may be mapped, which is a stripped binary but for
// its section headers: what it has, and a little. docs/bench.md says of what it is made.
const heaviest = 19.2e6

// The linker leaves out what nobody calls. But as soon as one function that is
// called finds methods by a name that it computes, as text/template does, every
// exported method stays, and with it brotli, zstd and all else that fasthttp and
// others could do: a third of the binary.
func TestBinary_IsLightAndHoldsOnlyWhatIsCalled(t *testing.T) {
	f, err := elf.Open(binary(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var mapped uint64
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD {
			mapped += p.Filesz
		}
	}
	if mapped > heaviest {
		t.Errorf("%.1f MB are mapped, at most %.1f may be: `go tool nm -size -sort size ten` says what they are", float64(mapped)/1e6, heaviest/1e6)
	}
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	called, uncalled := false, 0
	for _, s := range symbols {
		called = called || s.Name == "github.com/valyala/fasthttp.(*Server).Serve"
		if strings.HasPrefix(s.Name, "text/template.(*Template).") || strings.HasPrefix(s.Name, "github.com/molecule-man/go-brrr.(*") {
			uncalled++
			if uncalled < 5 {
				t.Errorf("%s is in the binary, and nobody calls it", s.Name)
			}
		}
	}
	if uncalled > 0 {
		t.Error("something finds methods by name: go build -ldflags=-dumpdep ./cmd/ten 2>&1 | go run github.com/aarzilli/whydeadcode@latest")
	}
	if !called {
		t.Error("this test does not see the symbols that are there")
	}
}
