package signature

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// signed are the names under which the code that verifies has a signature, or what one
// is compared with.
var signed = []string{"mac", "sig", "signature", "digest", "want", "sum"}

// isSigned reports whether an expression is a signature, a part of one or made of one:
// mac, mac[:], string(mac), hex.EncodeToString(mac), or a call of Sum, Sign or v.sum.
// Its length is none.
func isSigned(e ast.Expr) bool {
	found := false
	ast.Inspect(e, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.CallExpr:
			name := called(x)
			if name == "len" || name == "cap" {
				return false
			}
			if slices.Contains([]string{"Sum", "Sign", "sum"}, name[strings.LastIndex(name, ".")+1:]) {
				found = true
			}
		case *ast.Ident:
			found = found || slices.Contains(signed, x.Name)
		case *ast.SelectorExpr:
			found = found || slices.Contains([]string{"mac", "sig", "signature"}, x.Sel.Name)
			return false // v.digest.name is no digest
		}
		return !found
	})
	return found
}

// called is the name of a function that is called: "bytes.Equal".
func called(c *ast.CallExpr) string {
	switch f := c.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok {
			return x.Name + "." + f.Sel.Name
		}
		return f.Sel.Name
	}
	return ""
}

// comparisons returns how a file compares signatures: "==" or the function's name, and
// where. To compare one with a constant is none: it asks whether there is one.
func comparisons(t *testing.T, files *token.FileSet, name string, source any) (how []string, where []token.Position) {
	t.Helper()
	file, err := parser.ParseFile(files, name, source, 0)
	require.NoError(t, err)
	note := func(n ast.Node, what string) {
		how, where = append(how, what), append(where, files.Position(n.Pos()))
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.BinaryExpr:
			_, constant := x.Y.(*ast.BasicLit)
			if slices.Contains([]token.Token{token.EQL, token.NEQ, token.LSS, token.GTR}, x.Op) && !constant && (isSigned(x.X) || isSigned(x.Y)) {
				note(x, x.Op.String())
			}
		case *ast.CallExpr:
			name := called(x)
			compares := strings.HasPrefix(name, "bytes.") || strings.HasPrefix(name, "strings.") || strings.HasPrefix(name, "slices.") ||
				strings.HasPrefix(name, "reflect.") || strings.HasPrefix(name, "subtle.") || name == "hmac.Equal"
			if compares && slices.ContainsFunc(x.Args, isSigned) {
				note(x, name)
			}
		case *ast.SwitchStmt:
			if x.Tag != nil && isSigned(x.Tag) {
				note(x, "switch")
			}
		case *ast.IndexExpr: // a map of signatures, or byte by byte
			if isSigned(x.Index) {
				note(x, "index")
			}
		}
		return true
	})
	return how, where
}

// TestOnlyOneComparisonInTheModule reads the source, since no test of behaviour tells
// == from hmac.Equal: of all the code that handles signatures, one line compares them,
// in constant time.
func TestOnlyOneComparisonInTheModule(t *testing.T) {
	root := filepath.Join("..", "..")
	files := token.NewFileSet()
	var all []string
	for _, pattern := range []string{"internal/signature/*.go", "internal/inbound/*.go", "webhooks.go", "handler.go", "kyshi/*.go"} {
		names, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		require.NoError(t, err)
		require.NotEmpty(t, names, pattern)
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			how, where := comparisons(t, files, name, nil)
			for i, h := range how {
				all = append(all, h)
				require.Equal(t, "hmac.Equal", h, "%v compares a signature", where[i])
				require.Equal(t, "signature.go", filepath.Base(where[i].Filename))
			}
		}
	}
	require.Equal(t, []string{"hmac.Equal"}, all)
}

// TestEveryKeyIsTriedToTheEnd: nothing leaves the loop over the keys before its end.
func TestEveryKeyIsTriedToTheEnd(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "signature.go", nil, 0)
	require.NoError(t, err)
	loops := 0
	ast.Inspect(file, func(n ast.Node) bool {
		loop, ok := n.(*ast.RangeStmt)
		if !ok {
			return true
		}
		loops++
		ast.Inspect(loop.Body, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.ReturnStmt:
				t.Error("a return in the loop over the keys")
			case *ast.BranchStmt:
				require.Equal(t, token.CONTINUE, x.Tok, "a way out of the loop over the keys")
			case *ast.BinaryExpr:
				if x.Op == token.LAND && !isCall(x.X, "hmac.Equal") {
					require.False(t, contains(x.Y, "hmac.Equal"), "a comparison that is not made for every key")
				}
			}
			return true
		})
		return true
	})
	require.Equal(t, 1, loops)
}

func isCall(e ast.Expr, name string) bool {
	c, ok := e.(*ast.CallExpr)
	return ok && called(c) == name
}

func contains(e ast.Expr, name string) (found bool) {
	ast.Inspect(e, func(n ast.Node) bool {
		if c, ok := n.(*ast.CallExpr); ok && called(c) == name {
			found = true
		}
		return !found
	})
	return found
}

// The check itself has to see what it is for.
func TestComparisonsAreSeen(t *testing.T) {
	for source, want := range map[string][]string{
		`if string(mac) == string(Sum(h, key, body)) {}`:                {"=="},
		`if hex.EncodeToString(mac[:]) != sig {}`:                       {"!="},
		`if sig == Sign(body, key) {}`:                                  {"=="},
		`if bytes.Equal(mac, x) {}`:                                     {"bytes.Equal"},
		`if bytes.HasPrefix(Sum(h, key, body), mac) {}`:                 {"bytes.HasPrefix"},
		`if strings.EqualFold(sig, x) {}`:                               {"strings.EqualFold"},
		`if subtle.ConstantTimeCompare(mac, x) == 1 {}`:                 {"subtle.ConstantTimeCompare"},
		`if hmac.Equal(mac, x) {}`:                                      {"hmac.Equal"},
		`if r.mac == x {}`:                                              {"=="},
		`if [32]byte(mac) == x {}`:                                      {"=="},
		`if v.sum(body)[0] == x {}`:                                     {"=="},
		`switch string(mac) { case x: }`:                                {"switch"},
		`if known[string(mac)] {}`:                                      {"index"},
		`if len(sig) != 64 || sig == "" || index < 0 || d == nil {}`:    nil,
		`if len(sig) != len(digits) || d.hash != e.hash || n == 2*8 {}`: nil,
	} {
		how, _ := comparisons(t, token.NewFileSet(), "x.go", "package x\nfunc f() { "+source+" }")
		require.Equal(t, want, how, source)
	}
}
