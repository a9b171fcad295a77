package webhooks_test

import (
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// compiler is the type checker of the go command, over the packages that this very
// module builds.
type compiler struct {
	fset  *token.FileSet
	types types.Importer
}

func newCompiler(t *testing.T) *compiler {
	t.Helper()
	list := exec.Command("go", "list", "-export", "-deps", "-f", "{{if .Export}}{{.ImportPath}}\t{{.Export}}{{end}}",
		"github.com/kopokopo-go/kopokopo", "context")
	list.Stderr = os.Stderr
	out, err := list.Output()
	require.NoError(t, err)
	built := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if path, file, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			built[path] = file
		}
	}
	c := &compiler{fset: token.NewFileSet()}
	c.types = importer.ForCompiler(c.fset, "gc", func(path string) (io.ReadCloser, error) {
		if built[path] == "" {
			return nil, errors.New("not among the packages of this module")
		}
		return os.Open(built[path])
	})
	return c
}

// compile returns what is wrong with a merchant's program, "" if nothing is.
func (c *compiler) compile(t *testing.T, declarations string) string {
	t.Helper()
	source := "package shop\nimport (\n\"context\"\n. \"github.com/kopokopo-go/kopokopo\"\n)\nvar _ context.Context\nvar _ Config\n" + declarations
	file, err := parser.ParseFile(c.fset, "shop.go", source, 0)
	require.NoError(t, err, source)
	var wrong []string
	cfg := types.Config{Importer: c.types, Error: func(err error) { wrong = append(wrong, err.Error()) }}
	_, _ = cfg.Check("shop", c.fset, []*ast.File{file}, nil)
	return strings.Join(wrong, "\n")
}

// switched is a program with one case of a type switch.
func switched(kind string) string {
	return "func receive(n *Notification) { switch n.Payload.(type) { case " + kind + ": } }"
}

func TestWhatIsAPayloadCompilesAsACase(t *testing.T) {
	t.Parallel()
	c := newCompiler(t)
	for _, kind := range []string{
		"nil", "*TransactionEvent", "*CustomerCreatedEvent", "*SettlementEvent", "*DarajaEvent",
		"*Document[IncomingPayment]", "*Document[SendMoney]", "*Document[Payment]", "*Document[SettlementTransfer]",
		"*Document[PaymentLink]", "*Document[Reversal]", "*Document[Polling]", "*Document[SMSNotification]",
	} {
		require.Empty(t, c.compile(t, switched(kind)), kind)
	}
}

func TestWhatIsNoPayloadDoesNotCompile(t *testing.T) {
	t.Parallel()
	c := newCompiler(t)
	const impossible, pointer, unfit = "impossible type switch case", "method payload has pointer receiver", "cannot use (func("
	for _, row := range []struct{ name, program, want string }{
		{"an event by value", switched("TransactionEvent"), pointer},
		{"a customer by value", switched("CustomerCreatedEvent"), pointer},
		{"a settlement by value", switched("SettlementEvent"), pointer},
		{"a Daraja payment by value", switched("DarajaEvent"), pointer},
		{"a document by value", switched("Document[IncomingPayment]"), pointer},
		{"the attributes", switched("*IncomingPayment"), impossible},
		{"the attributes by value", switched("SendMoney"), impossible},
		{"the transaction in an event", switched("*Transaction"), impossible},
		{"a documented type", switched("*BuyGoodsTrans"), impossible},
		{"a documented result", switched("*IncomingPaymentEvent"), impossible},
		{"the notification itself", switched("*Notification"), impossible},
		{"a pointer to a pointer", switched("**DarajaEvent"), impossible},
		{"text", switched("string"), impossible},
		{"raw JSON", switched("[]byte"), impossible},
		{"a type of the merchant's", "type mine struct{}\n" + switched("*mine"), impossible},
		{"a type of the merchant's with the method", "type mine struct{}\nfunc (*mine) payload() {}\n" + switched("*mine"), impossible},
		{"an assertion", "func receive(n *Notification) { _ = n.Payload.(DarajaEvent) }", "impossible type assertion"},
		{"a comma-ok assertion", "func receive(n *Notification) { _, _ = n.Payload.(Document[SendMoney]) }", "impossible type assertion"},
		{"a notification with a value", "var n = Notification{Payload: DarajaEvent{}}", pointer},
		{"a notification with text", `var n = Notification{Payload: "paid"}`, "missing method payload"},
		{"a case for another payload",
			"var d = Dispatch{Transaction: func(context.Context, *Notification, *DarajaEvent) error { return nil }}", unfit},
		{"a case for a value",
			"var d = Dispatch{Transaction: func(context.Context, *Notification, TransactionEvent) error { return nil }}", unfit},
		{"a case for the attributes",
			"var d = Dispatch{IncomingPayment: func(context.Context, *Notification, *IncomingPayment) error { return nil }}", unfit},
		{"a case that cannot fail", "var d = Dispatch{Polling: func(context.Context, *Notification, *Document[Polling]) {}}", unfit},
		{"a case that nobody posts", "var d = Dispatch{WebhookSubscription: nil}", "unknown field WebhookSubscription"},
		{"a case twice", switched("*DarajaEvent, *DarajaEvent"), "duplicate case"},
	} {
		t.Run(row.name, func(t *testing.T) {
			require.Contains(t, c.compile(t, row.program), row.want)
		})
	}
}

func TestDispatchIsAFunctionForTheHandler(t *testing.T) {
	t.Parallel()
	require.Empty(t, newCompiler(t).compile(t, `
		func serve(c *Client) (*Handler, error) { return c.WebhookHandler(Dispatch{}.Handle) }
		func serveAlone() (*Handler, error) { return NewWebhookHandler(HandlerConfig{}, Dispatch{}.Handle) }`))
}
