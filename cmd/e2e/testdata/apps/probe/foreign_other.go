//go:build !amd64

package main

var foreignProbes []probe
