package dbus_test

func agent([]string) int { return 0 }
