package sandbox

import "testing"

func TestFilter_Size(t *testing.T) { t.Log(len(filter()), len(spans(append(calls, machineCalls...)))) }
