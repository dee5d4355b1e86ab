// Package peers starts those that tenement is compared with, and tenement itself:
// proxies in front of backends on Unix sockets, whose configurations are the files
// beside it; who starts apps on demand (ondemand.go); who keeps them running
// (supervisor.go). It installs nothing: ErrMissing says which package is missing.
package peers
