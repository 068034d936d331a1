// Package stacks holds tests of OPC UA against two stacks in Go by others,
// awcullen/opcua and gopcua: our client against their servers, and their clients against
// our simulator. It is a module of its own for what they need.
package stacks
