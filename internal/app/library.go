package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/store/sqlite"
	"github.com/corewatch/corewatch/web"
)

// library shows a store to the pages.
type library struct{ *sqlite.Store }

var _ web.Library = library{}

// Incidents implements web.Library.
func (l library) Incidents(ctx context.Context, q web.Query) ([]detect.Incident, string, error) {
	list, next, err := l.Store.Incidents(ctx, sqlite.Query(q))
	if errors.Is(err, sqlite.ErrCursor) {
		err = fmt.Errorf("%w: %w", web.ErrCursor, err)
	}
	return list, next, err
}

// Incident implements web.Library.
func (l library) Incident(ctx context.Context, id string) (*detect.Incident, error) {
	inc, err := l.Store.Incident(ctx, id)
	return inc, notFound(err)
}

// Revision implements web.Library.
func (l library) Revision(ctx context.Context, id string, n int) (*detect.Incident, error) {
	inc, err := l.Store.Revision(ctx, id, n)
	return inc, notFound(err)
}

// notFound lets the pages know a missing thing from a failure.
func notFound(err error) error {
	if errors.Is(err, sqlite.ErrNotFound) {
		return fmt.Errorf("%w: %w", web.ErrNotFound, err)
	}
	return err
}
