package journal

import (
	"bytes"
	"context"
	"io"
)

// firstBlock is enough for the last hundred lines of most; later ones are bigger.
const (
	firstBlock = 16 << 10
	nextBlock  = 64 << 10
)

// backward reads a file's lines from its end to its start, in blocks.
type backward struct {
	file io.ReaderAt
	at   int64  // where buf begins in the file
	buf  []byte // read and not yet given
	// unfinished: what follows the last '\n' in buf is not a whole line, as at the
	// end of a file that is being written, or in garbage too long for a line.
	unfinished bool
	read       bool // a block has been read
}

// line gives the line before, without its end, valid until the next call; nil
// at the start of the file.
func (b *backward) line(ctx context.Context) ([]byte, error) {
	for {
		i := bytes.LastIndexByte(b.buf, '\n')
		if i < 0 && b.at > 0 {
			if err := b.block(ctx); err != nil {
				return nil, err
			}
			continue
		}
		if i < 0 && len(b.buf) == 0 {
			return nil, nil
		}
		line, unfinished := b.buf[i+1:], b.unfinished
		b.buf, b.unfinished = b.buf[:max(i, 0)], false
		if !unfinished {
			return line, nil
		}
	}
}

// block reads the block before.
func (b *backward) block(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(b.buf) > maxStored {
		b.buf, b.unfinished = nil, true
	}
	size := int64(nextBlock)
	if !b.read {
		size, b.read = firstBlock, true
	}
	size = min(size, b.at)
	buf := make([]byte, size, size+int64(len(b.buf)))
	if _, err := b.file.ReadAt(buf, b.at-size); err != nil {
		return err
	}
	b.buf = append(buf, b.buf...)
	b.at -= size
	return nil
}
