module github.com/fieldtap/fieldtap/internal/bench/capture

go 1.26

require (
	github.com/fieldtap/fieldtap v0.0.0
	github.com/foxglove/mcap/go/mcap v1.9.0
	github.com/stretchr/testify v1.12.1
)

require (
	github.com/klauspost/compress v1.16.7 // indirect
	github.com/pierrec/lz4/v4 v4.1.22 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)

replace github.com/fieldtap/fieldtap => ../../..
