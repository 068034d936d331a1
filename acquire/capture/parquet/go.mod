module github.com/fieldtap/fieldtap/acquire/capture/parquet

go 1.26

replace github.com/fieldtap/fieldtap => ../../..

require (
	github.com/fieldtap/fieldtap v0.0.0
	github.com/klauspost/compress v1.18.3
	github.com/stretchr/testify v1.12.1
)

require go.yaml.in/yaml/v3 v3.0.5 // indirect
