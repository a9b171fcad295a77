package inbound

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
)

// failure is what is known of an error or a panic of the caller's code. It is read
// once, under guard: an error can panic over its own text, and over its chain.
type failure struct {
	text  string // fit for a log
	stack string // of a panic
	lost  bool   // it is ErrLeaseLost
	later bool   // it was made by Later
	abort bool   // it is http.ErrAbortHandler
}

// exited stands where the caller's code ended its goroutine instead of returning.
var exited = &failure{text: "runtime.Goexit was called"}

// guarded runs the caller's code. nil is success.
func (e *Engine[T]) guarded(f func() error) (failed *failure) {
	defer func() {
		if p := recover(); p != nil {
			failed = e.panicked(p)
		}
	}()
	err := f()
	if err == nil {
		return nil
	}
	var later *laterError
	return &failure{
		text:  e.text(err),
		lost:  errors.Is(err, ErrLeaseLost),
		later: errors.As(err, &later),
		abort: errors.Is(err, http.ErrAbortHandler),
	}
}

// panicked describes a panic. Of its value only the type is told, since the value
// can hold the payload. The runtime's own errors hold none.
func (e *Engine[T]) panicked(value any) *failure {
	f := &failure{text: fmt.Sprintf("panic of type %T", value), stack: string(debug.Stack()), abort: value == http.ErrAbortHandler}
	if err, ok := value.(runtime.Error); ok {
		f.text = "panic: " + e.text(err)
	}
	return f
}

// text returns an error's text as it may be logged. An error of the caller's can
// panic over its own text (a nil pointer in the interface does), and Mask is given
// by a caller too.
func (e *Engine[T]) text(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("error of type %T", err)
		}
	}()
	return e.Mask(err.Error())
}

// laterError asks for 503 instead of 500.
type laterError struct{ error }

// Unwrap returns the cause.
func (e *laterError) Unwrap() error { return e.error }

// Later makes an error of Call one of circumstances, not of the delivery: the
// sender gets 503.
func Later(err error) error { return &laterError{err} }
