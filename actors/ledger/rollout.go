package ledger

import (
	"fmt"
	"time"
	"unicode/utf8"

	bolt "go.etcd.io/bbolt"

	"tenement/conf"
)

// rollouts is a bucket that is made with its first record, so that an older
// tenement reads the registry as before.
var rollouts = []byte("rollouts")

// RolloutState is where a rollout is.
type RolloutState string

// The states of a rollout. A daemon that starts goes on with the first two.
const (
	RolloutForward RolloutState = "running"
	RolloutBack    RolloutState = "rolling back"
	RolloutDone    RolloutState = "done"
	RolloutUndone  RolloutState = "rolled back"
)

// Rollout is the newest rollout of a service: the move of all its tenants to a
// release. Whom it moved, and from where, stands in their own records.
type Rollout struct {
	Service  string        `json:"-"` // the record's key
	Number   uint64        `json:"number"`
	To       string        `json:"to"`               // "" = the service as configured
	From     string        `json:"from,omitempty"`   // the release of new tenants before
	First    int           `json:"first"`            // tenants in the batch that proves the release
	Canary   bool          `json:"canary,omitempty"` // that batch is watched for a while
	Batch    int           `json:"batch"`
	Patience time.Duration `json:"patience"` // for each tenant to be healthy
	State    RolloutState  `json:"state"`
	Proved   bool          `json:"proved,omitempty"` // the first batch is well
	Reason   string        `json:"reason,omitempty"` // why it rolls back
	Started  time.Time     `json:"started,omitzero"`
	Ended    time.Time     `json:"ended,omitzero"`
}

// Active reports that there is something left to do.
func (r Rollout) Active() bool { return r.State == RolloutForward || r.State == RolloutBack }

// Current is the release of a tenant that is new.
func (r Rollout) Current() string {
	if r.State == RolloutDone || r.State == RolloutForward && r.Proved {
		return r.To
	}
	return r.From
}

// PutRollout stores the newest rollout of a service.
type PutRollout struct{ Rollout Rollout }

func (c PutRollout) apply(tx *bolt.Tx) error {
	r := c.Rollout
	if name, err := conf.Name(r.Service); err != nil || name != r.Service {
		return fmt.Errorf("cannot store a rollout: %q names no service", r.Service)
	}
	if err := r.check(); err != nil {
		return fmt.Errorf("cannot store the rollout of %s: %w", r.Service, err)
	}
	b, err := tx.CreateBucketIfNotExists(rollouts)
	if err != nil {
		return err
	}
	return put(b, []byte(r.Service), r)
}

// check refuses what could not be read back as it was written, or gone on with.
func (r Rollout) check() error {
	switch r.State {
	case RolloutForward, RolloutBack, RolloutDone, RolloutUndone:
	default:
		return fmt.Errorf("its state is %q", r.State)
	}
	for _, text := range []string{r.To, r.From, r.Reason} {
		if !utf8.ValidString(text) {
			return fmt.Errorf("%q is not UTF-8", text)
		}
	}
	if r.First < 1 || r.Batch < 1 {
		return fmt.Errorf("it moves %d and then %d at a time", r.First, r.Batch)
	}
	return nil
}

// Rollouts reads the newest rollout of each service, sorted by name.
func (s *Store) Rollouts() (all []Rollout, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		all, err = loadRollouts(tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read the registry %s: %w", s.path, advise(err, s.path))
	}
	return all, nil
}

func loadRollouts(tx *bolt.Tx) (all []Rollout, err error) {
	b := tx.Bucket(rollouts)
	if b == nil {
		return nil, nil
	}
	err = b.ForEach(func(k, record []byte) error {
		r := Rollout{Service: string(k)}
		if err := decode(k, record, &r); err != nil {
			return err
		}
		if err := r.check(); err != nil {
			return fmt.Errorf("%w: the rollout of %q: %w", errDamaged, k, err)
		}
		all = append(all, r)
		return nil
	})
	return all, err
}
