module github.com/fieldtap/fieldtap/internal/bench

go 1.26

require (
	github.com/bcicen/go-units v1.0.5
	github.com/fieldtap/fieldtap v0.0.0
	github.com/goburrow/modbus v0.1.0
	github.com/gosnmp/gosnmp v1.47.0
	github.com/stretchr/testify v1.12.1
	gonum.org/v1/gonum v0.16.0
)

require (
	github.com/Knetic/govaluate v3.0.0+incompatible // indirect
	github.com/bcicen/bfstree v1.0.0 // indirect
	github.com/goburrow/serial v0.1.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)

replace github.com/fieldtap/fieldtap => ../..
