// Package journal owns the tenants' logs on disk: what they wrote to stdout and
// stderr, line by line, within a bounded number of bytes for each tenant. It
// promises that logging never fails a tenant and never waits for a reader: lines
// that cannot be written are dropped and counted. Bytes are kept as the tenant
// wrote them; whoever shows them on a terminal uses Printable.
//
//	{dir}/{service}/{id}/0000000007.log     segments, the newest has the highest number
//	2026-03-01T12:00:00.000000000Z stdout F message      the lines of CRI logs; P: to be continued
package journal
