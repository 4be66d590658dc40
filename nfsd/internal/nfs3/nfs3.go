// Package nfs3 holds the numbers and structures of NFS version 3 and its MOUNT protocol (RFC 1813), and
// nothing that does anything.
package nfs3
