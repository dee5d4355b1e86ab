package conf

import (
	"errors"
	"fmt"
	"strings"
)

// split cuts a command into words by the quoting rules of POSIX sh, and nothing
// else of sh: no variables, no globs, no operators, and no comments, because
// "#fff" is an argument like another. google/shlex drops the rest of the line at
// such a word, and turns "\n" inside double quotes into "n".
func split(command string) ([]string, error) {
	var words []string
	var word strings.Builder
	open := false // a word was begun, even if it is empty so far ('')
	for i := 0; i < len(command); {
		switch c := command[i]; c {
		case ' ', '\t', '\n', '\r':
			if open {
				words = append(words, word.String())
				word.Reset()
				open = false
			}
			i++
		case '\'', '"':
			n, err := quoted(&word, command[i:])
			if err != nil {
				return nil, err
			}
			open = true
			i += n
		case '\\':
			if i+1 == len(command) {
				return nil, errors.New("ends in a backslash that quotes nothing")
			}
			if command[i+1] != '\n' { // a continued line joins up
				word.WriteByte(command[i+1])
				open = true
			}
			i += 2
		default:
			word.WriteByte(c)
			open = true
			i++
		}
	}
	if open {
		words = append(words, word.String())
	}
	return words, nil
}

// quoted appends what stands between the quotes that s begins with, and returns
// the length of all that, quotes included.
func quoted(word *strings.Builder, s string) (int, error) {
	quote := s[0]
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == quote:
			return i + 1, nil
		case quote == '"' && s[i] == '\\' && i+1 < len(s) && strings.IndexByte("$`\"\\\n", s[i+1]) >= 0:
			i++
			if s[i] != '\n' {
				word.WriteByte(s[i])
			}
		default:
			word.WriteByte(s[i])
		}
	}
	return 0, fmt.Errorf("has a %c quote that is never closed", quote)
}
