package edge

import (
	"testing"
	"time"
)

func TestDate_IsThatOfTheSecond(t *testing.T) {
	at := time.Date(2026, 11, 5, 23, 59, 58, 999, time.FixedZone("", 3600))
	for _, want := range []string{"Date: Thu, 05 Nov 2026 22:59:58 GMT\r\n", "Date: Thu, 05 Nov 2026 22:59:59 GMT\r\n", "Date: Thu, 05 Nov 2026 23:00:00 GMT\r\n"} {
		for range 2 {
			if got := string(appendDate(nil, at)); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		at = at.Add(time.Second)
	}
}
