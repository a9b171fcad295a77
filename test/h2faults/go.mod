module github.com/kopokopo-go/kopokopo/test/h2faults

go 1.26.0

require (
	github.com/kopokopo-go/kopokopo v0.0.0
	golang.org/x/net v0.62.0
)

require golang.org/x/text v0.43.0 // indirect

replace github.com/kopokopo-go/kopokopo => ../..
