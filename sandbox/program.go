package sandbox

import (
	"debug/elf"
	"encoding/binary"
)

const (
	loadAt     = 0x400000
	headerSize = 64 + 56 // an ELF header and one program header
)

// program makes a whole static program of machine code that runs from its first
// byte: one segment, read-only.
func program(machine elf.Machine, code []byte) []byte {
	size := uint64(headerSize + len(code))
	header := elf.Header64{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(machine), Version: uint32(elf.EV_CURRENT),
		Entry: loadAt + headerSize, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1,
	}
	segment := elf.Prog64{
		Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X),
		Vaddr: loadAt, Paddr: loadAt, Filesz: size, Memsz: size, Align: 0x10000, // arm64's largest page
	}
	image, err := binary.Append(nil, binary.LittleEndian, header)
	if err == nil {
		image, err = binary.Append(image, binary.LittleEndian, segment)
	}
	if err != nil {
		panic(err) // both are of fixed size
	}
	return append(image, code...)
}
