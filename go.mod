module github.com/fieldtap/fieldtap

go 1.26

require (
	github.com/goburrow/modbus v0.1.0
	github.com/stretchr/testify v1.12.1
)

require (
	github.com/davecgh/go-spew v1.1.1 // indirect
	github.com/goburrow/serial v0.1.0 // indirect
	github.com/pmezard/go-difflib v1.0.0 // indirect
	gopkg.in/yaml.v3 v3.0.1 // indirect
)
