package conf

import (
	"strings"

	"github.com/BurntSushi/toml"
)

// maxDepth of tables and arrays is four times what any key needs. BurntSushi/toml
// has no limit, and takes memory by the square of the depth: 5 GB for 340 kB.
const maxDepth = 16

// node is the place of one TOML value. BurntSushi/toml tells lines only of what
// it refuses itself; every check of ours needs them too, so the document is
// walked a second time, for places only. The tree has the shape of the decoded
// document; where it should ever differ, the line of the nearest known parent is
// used: a worse line, never a line outside the file or a panic.
type node struct {
	line  int              // 1-based, of the key, or of the element of an array
	seq   int              // order of appearance
	text  string           // as written, of what is no string, array or table
	kids  map[string]*node // of a table
	elems []*node          // of an array, static or of tables
}

// last is where a header continues: in the newest element of an array of tables.
func (n *node) last() *node {
	if len(n.elems) > 0 {
		return n.elems[len(n.elems)-1]
	}
	return n
}

// scanner reads places from valid TOML. Given anything else it still ends, with
// some tree.
type scanner struct {
	src       string
	pos, line int
	seq       int
	depth     int // of the value being read
	tooDeep   int // the line where depth first passed maxDepth; 0 = nowhere
}

// scan returns the root of the tree, and the line where the document is nested
// too deeply, or 0; the tree ends there.
func scan(src string) (root *node, tooDeep int) {
	for _, bom := range []string{"\xff\xfe", "\xfe\xff", "\xef\xbb\xbf"} { // those that toml skips
		if strings.HasPrefix(src, bom) {
			src = src[len(bom):]
			break
		}
	}
	s := &scanner{src: src, line: 1}
	root = s.node()
	table := root
	for s.blank(); s.more(); s.blank() {
		start := s.pos
		if s.src[s.pos] == '[' {
			table = s.header(root)
		} else {
			s.entry(table)
		}
		s.ensureAfter(start)
	}
	return root, s.tooDeep
}

func (s *scanner) more() bool { return s.pos < len(s.src) }

func (s *scanner) rest() string { return s.src[s.pos:] }

// to moves on to a position; every step goes through here, so that no newline
// is missed.
func (s *scanner) to(pos int) {
	pos = min(pos, len(s.src))
	s.line += strings.Count(s.src[s.pos:pos], "\n")
	s.pos = pos
}

// ensureAfter makes sure that a loop ends whatever the bytes are.
func (s *scanner) ensureAfter(start int) {
	if s.pos == start {
		s.to(start + 1)
	}
}

// skip steps over c if it comes next.
func (s *scanner) skip(c byte) bool {
	if !s.more() || s.src[s.pos] != c {
		return false
	}
	s.to(s.pos + 1)
	return true
}

func (s *scanner) spaces() {
	s.to(len(s.src) - len(strings.TrimLeft(s.rest(), " \t")))
}

// blank skips white space, newlines and comments.
func (s *scanner) blank() {
	for {
		s.to(len(s.src) - len(strings.TrimLeft(s.rest(), " \t\r\n")))
		if !s.more() || s.src[s.pos] != '#' {
			return
		}
		s.until("\n")
	}
}

// until moves on to the first of the characters, or to the end.
func (s *scanner) until(chars string) string {
	rest := s.rest()
	if i := strings.IndexAny(rest, chars); i >= 0 {
		rest = rest[:i]
	}
	s.to(s.pos + len(rest))
	return rest
}

func (s *scanner) node() *node {
	s.seq++
	return &node{line: s.line, seq: s.seq}
}

// kid is the entry of a table under key, made here if it is new.
func (s *scanner) kid(n *node, key string) *node {
	if n.kids == nil {
		n.kids = map[string]*node{}
	}
	if n.kids[key] == nil {
		n.kids[key] = s.node()
	}
	return n.kids[key]
}

// header reads [a.b] or [[a.b]] and returns the table that follows it.
func (s *scanner) header(root *node) *node {
	line := s.line
	s.skip('[')
	array := s.skip('[')
	n := root
	keys := s.keys()
	for _, key := range keys {
		n = s.kid(n.last(), key)
	}
	s.descend(len(keys))
	s.depth -= len(keys)
	s.skip(']')
	if !array {
		n.line = line // rather than that of [a.b.c], if that came first
		return n
	}
	s.skip(']')
	n.elems = append(n.elems, s.node())
	return n.last()
}

// entry reads key = value into a table.
func (s *scanner) entry(n *node) {
	keys := s.keys()
	for _, key := range keys {
		n = s.kid(n.last(), key) // the library, not TOML, lets a dotted key reach into an array of tables
	}
	s.descend(len(keys))
	s.skip('=')
	s.spaces()
	s.value(n)
	s.depth -= len(keys)
}

// keys reads a, "a b" or a.b.c.
func (s *scanner) keys() []string {
	var keys []string
	for {
		s.spaces()
		keys = append(keys, s.key())
		s.spaces()
		if !s.skip('.') {
			return keys
		}
	}
}

// descend notes that what follows lies n levels deeper, and gives up on the rest
// of a document that nobody has written by hand.
func (s *scanner) descend(n int) {
	s.depth += n
	if s.depth > maxDepth && s.tooDeep == 0 {
		s.tooDeep = s.line
		s.to(len(s.src))
	}
}

func (s *scanner) key() string {
	if !s.more() || s.src[s.pos] != '"' && s.src[s.pos] != '\'' {
		return s.until(" \t\r\n.=]")
	}
	raw := s.literal()
	if raw[0] == '"' && strings.Contains(raw, `\`) {
		var doc struct{ K string }
		if _, err := toml.Decode("K="+raw, &doc); err == nil {
			return doc.K
		}
	}
	return strings.Trim(raw, raw[:1])
}

func (s *scanner) value(n *node) {
	if !s.more() {
		return
	}
	switch s.src[s.pos] {
	case '"', '\'':
		s.literal()
	case '[':
		s.list(']', func() {
			n.elems = append(n.elems, s.node())
			s.descend(1)
			s.value(n.last())
			s.depth--
		})
	case '{':
		s.list('}', func() { s.entry(n) })
	default:
		n.text = strings.TrimSpace(s.until(",]}#\n"))
	}
}

// list reads what stands between an opening bracket and its end.
func (s *scanner) list(end byte, item func()) {
	s.to(s.pos + 1)
	for s.blank(); s.more() && !s.skip(end); s.blank() {
		if s.skip(',') {
			continue
		}
		start := s.pos
		item()
		s.ensureAfter(start)
	}
}

// literal steps over any of the four kinds of string and returns it as written.
func (s *scanner) literal() string {
	start, rest := s.pos, s.rest()
	quote := rest[:1]
	if strings.HasPrefix(rest, quote+quote+quote) {
		quote = rest[:3]
	}
	i := len(quote)
	for i < len(rest) && !strings.HasPrefix(rest[i:], quote) {
		if rest[i] == '\\' && quote[0] == '"' {
			i++
		}
		i++
	}
	i += len(quote)
	for extra := 0; len(quote) == 3 && extra < 2 && i < len(rest) && rest[i] == quote[0]; extra++ {
		i++ // a multi-line string may end in quotes of its own: """a"""""
	}
	s.to(s.pos + i)
	return s.src[start:s.pos]
}
