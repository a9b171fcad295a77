package inbound

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

// maxAhead is how much memory a request gets on the word of its Content-Length.
const maxAhead = 64 << 10

// screen refuses what need not be read.
func (e *Engine[T]) screen(r *http.Request) reply {
	switch {
	case r.Method != http.MethodPost:
		return reply{status: http.StatusMethodNotAllowed}
	case isEncoded(r.Header) || isForm(r.Header.Get("Content-Type")):
		return reply{status: http.StatusUnsupportedMediaType, hangUp: true}
	case r.ContentLength > e.MaxBody:
		return reply{status: http.StatusRequestEntityTooLarge, hangUp: true}
	}
	return reply{}
}

// isEncoded reports whether a body is compressed: what was signed is then not what
// was sent, and a small request could become a large one.
func isEncoded(h http.Header) bool {
	for _, value := range h.Values("Content-Encoding") {
		for coding := range strings.SplitSeq(value, ",") {
			if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "identity") {
				return true
			}
		}
	}
	return false
}

// isForm reports the media types of web forms. All others pass: the signature
// decides, and K2's is application/json.
func isForm(contentType string) bool {
	mediaType, _, _ := strings.Cut(contentType, ";")
	mediaType = strings.ToLower(strings.TrimSpace(mediaType))
	return mediaType == "application/x-www-form-urlencoded" || strings.HasPrefix(mediaType, "multipart/")
}

// read takes in the body as it arrives.
func (e *Engine[T]) read(w http.ResponseWriter, r *http.Request) ([]byte, reply) {
	if r.Body == nil {
		return nil, reply{status: http.StatusBadRequest}
	}
	control := http.NewResponseController(w)
	limited := control.SetReadDeadline(time.Now().Add(e.ReadTimeout)) == nil
	var buf bytes.Buffer
	buf.Grow(int(min(max(r.ContentLength, 0), maxAhead)) + bytes.MinRead)
	_, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, e.MaxBody))
	if err != nil {
		return nil, e.unread(r.Context(), err)
	}
	if limited {
		_ = control.SetReadDeadline(time.Time{}) // the connection may serve further requests
	}
	switch size := int64(buf.Len()); {
	case size == 0 && r.ContentLength > 0:
		return nil, e.alreadyRead(r.Context())
	case size == 0 || size < r.ContentLength:
		return nil, reply{status: http.StatusBadRequest}
	}
	return buf.Bytes(), reply{}
}

// unread says why a body could not be read.
func (e *Engine[T]) unread(ctx context.Context, err error) reply {
	var tooLarge *http.MaxBytesError
	var timeout net.Error
	switch {
	case errors.As(err, &tooLarge):
		return reply{status: http.StatusRequestEntityTooLarge, hangUp: true}
	case errors.As(err, &timeout) && timeout.Timeout():
		return reply{status: http.StatusRequestTimeout, hangUp: true}
	case errors.Is(err, http.ErrBodyReadAfterClose):
		return e.alreadyRead(ctx)
	}
	return reply{status: http.StatusBadRequest, hangUp: true} // mostly a sender that is gone: nobody reads it
}

// alreadyRead reports a mistake of the program's: without the raw bytes no
// signature can be verified.
func (e *Engine[T]) alreadyRead(ctx context.Context) reply {
	e.eaten.raise(ctx, e.Logger, slog.LevelError, e.Name+
		": the request's body was read before it got here, so its signature cannot be verified; put this handler in front of whatever reads or parses bodies")
	return reply{status: http.StatusInternalServerError, hangUp: true}
}
