package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// A Network is a bridge and its hosts, each in a namespace of its own: nothing of it is seen in this
// machine's network.
type Network struct {
	name string
	made []string // namespaces
}

// NewNetwork makes a network; the host number i, from 0, has the address 10.77.48.(i+1).
func NewNetwork(ctx context.Context, hosts ...string) (*Network, error) {
	n := &Network{name: fmt.Sprintf("olive-rig-%d", os.Getpid())}
	err := n.build(ctx, hosts)
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (n *Network) build(ctx context.Context, hosts []string) error {
	hub := n.namespace("hub")
	steps := [][]string{
		{"netns", "add", hub},
		{"-n", hub, "link", "add", "br0", "type", "bridge"},
		{"-n", hub, "link", "set", "br0", "up"},
	}
	for i, host := range hosts {
		ns, port := n.namespace(host), fmt.Sprintf("port%d", i)
		steps = append(steps, [][]string{
			{"netns", "add", ns},
			{"-n", ns, "link", "set", "lo", "up"},
			{"-n", hub, "link", "add", port, "type", "veth", "peer", "name", "host0", "netns", ns},
			{"-n", hub, "link", "set", port, "master", "br0", "up"},
			{"-n", ns, "addr", "add", fmt.Sprintf("10.77.48.%d/24", i+1), "dev", "host0"},
			{"-n", ns, "link", "set", "host0", "up"},
		}...)
	}
	for _, args := range steps {
		if _, err := run(ctx, nil, "ip", args...); err != nil {
			return fmt.Errorf("make network: %w", err)
		}
		if args[0] == "netns" {
			n.made = append(n.made, args[2])
		}
	}
	return nil
}

func (n *Network) namespace(host string) string { return n.name + "-" + host }

// Close removes the network.
func (n *Network) Close() error {
	var errs []error
	for _, ns := range n.made {
		_, err := run(context.Background(), nil, "ip", "netns", "del", ns)
		errs = append(errs, err)
	}
	n.made = nil
	return errors.Join(errs...)
}
