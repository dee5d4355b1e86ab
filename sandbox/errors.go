package sandbox

import (
	"errors"
	"fmt"
)

// Errors that callers act on.
var (
	// ErrCannotExecute: the command can never run as it is written (missing,
	// not executable, no such working directory or interpreter). Trying again
	// without a change is pointless; every other error of Start may pass.
	ErrCannotExecute = errors.New("the command cannot run")
	// ErrGone: the recorded process is not there any more.
	ErrGone = errors.New("the process is gone")
	// ErrExited: the process ended before it was ready; see ExitedError.
	ErrExited = errors.New("the process ended before it was ready")
)

// ExitedError is what Process.Ready returns for a process that ended first. It
// matches ErrExited.
type ExitedError struct {
	Name   string
	Status Status
}

func (e *ExitedError) Error() string {
	return fmt.Sprintf("%s ended before it was ready: %s", e.Name, e.Status)
}

// Is makes errors.Is(err, ErrExited) true.
func (e *ExitedError) Is(target error) bool { return target == ErrExited }

// permanentError says why a command cannot run in its own words and matches
// ErrCannotExecute without repeating it in the message.
type permanentError struct{ reason error }

func (e *permanentError) Error() string        { return e.reason.Error() }
func (e *permanentError) Unwrap() error        { return e.reason }
func (e *permanentError) Is(target error) bool { return target == ErrCannotExecute }
