// Package storage says what a tenant's directory holds and, where the file
// system can, has it keep the directory to a quota: project quotas of ext4 and
// XFS, with the tenant's uid as the number of its project. Elsewhere it walks
// the tree. When to measure and what follows is the tenant's actor's business.
//
// The owner of a directory may give it another project number (ioctl
// FS_IOC_FSSETXATTR). Where that matters, the enclosure has to refuse the call;
// Measure sees that it was done to the directory itself, and walks then.
package storage

import (
	"context"
	"errors"
)

// Method is how something was measured.
type Method string

// The file system knows at once; a walk takes as long as there are files.
const (
	ByProject Method = "project quota"
	ByWalk    Method = "walk"
)

// Usage is what a directory held.
type Usage struct {
	Bytes  int64
	Method Method
}

// ErrNoQuota: this file system, or this user, cannot keep a directory to a quota.
var ErrNoQuota = errors.New("the file system keeps no project quotas here (ext4 or XFS, mounted with prjquota, and root)")

// Measure says what a directory holds; one that does not exist holds nothing.
// ctx bounds a walk.
func Measure(ctx context.Context, dir string, project uint32) (Usage, error) {
	if bytes, err := projectUsage(dir, project); err == nil {
		return Usage{Bytes: bytes, Method: ByProject}, nil
	}
	bytes, err := usedBytes(ctx, dir)
	return Usage{Bytes: bytes, Method: ByWalk}, err
}
