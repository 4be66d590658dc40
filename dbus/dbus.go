// Package dbus is the door of the daemons on the system bus: org.olive.Master1, by which jobs and
// workers are seen and controlled, and org.olive.Worker1 on the machines of workers. It has the
// other side too, a [Client] for olivectl.
//
// The XML files beside this one are the source of truth: they are what introspection answers, they are
// installed, and a call whose arguments do not fit them goes no further. Objects hold no state: each call
// asks the daemon, by the interfaces [Master] and [Worker], and so a change is seen by the next call.
//
// Every call passes one table: a method that is not in it does not exist, and one that says nothing of
// who may call it is refused. polkit decides, by the caller's name on the bus. A call that was
// refused has changed nothing; one that has no answer in time may have happened. Errors have the names
// org.olive.Error.* that the XML tells.
package dbus

import (
	_ "embed"

	godbus "github.com/godbus/dbus/v5"
)

// Names on the bus.
const (
	MasterName = "org.olive.Master1"
	WorkerName = "org.olive.Worker1"

	masterPath = godbus.ObjectPath("/org/olive/Master1")
	workerPath = godbus.ObjectPath("/org/olive/Worker1")

	managerInterface = "org.olive.Master1.Manager"
	jobInterface     = "org.olive.Master1.Job"
	memberInterface  = "org.olive.Master1.Worker"
	workerInterface  = "org.olive.Worker1"

	propertiesInterface = "org.freedesktop.DBus.Properties"
	objectsInterface    = "org.freedesktop.DBus.ObjectManager"
)

var (
	//go:embed org.olive.Master1.xml
	masterXML string
	//go:embed org.olive.Worker1.xml
	workerXML string
	//go:embed standard.xml
	standardXML string
)
