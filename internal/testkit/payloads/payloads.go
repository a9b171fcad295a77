// Package payloads holds the documents of Kopo Kopo that are on record, as they were
// sent: requests, results, resources, webhooks, errors, and signature vectors. INDEX.md
// says where each is from. Only tests import it, and it imports nothing of ours, so that
// every test can.
package payloads

import (
	"embed"
	"io/fs"
)

//go:embed *.json
var files embed.FS

// Read returns a document by its file name, "webhook_customer_created.json". It panics
// if there is none of that name.
func Read(name string) []byte {
	data, err := files.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return data
}

// Names returns the sorted file names that match a pattern, as path.Match has them. It
// panics if there are none: a test that goes over no documents proves nothing.
func Names(pattern string) []string {
	names, err := fs.Glob(files, pattern)
	if err != nil || len(names) == 0 {
		panic("no payloads match " + pattern)
	}
	return names
}
