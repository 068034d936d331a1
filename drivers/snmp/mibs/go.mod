module github.com/fieldtap/fieldtap/drivers/snmp/mibs

go 1.26

require (
	github.com/fieldtap/fieldtap v0.0.0
	github.com/sleepinggenius2/gosmi v0.4.4
	github.com/stretchr/testify v1.12.1
)

require (
	github.com/alecthomas/participle v0.4.1 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)

replace github.com/fieldtap/fieldtap => ../../..
