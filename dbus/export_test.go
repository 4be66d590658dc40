package dbus

// Gates tells of each method that the service has whether everybody may call it, and whether
// somebody may.
func (ms *MasterService) Gates() map[string][2]bool { return ms.gates() }
func (ws *WorkerService) Gates() map[string][2]bool { return ws.gates() }

func (s *service) gates() map[string][2]bool {
	m := map[string][2]bool{}
	for name, row := range s.methods {
		m[name] = [2]bool{row.gate.open, row.gate.open || row.gate.action != nil}
	}
	return m
}

// Properties, paths and specs, for comparison with the XML.
var (
	Properties = properties
	JobPath    = jobPath
	JobOf      = jobOf
	MemberPath = memberPath
	MemberOf   = memberOf
	MasterXML  = masterXML
	WorkerXML  = workerXML
)

// MaxCalls is the limit of one caller.
const MaxCalls = maxCalls

// SameJob says whether a second look finds nothing to tell.
func SameJob(a, b Job) bool { return (&told{job: a}).same(&b, 0) }

// MounterXML is the mount helper's, and Gates tells of its methods as of those above.
var MounterXML = mounterXML

func (ms *MounterService) Gates() map[string][2]bool { return ms.gates() }
