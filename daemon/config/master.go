package config

import "time"

// Master holds the settings of olive-master.
type Master struct {
	Listen string // HOST:PORT of the farm's one port, without a host for all interfaces
	State  string // folder of the log, the CA and the parts
	Bus    string // D-Bus on which the master has its name: [SystemBus], [NoBus] or an address
	Spool  string // the hot folder, "" for none

	Media struct {
		Transport string // how workers get at the media: [Auto], as they like, or [Local], by the same paths only
		Quota     int64  // bytes that a worker may have delivered and not reported yet, 0 for what its range needs at most
	}
	History struct {
		Days int // that a finished job is remembered
	}
	Farm struct { // see farm.Policy
		Range        time.Duration // of the timeline, of a range for a worker that is not known yet
		LeaseTimeout time.Duration // silence after which a worker counts as lost
		StallTimeout time.Duration // time without one more frame after which a range has failed
		MaxFailures  int           // of a job before it is given up
	}
	Join struct {
		TokenLifetime   time.Duration
		CertificateDays int
	}
	Limits struct {
		Connections int   // at the same time
		Journal     int64 // bytes of the log on disk
	}
}

func defaultMaster() Master {
	m := Master{Listen: ":7480", State: "/var/lib/olive", Bus: SystemBus, Spool: "/var/spool/olive"}
	m.Media.Transport = Auto
	m.History.Days = 30
	m.Farm.Range = 9 * time.Second
	m.Farm.LeaseTimeout = 5 * time.Second
	m.Farm.StallTimeout = 10 * time.Minute
	m.Farm.MaxFailures = 3
	m.Join.TokenLifetime = 15 * time.Minute
	m.Join.CertificateDays = 90
	m.Limits.Connections = 10000
	m.Limits.Journal = 4 << 30
	return m
}

func (m *Master) keys() []key {
	return []key{
		{"listen", address{&m.Listen, true}},
		{"state", path{to: &m.State}},
		{"bus", busAddress{&m.Bus}},
		{"spool", path{&m.Spool, true}},
		{"media.transport", choice{to: &m.Media.Transport, words: []string{Auto, Local}}},
		{"media.quota", size{to: &m.Media.Quota, min: 1 << 20, max: 1 << 50, zero: true}},
		{"history.days", integer{&m.History.Days, 1, 3650}},
		{"farm.range", duration{&m.Farm.Range, time.Second, time.Minute}},
		{"farm.lease_timeout", duration{&m.Farm.LeaseTimeout, 2 * time.Second, 10 * time.Minute}},
		{"farm.stall_timeout", duration{&m.Farm.StallTimeout, 10 * time.Second, 24 * time.Hour}},
		{"farm.max_failures", integer{&m.Farm.MaxFailures, 1, 100}},
		{"join.token_lifetime", duration{&m.Join.TokenLifetime, time.Minute, 24 * time.Hour}},
		{"join.certificate_days", integer{&m.Join.CertificateDays, 1, 825}},
		{"limits.connections", integer{&m.Limits.Connections, 1, 100_000}},
		{"limits.journal", size{to: &m.Limits.Journal, min: 64 << 20, max: 1 << 40}},
	}
}
