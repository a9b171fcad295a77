// Package h2faults tests the client against a server that speaks HTTP/2 frame by
// frame. It is a module of its own because its one dependency, golang.org/x/net, may
// ask for a newer Go than the client does.
package h2faults
