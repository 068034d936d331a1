module github.com/fieldtap/fieldtap/internal/interop/opcua/stacks

go 1.26

replace github.com/fieldtap/fieldtap => ../../../..

require (
	github.com/awcullen/opcua v1.4.0
	github.com/fieldtap/fieldtap v0.0.0
	github.com/gopcua/opcua v0.9.1
	github.com/stretchr/testify v1.12.1
)

require (
	github.com/djherbis/buffer v1.2.0 // indirect
	github.com/gammazero/deque v1.0.0 // indirect
	github.com/gammazero/workerpool v1.1.3 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/pkg/errors v0.9.1 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)
