package sqlite

import (
	"errors"
	"fmt"
	"strings"
)

// Errors that callers branch on with errors.Is.
var (
	// ErrNotFound: the store holds no such incident, revision or fact.
	ErrNotFound = errors.New("not found")
	// ErrReadOnly: a writing method was called on a store opened with OpenReadOnly.
	ErrReadOnly = errors.New("the store was opened for reading only")
	// ErrCursor: a cursor was not made by this store for this query.
	ErrCursor = errors.New("the cursor does not belong to this query: start again without one")
	// ErrConflict: what is to be written contradicts what is stored under the same key.
	ErrConflict = errors.New("contradicts what is stored")
	// ErrInvalid: an argument is outside its limits.
	ErrInvalid = errors.New("invalid")

	errClosed = errors.New("the store is closed")
)

// StaleRevisionError refuses a revision that is older than the stored one, and is not what was stored as that revision.
type StaleRevisionError struct {
	ID               string
	Revision, Stored int
}

// Error names both revisions.
func (e *StaleRevisionError) Error() string {
	return fmt.Sprintf("incident %s: revision %d is older than the stored revision %d, and not the revision %d that is stored (another run's store? use a new folder)",
		e.ID, e.Revision, e.Stored, e.Revision)
}

// InUseError says that another process writes the folder.
type InUseError struct {
	Dir string
	PID string // of the writer, as it wrote it down; may be empty
}

// Error is one line for the operator.
func (e *InUseError) Error() string {
	by := "another process"
	if e.PID != "" {
		by = "process " + e.PID
	}
	return fmt.Sprintf("store folder %s is in use by %s: stop it or choose another folder", e.Dir, by)
}

// NewerSchemaError says that newer software wrote the file.
type NewerSchemaError struct{ Found, Supported int }

// Error says what to do.
func (e *NewerSchemaError) Error() string {
	return fmt.Sprintf("schema %d was written by newer software (this one knows up to %d): upgrade corewatch, or use another folder", e.Found, e.Supported)
}

// CorruptError says that a stored value failed its verification; What names it.
type CorruptError struct {
	What string
	Err  error
}

// Error names the value and what is wrong with it.
func (e *CorruptError) Error() string { return "corrupt " + e.What + ": " + e.Err.Error() }

// Unwrap gives the reason.
func (e *CorruptError) Unwrap() error { return e.Err }

// CheckError lists what Check found wrong; the list is cut at maxProblems and More counts the rest.
type CheckError struct {
	Problems []string
	More     int
}

// Error lists the problems, one a line.
func (e *CheckError) Error() string {
	text := fmt.Sprintf("%d problems:\n  %s", len(e.Problems)+e.More, strings.Join(e.Problems, "\n  "))
	if e.More > 0 {
		text += fmt.Sprintf("\n  and %d more", e.More)
	}
	return text
}

// Primary result codes of SQLite (https://www.sqlite.org/rescode.html) that get a line of their own.
const (
	codeBusy     = 5
	codeReadOnly = 8
	codeCorrupt  = 11
	codeFull     = 13
	codeCantOpen = 14
	codeNotADB   = 26
)

// explain adds what to do to the driver's errors.
func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case isCode(err, codeBusy):
		return fmt.Errorf("another process holds the file too long, try again: %w", err)
	case isCode(err, codeReadOnly), isCode(err, codeCantOpen):
		return fmt.Errorf("the file cannot be opened or written, look at the rights of the folder: %w", err)
	case isCode(err, codeCorrupt):
		return fmt.Errorf("the file is damaged, restore a backup: %w", err)
	case isCode(err, codeFull):
		return fmt.Errorf("the disk is full, nothing of this call was stored: %w", err)
	case isCode(err, codeNotADB):
		return fmt.Errorf("%s is not a database of corewatch: %w", FileName, err)
	}
	return err
}
