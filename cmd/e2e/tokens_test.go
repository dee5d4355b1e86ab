package e2e

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Beside a hundred wrong tokens a second a valid one answers with a p99 below
// validWithin, on a machine that is not busy otherwise. A busy one is given
// busyFactor times that, or times what it takes without anybody who guesses, and
// tokenRounds tries: what we make somebody wait for is in each of them, what others
// do to the machine is not.
const (
	validWithin = 20 * time.Millisecond
	busyFactor  = 5
	tokenPace   = 10 * time.Millisecond
	tokenRounds = 5
)

// latencies are of answers, sorted.
type latencies []time.Duration

func (l latencies) at(q float64) time.Duration { return l[int(float64(len(l)-1)*q)] }

func (l latencies) String() string {
	return fmt.Sprintf("p50 %v, p99 %v, max %v", l.at(0.5), l.at(0.99), l.at(1))
}

// asks makes one request with a token.
func (d *daemon) asks(token string) (status int, took time.Duration, err error) {
	r, err := http.NewRequest("GET", "http://"+d.address()+"/api/instances", nil)
	if err != nil {
		return 0, 0, err
	}
	r.Host = d.domain()
	r.Header.Set("Authorization", "Bearer "+token)
	began := time.Now()
	resp, err := d.client.Do(r)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, time.Since(began), err
}

// presents asks so many times with a valid token, and gives how long it took.
func (d *daemon) presents(token string, times int) (took latencies) {
	tick := time.NewTicker(tokenPace)
	defer tick.Stop()
	for range times {
		<-tick.C
		status, one, err := d.asks(token)
		if err != nil || status != http.StatusOK {
			d.t.Errorf("the valid token: %d, %v", status, err)
		}
		took = append(took, one)
	}
	return took
}

// guesses sends wrong tokens until stop, and counts the answers by their status;
// 0 = none came.
func (d *daemon) guesses(got map[int]int, stop <-chan struct{}) {
	tick := time.NewTicker(tokenPace)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			status, _, _ := d.asks(fmt.Sprint("guess-", time.Now().UnixNano()))
			got[status]++
		}
	}
}

// besideGuesses measures a valid token without and beside wrong ones, in turns, so
// that what else the machine does is in both.
func (d *daemon) besideGuesses(valid string, wrong map[int]int) (alone, beside latencies) {
	for range 5 {
		alone = append(alone, d.presents(valid, 60)...)
		stop := make(chan struct{})
		var guesser sync.WaitGroup
		guesser.Go(func() { d.guesses(wrong, stop) })
		beside = append(beside, d.presents(valid, 60)...)
		close(stop)
		guesser.Wait()
	}
	slices.Sort(alone)
	slices.Sort(beside)
	return alone, beside
}

// S9: whoever guesses is slowed down; whoever knows a token is not.
func TestTokens_AHundredWrongOnesASecondLockNobodyOut(t *testing.T) {
	t.Parallel()
	d := launch(t, setup{services: character("web", "serves", `listen = "fd"`)})
	token := strings.Fields(d.must("token-gen"))
	valid := token[len(token)-1]
	wrong := map[int]int{}
	for round := 1; ; round++ {
		alone, beside := d.besideGuesses(valid, wrong)
		most := busyFactor * max(validWithin, alone.at(0.99))
		t.Logf("round %d, %d answers to a valid token: %v; beside wrong ones, answered %v: %v", round, len(alone), alone, wrong, beside)
		if beside.at(0.99) <= most {
			break
		}
		if round == tokenRounds {
			t.Fatalf("beside wrong tokens a valid one's p99 is %v in the last of %d rounds, want %v at most, %v on a machine that is not busy",
				beside.at(0.99), tokenRounds, most, validWithin)
		}
	}
	if wrong[http.StatusUnauthorized] == 0 || wrong[http.StatusTooManyRequests] < 100 || len(wrong) != 2 {
		t.Errorf("wrong tokens were answered %v, want 401 to the first and 429 to all others", wrong)
	}
}
