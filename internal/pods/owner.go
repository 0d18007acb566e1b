package pods

import (
	"strconv"
	"strings"
	"time"
)

// Owner gives the workload of a pod whose controller is of that kind and name, without asking the API server for it: a
// Deployment names its ReplicaSets after itself and the hash that its pods have as a label, and a CronJob its Jobs after
// itself and the minute, counted since 1970, for which they are due.
func Owner(kind, name, templateHash string, created time.Time) Workload {
	switch kind {
	case "ReplicaSet":
		if base, ok := strings.CutSuffix(name, "-"+templateHash); ok && templateHash != "" && base != "" {
			return Workload{Deployment, base}
		}
		return Workload{ReplicaSet, name}
	case "StatefulSet":
		return Workload{StatefulSet, name}
	case "DaemonSet":
		return Workload{DaemonSet, name}
	case "Job":
		if base, ok := cronJob(name, created); ok {
			return Workload{CronJob, base}
		}
		return Workload{Job, name}
	}
	return Workload{}
}

// cronJob gives the CronJob whose Job for the minute at the end of name may have been made at that time: a Job that
// somebody has numbered or dated by hand is none.
func cronJob(name string, created time.Time) (string, bool) {
	const early, late = 5 * time.Minute, 60 * 24 * time.Hour // clocks differ; a Job may be made long after it was due
	dash := strings.LastIndexByte(name, '-')
	if dash <= 0 {
		return "", false
	}
	minutes, err := strconv.ParseUint(name[dash+1:], 10, 32)
	if err != nil || len(name)-dash-1 < 8 {
		return "", false
	}
	age := created.Sub(time.Unix(int64(minutes)*60, 0))
	return name[:dash], age > -early && age < late
}
