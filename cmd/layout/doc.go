// Package layout holds one test: that the folders, the direction of the
// imports, the homes of third-party packages and the size of files are what
// docs/architecture.md says. It names the offender.
package layout
