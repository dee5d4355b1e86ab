package edge

import (
	"context"
	"net/http"
	"time"

	"tenement/actors"
	"tenement/conf"
)

// What a deployment may say of its patience, in seconds.
const (
	defaultPatience = 30
	maxPatience     = 3600
)

// DeployRequest is the body of POST /api/deploy.
type DeployRequest struct {
	Process string `json:"process"`
	Version string `json:"version"` // an instance id
	Weight  *int   `json:"weight"`  // 0..100; absent: 100
	Timeout int    `json:"timeout"` // seconds until it must be healthy; 0: 30
}

// DeployedJSON answers POST /api/deploy.
type DeployedJSON struct {
	Instance string `json:"instance"`
	Socket   string `json:"socket"`
	Weight   int    `json:"weight"`
	Status   string `json:"status"` // healthy
}

// RouteRequest is the body of POST /api/route: both are instance ids.
type RouteRequest struct {
	Process string `json:"process"`
	From    string `json:"from"`
	To      string `json:"to"`
}

// RoutedJSON answers POST /api/route.
type RoutedJSON struct {
	FromInstance string `json:"from_instance"`
	ToInstance   string `json:"to_instance"`
	FromWeight   int    `json:"from_weight"`
	ToWeight     int    `json:"to_weight"`
}

func (a *API) deploy(ctx context.Context, r *apiRequest) Reply {
	var body DeployRequest
	if refused := decodeBody(r, &body); refused != nil {
		return *refused
	}
	name, refused := instanceOf(body.Process, "version", body.Version)
	if refused != nil {
		return *refused
	}
	weight := 100
	if body.Weight != nil {
		weight = *body.Weight
	}
	if weight < 0 || weight > 100 {
		return refuse(http.StatusBadRequest, `field "weight": a whole number from 0 to 100 is expected`)
	}
	if body.Timeout < 0 || body.Timeout > maxPatience {
		return refuse(http.StatusBadRequest, `field "timeout": 1 to %d seconds are expected`, maxPatience)
	}
	if body.Timeout == 0 {
		body.Timeout = defaultPatience
	}
	info, err := a.host.Deploy(ctx, name, weight, time.Duration(body.Timeout)*time.Second)
	if err != nil {
		return a.failed("cannot deploy "+name.String(), err)
	}
	return answerJSON(http.StatusOK, DeployedJSON{Instance: name.String(), Socket: info.Socket, Weight: info.Weight, Status: info.Health})
}

func (a *API) reroute(ctx context.Context, r *apiRequest) Reply {
	var body RouteRequest
	if refused := decodeBody(r, &body); refused != nil {
		return *refused
	}
	from, refused := instanceOf(body.Process, "from", body.From)
	if refused != nil {
		return *refused
	}
	to, refused := instanceOf(body.Process, "to", body.To)
	if refused != nil {
		return *refused
	}
	if from == to {
		return refuse(http.StatusBadRequest, `fields "from" and "to" are both %s: two instances are expected`, from)
	}
	if err := a.host.Route(ctx, from, to); err != nil {
		return a.failed("cannot route "+from.String()+" to "+to.String(), err)
	}
	return answerJSON(http.StatusOK, RoutedJSON{FromInstance: from.String(), ToInstance: to.String(), FromWeight: actors.RoutedFrom, ToWeight: actors.RoutedTo})
}

// instanceOf checks a tenant that a body names in two fields.
func instanceOf(service, field, id string) (conf.Instance, *Reply) {
	switch {
	case service == "":
		return conf.Instance{}, refusep(http.StatusBadRequest, `field "process" is missing: the name of a service`)
	case id == "":
		return conf.Instance{}, refusep(http.StatusBadRequest, `field %q is missing: the tenant's id`, field)
	}
	name, err := conf.NewInstance(service, id)
	if err != nil {
		return conf.Instance{}, refusep(http.StatusBadRequest, "%v", err)
	}
	return name, nil
}
