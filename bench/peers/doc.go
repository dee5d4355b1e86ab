// Package peers starts the proxies that tenement is compared with, and tenement
// itself, each in front of backends on Unix sockets. The configurations are the
// files beside it.
package peers
